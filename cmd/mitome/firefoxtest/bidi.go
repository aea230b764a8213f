package firefoxtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

// connect begins a session at url, and takes the one page that is open.
func (f *Firefox) connect(url string) {
	f.t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(f.t.Context(), url+"/session", nil)
	if err != nil {
		f.t.Fatalf("connect to Firefox: %v", err)
	}
	f.conn = conn
	f.call("session.new", map[string]any{"capabilities": map[string]any{}}, nil)
	f.call("session.subscribe", map[string]any{"events": []string{"log.entryAdded"}}, nil)
	f.Turn("about:blank")
	f.t.Cleanup(func() {
		for _, text := range f.said {
			f.t.Errorf("Firefox: %s", text)
		}
	})
}

// message is whatever Firefox sends: an answer, or something that happened.
type message struct {
	ID     int
	Type   string
	Method string
	Error  string
	Text   string `json:"message"`
	Result json.RawMessage
	Params json.RawMessage
}

// try sends one command and returns what comes of it.
func (f *Firefox) try(method string, params any) (json.RawMessage, error) {
	f.last++
	f.conn.SetWriteDeadline(time.Now().Add(start))
	f.conn.SetReadDeadline(time.Now().Add(start))
	if err := f.conn.WriteJSON(map[string]any{"id": f.last, "method": method, "params": params}); err != nil {
		f.t.Fatalf("%s: %v", method, err)
	}
	for {
		var m message
		if err := f.conn.ReadJSON(&m); err != nil {
			f.t.Fatalf("%s: %v", method, err)
		}
		switch {
		case m.Type == "event":
			f.hear(m)
		case m.ID == f.last && m.Type == "success":
			return m.Result, nil
		case m.ID == f.last:
			return nil, fmt.Errorf("%s: %s: %s", method, m.Error, m.Text)
		}
	}
}

// call sends one command that must succeed.
func (f *Firefox) call(method string, params, into any) {
	f.t.Helper()
	result, err := f.try(method, params)
	if err == nil && into != nil {
		err = json.Unmarshal(result, into)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// hear notes what a page says went wrong. That an answer was 4xx is no fault.
func (f *Firefox) hear(m message) {
	var e struct{ Level, Text, Type string }
	if json.Unmarshal(m.Params, &e) == nil && e.Level == "error" {
		f.said = append(f.said, e.Type+": "+e.Text)
	}
}

// eval is what an expression is on the page, as JSON.
func (f *Firefox) eval(expression string) (json.RawMessage, error) {
	return f.evalIn(f.page, expression)
}

func (f *Firefox) evalIn(context, expression string) (json.RawMessage, error) {
	raw, err := f.try("script.evaluate", map[string]any{
		"expression":   "(async () => JSON.stringify(await (" + expression + ")) ?? 'null')()",
		"target":       map[string]string{"context": context},
		"awaitPromise": true,
	})
	if err != nil {
		return nil, err
	}
	var r struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	if r.Type != "success" {
		return nil, fmt.Errorf("%s: %s", expression, r.ExceptionDetails.Text)
	}
	return json.RawMessage(r.Result.Value), nil
}

// Eval returns what an expression is on the page.
func Eval[T any](f *Firefox, expression string) (v T) {
	f.t.Helper()
	raw, err := f.eval(expression)
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		f.fail("%v", err)
	}
	return v
}

// Open goes to an address.
func (f *Firefox) Open(url string) {
	f.t.Helper()
	f.call("browsingContext.navigate", map[string]any{"context": f.page, "url": url, "wait": "complete"}, nil)
}

// ForgetCookies ends every session.
func (f *Firefox) ForgetCookies() {
	f.t.Helper()
	f.call("storage.deleteCookies", map[string]any{}, nil)
}

// Before runs a script in each page that is opened from now on, before its own.
func (f *Firefox) Before(script string) {
	f.t.Helper()
	f.call("script.addPreloadScript", map[string]any{"functionDeclaration": "() => {" + script + "}"}, nil)
}

// UntilTrue waits until an expression is true on the page.
func (f *Firefox) UntilTrue(what, expression string) {
	f.t.Helper()
	f.until(what, func() bool {
		raw, err := f.eval(expression)
		return err == nil && string(raw) == "true"
	})
}

// until waits until a condition holds.
func (f *Firefox) until(what string, ok func() bool) {
	f.t.Helper()
	deadline := time.NewTimer(browsertest.Patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			f.fail("waited in vain for %s", what)
		}
	}
}

// Stage waits until the page shows a stage.
func (f *Firefox) Stage(name string) {
	f.t.Helper()
	f.UntilTrue("stage "+name, `(() => { const s = document.querySelector('[data-stage="`+name+`"]'); return document.readyState === 'complete' && !!s && s.checkVisibility(); })()`)
}

// Said waits until the page says something that stands ready on it, by its key.
func (f *Firefox) Said(key string) {
	f.t.Helper()
	f.UntilTrue("message "+key, `[...document.querySelectorAll('[data-when~="`+key+`"]')].some((e) => e.checkVisibility())`)
}

// Press presses the button that says text.
func (f *Firefox) Press(text string) {
	f.t.Helper()
	said, err := json.Marshal(text)
	if err != nil {
		f.t.Fatal(err)
	}
	f.UntilTrue("a button: "+text, `(() => {
		const b = [...document.querySelectorAll('button')].find((e) => e.checkVisibility() && e.textContent.trim() === `+string(said)+`);
		b?.click();
		return !!b;
	})()`)
}

// Fill writes into the field of that name.
func (f *Firefox) Fill(name, value string) {
	f.t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		f.t.Fatal(err)
	}
	f.UntilTrue("a field: "+name, `(() => {
		const field = document.querySelector('input[name="`+name+`"]');
		if (field) field.value = `+string(text)+`;
		return !!field;
	})()`)
}

// fail ends the test, and says where the page stands.
func (f *Firefox) fail(format string, args ...any) {
	f.t.Helper()
	at, err := f.eval(`location.href + "\n" + document.body.innerText`)
	if err != nil {
		at = []byte(err.Error())
	}
	f.t.Fatalf("Firefox: %s\non %s", fmt.Sprintf(format, args...), strings.ReplaceAll(string(at), `\n`, "\n"))
}
