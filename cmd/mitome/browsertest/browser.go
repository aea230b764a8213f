package browsertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Browser is one browser of one person: a profile without a history, and an
// authenticator that verifies its user at once.
type Browser struct {
	ctx  context.Context
	name string
	axe  string
	t    *testing.T

	authenticator webauthn.AuthenticatorID

	mu      sync.Mutex
	faults  []string
	calls   []string                                // METHOD path, as they were sent
	workers map[string]serviceworker.RegistrationID // by scope
	audited map[string]bool                         // pages that axe has seen
}

// Browser opens a profile. Whatever goes wrong on one of its pages fails t: an
// exception, an error on the console, a breach of the page's policy.
func (c *Chrome) Browser(t *testing.T, name string) *Browser {
	t.Helper()
	b := &Browser{name: name, t: t, axe: c.axe, audited: map[string]bool{}, workers: map[string]serviceworker.RegistrationID{}}
	ctx, stop := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.hear))
	b.ctx = ctx
	t.Cleanup(stop)
	t.Cleanup(b.check)
	// A target lives as long as the context of the first call, so that one has no
	// deadline.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	Call(b, network.Enable, network.EnableParams{})
	Call(b, log.Enable, struct{}{})
	Call(b, webauthn.Enable, webauthn.EnableParams{})
	b.NewAuthenticator()
	b.Size(360, 740)
	b.Language("en")
	return b
}

// hear notes what the page says went wrong. It runs while the browser waits, so
// it only notes.
func (b *Browser) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		text := ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			text += " " + e.Description
		}
		b.faults = append(b.faults, "exception: "+text)
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeAssert {
			b.faults = append(b.faults, fmt.Sprintf("console: %v", ev.Args))
		}
	case *log.EventEntryAdded:
		// That an answer was 4xx is no fault of the page: tests are there to see
		// what it makes of one.
		if e := ev.Entry; e.Level == log.EntryLevelError && e.Source != log.EntrySourceNetwork {
			b.faults = append(b.faults, fmt.Sprintf("log: %s: %s %s", e.Source, e.Text, e.URL))
		}
	case *serviceworker.EventWorkerRegistrationUpdated:
		for _, r := range ev.Registrations {
			b.workers[r.ScopeURL] = r.RegistrationID
		}
	case *network.EventRequestWillBeSent:
		b.calls = append(b.calls, ev.Request.Method+" "+pathOf(ev.Request.URL))
	}
}

func pathOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	_, path, _ := strings.Cut(rest, "/")
	return "/" + path
}

func (b *Browser) check() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Errorf("%s: %s", b.name, f)
	}
}

// Calls counts the calls sent so far whose "METHOD path" ends in suffix.
func (b *Browser) Calls(suffix string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		if strings.HasSuffix(c, suffix) {
			n++
		}
	}
	return n
}

// Do runs steps, all of them in time.
func (b *Browser) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, Patience)
	defer stop()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.fail("%v", err)
	}
}

// fail ends the test, and says where the browser stands.
func (b *Browser) fail(format string, args ...any) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, Patience)
	defer stop()
	page, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	b.t.Fatalf("%s: %s\non %s", b.name, fmt.Sprintf(format, args...), page)
}

// Open goes to an address.
func (b *Browser) Open(url string) { b.t.Helper(); b.Do(chromedp.Navigate(url)) }

// Reload loads the page again.
func (b *Browser) Reload() { b.t.Helper(); b.Do(chromedp.Reload()) }

// At returns where the browser is.
func (b *Browser) At() string { return Eval[string](b, "location.href") }

// Size sets the size of the window.
func (b *Browser) Size(width, height int64) {
	b.t.Helper()
	Call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
	})
}

// Language sets what the browser asks for.
func (b *Browser) Language(tag string) {
	b.t.Helper()
	agent := Eval[string](b, "navigator.userAgent")
	Call(b, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: tag})
}

// Dark sets whether the person has chosen the dark theme.
func (b *Browser) Dark(on bool) {
	b.t.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[on]
	Call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// Offline takes the network away, or gives it back.
func (b *Browser) Offline(on bool) {
	b.t.Helper()
	Call(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: on, DownloadThroughput: -1, UploadThroughput: -1}},
	})
	Call(b, network.OverrideNetworkState, network.OverrideNetworkStateParams{
		Offline: on, DownloadThroughput: -1, UploadThroughput: -1,
	})
}

// ClearCookies forgets every session.
func (b *Browser) ClearCookies() {
	b.t.Helper()
	Call(b, network.ClearBrowserCookies, struct{}{})
}

// Cookies returns the cookies that are sent to url.
func (b *Browser) Cookies(url string) []*network.Cookie {
	b.t.Helper()
	return Call(b, network.GetCookies, network.GetCookiesParams{URLs: []string{url}}).Cookies
}
