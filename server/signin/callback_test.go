package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/server/signin"
)

// TestBadCallbacks: the answer comes to a browser that did not ask, or too late.
func TestBadCallbacks(t *testing.T) {
	w := newWorld(t)
	tests := map[string]func() (*browser, string){
		"nobody asked": func() (*browser, string) { return w.newBrowser(), "/signin/callback?code=x&state=y" },
		"another browser asked": func() (*browser, string) {
			return w.newBrowser(), w.newBrowser().toOP()
		},
		"another browser asked, and this one, too": func() (*browser, string) {
			b := w.newBrowser()
			b.toOP()
			return b, w.newBrowser().toOP() // login CSRF: mallory's answer in alice's browser
		},
		"too late": func() (*browser, string) {
			b := w.newBrowser()
			callback := b.toOP()
			w.advance(10*time.Minute + time.Second)
			return b, callback
		},
		"changed cookie": func() (*browser, string) { return w.tampered(func(s string) string { return s[:len(s)-2] + "AA" }) },
		"short cookie":   func() (*browser, string) { return w.tampered(func(string) string { return "AA" }) },
		"other cookie":   func() (*browser, string) { return w.tampered(func(string) string { return "{}" }) },
		"long cookie":    func() (*browser, string) { return w.tampered(func(s string) string { return strings.Repeat(s, 5) }) },
	}
	for name, setUp := range tests {
		t.Run(name, func(t *testing.T) {
			w.advance(time.Minute)
			b, callback := setUp()
			w.refused(t, b, b.get(callback), signin.CodeNoState)
		})
	}
	t.Run("twice", func(t *testing.T) {
		w.advance(time.Minute)
		b := w.newBrowser()
		callback := b.toOP()
		b.get(callback)
		if r := b.get(callback); r.body != "failed "+signin.CodeNoState {
			t.Errorf("got %s", r.body)
		}
	})
}

// TestStart: what can go wrong before the browser leaves.
func TestStart(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct{ path, code string }{
		"unknown OP": {"/signin/nobody", signin.CodeUnknownOP},
	} {
		if r := w.newBrowser().get(tt.path); r.body != "failed "+tt.code || len(r.cookies) != 0 {
			t.Errorf("%s: got %s, %v", name, r.body, r.cookies)
		}
	}
	b := w.newBrowser()
	w.op.discovery = map[string]any{"issuer": "https://evil.test"}
	w.refused(t, b, b.get("/signin/corp"), signin.CodeUnreachable)
	w.op.honest() // it is asked again: the OP may have been down
	b.toOP()
	r := b.get("/signin/corp?return_to=https://evil.test&redirect_uri=https://evil.test&state=x")
	if at := r.header.Get("Location"); !strings.HasPrefix(at, w.op.issuer+"/authorize?") || strings.Contains(at, "evil") {
		t.Errorf("sent to %s", at)
	}
	for range 30 {
		b.get("/signin/corp")
	}
	w.refusals()
	for _, path := range []string{"/signin/corp", "/signin/callback"} {
		if r := b.get(path); r.body != "failed "+signin.CodeRate {
			t.Errorf("%s: got %s", path, r.body)
		}
	}
	if n := len(w.refusals()); n != 0 {
		t.Errorf("a flood wrote %d audit rows", n)
	}
}

func (w *world) tampered(change func(string) string) (*browser, string) {
	w.t.Helper()
	b := w.newBrowser()
	callback := b.toOP()
	u, err := url.Parse(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{{
		Name: signin.CookieName, Value: change(b.cookie(signin.CookieName)), Path: "/", Secure: true,
	}})
	return b, callback
}
