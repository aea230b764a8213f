package firefoxtest

import (
	"encoding/json"
	"slices"
	"strings"
)

// Alert is a notification on the screen, in Firefox's own window for it.
type Alert struct {
	Title, Body string

	f      *Firefox
	window string
}

// Alert waits until a notification with this title and body is on the screen.
func (f *Firefox) Alert(title, body string) Alert {
	f.t.Helper()
	var found Alert
	f.until("notification "+title+", "+body, func() bool {
		i := slices.IndexFunc(f.alerts(), func(a Alert) bool {
			found = a
			return strings.Contains(a.Title, title) && strings.Contains(a.Body, body)
		})
		return i >= 0
	})
	return found
}

// alerts are all notifications on the screen.
func (f *Firefox) alerts() (out []Alert) {
	for _, w := range f.windows(map[string]any{"moz:scope": "chrome"}) {
		if !strings.HasSuffix(w.URL, "/alert.xhtml") {
			continue
		}
		a := Alert{f: f, window: w.Context}
		raw, err := f.evalIn(w.Context, `({
			Title: document.querySelector('#alertTitleLabel').getAttribute('value'),
			Body: document.querySelector('#alertTextLabel').textContent,
		})`)
		if err == nil && json.Unmarshal(raw, &a) == nil { // else it is just going
			out = append(out, a)
		}
	}
	return out
}

// Click clicks on it.
func (a Alert) Click() { a.f.t.Helper(); a.run(`document.documentElement.click()`) }

// Press presses one of its buttons. Firefox's own window shows none, and those of
// the desktops report a press to Firefox in this way.
func (a Alert) Press(action string) {
	a.f.t.Helper()
	a.run(`gAlertListener.observe({
		QueryInterface: ChromeUtils.generateQI(['nsIAlertAction']), action: '` + action + `', title: '', iconURL: '',
	}, 'alertclickcallback', gAlertCookie)`)
}

func (a Alert) run(script string) {
	a.f.t.Helper()
	if _, err := a.f.evalIn(a.window, `(`+script+`, true)`); err != nil {
		a.f.fail("notification: %v", err)
	}
}

// Gone waits until it is no longer on the screen.
func (a Alert) Gone() {
	a.f.t.Helper()
	a.f.until("notification to go", func() bool {
		return !slices.ContainsFunc(a.f.alerts(), func(b Alert) bool { return b.window == a.window })
	})
}

// window is a window or a page of Firefox.
type window struct{ Context, URL string }

func (f *Firefox) windows(which map[string]any) []window {
	f.t.Helper()
	var tree struct{ Contexts []window }
	f.call("browsingContext.getTree", which, &tree)
	return tree.Contexts
}

// Turn waits until a page is open whose address ends in suffix, and turns to it.
func (f *Firefox) Turn(suffix string) {
	f.t.Helper()
	f.until("page "+suffix, func() bool {
		all := f.windows(map[string]any{})
		i := slices.IndexFunc(all, func(w window) bool { return strings.HasSuffix(w.URL, suffix) })
		if i < 0 {
			return false
		}
		f.page = all[i].Context
		return true
	})
}
