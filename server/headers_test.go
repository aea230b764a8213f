package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/server/web"
)

// place writes a path of the table as somebody would call it.
var place = strings.NewReplacer(":id", "x", ":aid", "x", ":name", "corp", ":op", "corp", ":secret", "x", ":call", "x",
	":hash", "x", "*file", "css/mitome.css")

// asked is a call of a route, and what else a listener may be asked.
func asked(t *testing.T) (out []Route) {
	t.Helper()
	out = append(out, routes...)
	for _, l := range []string{Devices, OPs, Admin, Scrape} {
		out = append(out, Route{l, "GET", "/nothing-here", Anybody}, Route{l, "DELETE", "/openapi.json", Anybody}, Route{l, "TRACE", "/", Anybody})
	}
	return out
}

// everywhere is what every answer carries, whatever was asked and however it
// was refused.
var everywhere = map[string]string{
	"X-Content-Type-Options": "nosniff",
	"Referrer-Policy":        "no-referrer",
}

// onPages is what goes with every HTML besides.
var onPages = map[string]string{
	"X-Frame-Options":              "DENY",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
}

// never is what no answer carries: what helps an attacker, or opens an API to
// the pages of others.
var never = []string{"Server", "X-Powered-By", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"}

// cached are the answers that may be kept, being the same for everybody. The
// files of /static may be too where the address has their hash.
var cached = map[string]string{
	"/sw.js": "no-cache", "/.well-known/jwks.json": "public, max-age=300",
	"/.well-known/apple-app-site-association": "public, max-age=3600", "/.well-known/assetlinks.json": "public, max-age=3600",
	"/.well-known/webauthn": "public, max-age=3600",
}

// TestHeaders calls every route of every listener, as a browser and as a
// program, and what is not there.
func TestHeaders(t *testing.T) {
	engines := guarded(t)
	for _, r := range asked(t) {
		for _, accept := range []string{"text/html", "application/json"} {
			req := httptest.NewRequest(r.Method, place.Replace(r.Path), strings.NewReader("{}"))
			req.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			engines[r.Listener].ServeHTTP(w, req)
			name := r.Listener + ": " + r.Method + " " + r.Path + " for " + accept
			checkHeaders(t, name, r, w.Header())
		}
	}
}

func checkHeaders(t *testing.T, name string, r Route, h http.Header) {
	t.Helper()
	want := map[string]string{"Cache-Control": "no-store"}
	for k, v := range everywhere {
		want[k] = v
	}
	if c, ok := cached[r.Path]; ok {
		want["Cache-Control"] = c
	}
	if r.Listener == Devices {
		want["Strict-Transport-Security"] = "max-age=31536000"
	}
	html := strings.HasPrefix(h.Get("Content-Type"), "text/html")
	if html {
		for k, v := range onPages {
			want[k] = v
		}
	}
	for k, v := range want {
		if got := h.Values(k); len(got) != 1 || got[0] != v {
			t.Errorf("%s: %s is %q, want %q", name, k, got, v)
		}
	}
	for _, k := range never {
		if h.Get(k) != "" {
			t.Errorf("%s: %s is %q", name, k, h.Get(k))
		}
	}
	checkPolicy(t, name, h.Get("Content-Security-Policy"), html || r.Path != "/sw.js")
}

// checkPolicy holds a policy to what none may allow.
func checkPolicy(t *testing.T, name, policy string, framed bool) {
	t.Helper()
	if !strings.HasPrefix(policy, "default-src 'none'") || framed && !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("%s: the policy is %q", name, policy)
	}
	for _, bad := range []string{"unsafe-inline", "unsafe-eval", "*", "http:", "https:"} {
		if strings.Contains(policy, bad) {
			t.Errorf("%s: the policy allows %s", name, bad)
		}
	}
}

// endless is a body that never ends, and counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	e.read += len(b)
	return len(b), nil
}

// TestBodiesAreBounded: whatever a route does, it reads no more than a little of
// a body without end.
func TestBodiesAreBounded(t *testing.T) {
	engines := guarded(t)
	for _, r := range asked(t) {
		body := &endless{}
		req := httptest.NewRequest(r.Method, place.Replace(r.Path), body)
		req.ContentLength = -1
		req.Header.Set("Content-Type", "application/json")
		engines[r.Listener].ServeHTTP(httptest.NewRecorder(), req)
		if limit := 3 * web.MaxBody; body.read > limit { // the limit, and a buffer on its way
			t.Errorf("%s: %s %s read %d bytes, want at most %d", r.Listener, r.Method, r.Path, body.read, limit)
		}
	}
}
