package pages_test

import (
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/pages"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/signin"
	"github.com/mitome-ciba/mitome/server/web"
	"github.com/mitome-ciba/mitome/webui"
)

// hostile is a name that would be markup, or turn the words around it about.
const hostile = `<img src=x onerror=alert(1)>"'&` + "\u202e"

// escaped is how the angle bracket of hostile may stand in a page.
const escaped = "&lt;img src=x onerror=alert(1)&gt;"

// TestPairingPagesSpeak renders each page on the way to a device in both
// languages.
func TestPairingPagesSpeak(t *testing.T) {
	w := newWorld(t)
	w.desk = &session.Desk{User: "U1", OP: "bank"}
	tests := []struct{ path, en, ja string }{
		{"/pair", "Pair this device", "この端末を登録"},
		{"/pair/new", "Signed in as Alice at Example Bank", "Alice（Example Bank）としてログイン中"},
		{"/signin", "Where do you have your account?", "アカウントのあるサービスを選んでください"},
		{"/unlock", "Unlock with your passkey", "パスキーで本人確認"},
		{"/devices", "My devices", "端末"},
	}
	for _, tt := range tests {
		for lang, want := range map[string]string{"en": tt.en, "ja": tt.ja} {
			w.known = tt.path == "/devices"
			rec := w.get(t, tt.path, "Accept-Language", lang)
			body := rec.Body.String()
			if rec.Code != 200 || !strings.Contains(body, want) || !strings.Contains(body, `<html lang="`+lang+`"`) {
				t.Errorf("%s in %s: %d, wants %q:\n%s", tt.path, lang, rec.Code, want, body)
			}
			if csp := rec.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "require-trusted-types-for") {
				t.Errorf("%s: policy %q", tt.path, csp)
			}
		}
	}
}

// TestHostileNames: what users, phones and OPs call themselves is text.
func TestHostileNames(t *testing.T) {
	w := newWorld(t)
	w.name = hostile
	d := w.devices["D2"]
	d.Name, d.State, d.ActiveAt = hostile, device.Cooling, now.Add(time.Hour)
	w.devices["D2"] = d
	w.desk = &session.Desk{User: "U1", OP: "bank"}
	for _, path := range []string{"/devices", "/pair/new"} {
		body := w.get(t, path).Body.String()
		if strings.Contains(body, "<img src=x") || !strings.Contains(body, escaped) {
			t.Errorf("%s:\n%s", path, body)
		}
	}
}

// TestOfferIsForTheDesk: without a sign-in there is nothing to pair with.
func TestOfferIsForTheDesk(t *testing.T) {
	w := newWorld(t)
	rec := w.get(t, "/pair/new")
	if rec.Code != 303 || rec.Header().Get("Location") != "/signin" {
		t.Errorf("got %d to %q, want 303 to /signin", rec.Code, rec.Header().Get("Location"))
	}
	// The strict cookie stays behind when the OP's page led here.
	rec = w.get(t, "/pair/new", "Sec-Fetch-Site", "cross-site")
	if rec.Code != 200 || !strings.Contains(rec.Body.String(), `id="on" href="/pair/new"`) {
		t.Errorf("from elsewhere: %d\n%s", rec.Code, rec.Body)
	}
}

// TestUnlockReturnsHome: whoever wrote the link to /unlock, it leads to a page of
// ours.
func TestUnlockReturnsHome(t *testing.T) {
	tests := []struct{ to, want string }{
		{"", "/"},
		{"/", "/"},
		{"/requests/ABC", "/requests/ABC"},
		{"/devices?x=1#y", "/devices"},
		{"https://evil.example/", "/"},
		{"https://evil.example/devices", "/"},
		{"//evil.example/", "/"},
		{"//evil.example/devices", "/"},
		{"///evil.example/", "/"},
		{`/\evil.example/`, "/"},
		{`\/evil.example/`, "/"},
		{"/%2f/evil.example", "/"},
		{"/%5cevil.example", "/"},
		{"/\t/evil.example", "/"},
		{"javascript:alert(1)", "/"},
		{"data:text/html,x", "/"},
		{"devices", "/"},
		{"/unlock", "/"},
		{"/" + strings.Repeat("a", 300), "/"},
		{"%zz", "/"},
	}
	for _, tt := range tests {
		w := newWorld(t)
		w.known = false
		path := "/unlock?" + url.Values{"to": {tt.to}}.Encode()
		if body := w.get(t, path).Body.String(); !strings.Contains(body, `data-to="`+tt.want+`"`) {
			t.Errorf("to %q: wants %q:\n%s", tt.to, tt.want, body)
		}
		w.known = true
		rec := w.get(t, path)
		if got := rec.Header().Get("Location"); rec.Code != 303 || got != tt.want {
			t.Errorf("to %q with a session: %d to %q, want %q", tt.to, rec.Code, got, tt.want)
		}
	}
}

// TestUnlockWithoutDevices: a session that stands for no device opens nothing, so
// it is asked for a passkey and not sent in a circle.
func TestUnlockWithoutDevices(t *testing.T) {
	w := newWorld(t)
	w.session.Devices = nil
	if rec := w.get(t, "/devices"); rec.Code != 303 || rec.Header().Get("Location") != "/unlock?to=/devices" {
		t.Errorf("devices: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	if rec := w.get(t, "/unlock?to=/devices"); rec.Code != 200 {
		t.Errorf("unlock: got %d, want 200", rec.Code)
	}
}

// TestDevices: what can be done with each device, from an active one and from one
// that cools.
func TestDevices(t *testing.T) {
	cooling := func(w *world, id device.DeviceID) {
		d := w.devices[id]
		d.State, d.ActiveAt = device.Cooling, now.Add(24*time.Hour)
		w.devices[id] = d
		if id == "D1" {
			w.session.Devices = []device.Device{d}
		}
	}
	tests := []struct {
		name    string
		cooling device.DeviceID
		want    []string
		not     []string
	}{
		{"both active", "", []string{`data-act="lost"`, `data-act="remove"`, "This device"}, []string{`data-act="confirm"`, "Not active yet"}},
		{"the other cools", "D2", []string{
			`data-act="confirm"`, `data-act="cancel"`, "A new device was paired", "Not active yet",
			`datetime="2026-07-02T09:00:00Z"`,
		}, []string{`data-act="lost"`}},
		{"this one cools", "D1", []string{"This device is not active yet", `data-act="remove"`}, []string{
			`data-act="confirm"`, `data-act="cancel"`, `data-act="lost"`, "A new device was paired",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			used := w.devices["D1"]
			used.UsedAt = now.Add(-24 * time.Hour)
			w.devices["D1"] = used
			if tt.cooling != "" {
				cooling(w, tt.cooling)
			}
			body := w.get(t, "/devices").Body.String()
			for _, s := range tt.want {
				if !strings.Contains(body, s) {
					t.Errorf("does not say %q:\n%s", s, body)
				}
			}
			for _, s := range tt.not {
				if strings.Contains(body, s) {
					t.Errorf("says %q:\n%s", s, body)
				}
			}
			for s, want := range map[string]int{"Not used yet": 1, `datetime="2026-06-30T09:00:00Z"`: 1} {
				if n := strings.Count(body, s); n != want {
					t.Errorf("says %q %d times, want %d", s, n, want)
				}
			}
			if n := strings.Count(body, "data-this"); n != 1 {
				t.Errorf("%d devices are marked as this one", n)
			}
		})
	}
}

// TestHomeTellsOfNewDevices: whoever did not pair it must hear of it.
func TestHomeTellsOfNewDevices(t *testing.T) {
	w := newWorld(t)
	const banner = "A new device was paired"
	if body := w.get(t, "/").Body.String(); strings.Contains(body, banner) {
		t.Errorf("tells of a new device where none is:\n%s", body)
	}
	d := w.devices["D2"]
	d.State = device.Cooling
	w.devices["D2"] = d
	if body := w.get(t, "/").Body.String(); !strings.Contains(body, banner) || !strings.Contains(body, `href="/devices"`) {
		t.Errorf("does not tell of the new device:\n%s", body)
	}
}

// signInPages serves the pages of a sign-in with these connections.
func signInPages(t *testing.T, ops ...pages.OP) (*pages.Handler, *gin.Engine) {
	t.Helper()
	ui, err := webui.Load()
	if err != nil {
		t.Fatal(err)
	}
	h := &pages.Handler{UI: ui, OPs: ops, Log: slog.New(slog.DiscardHandler)}
	e, err := web.NewEngine(h.Log, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.Mount(e)
	return h, e
}

// TestSignInChoices: only OPs at which users can sign in are offered.
func TestSignInChoices(t *testing.T) {
	get := func(e *gin.Engine) string {
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/signin", nil))
		return rec.Body.String()
	}
	_, e := signInPages(t, pages.OP{Name: "a b", Title: hostile, SignIn: true}, pages.OP{Name: "closed", Title: "Closed"})
	body := get(e)
	if !strings.Contains(body, `href="/signin/a%20b"`) || !strings.Contains(body, escaped) || strings.Contains(body, "Closed") {
		t.Errorf("choices:\n%s", body)
	}
	_, e = signInPages(t, pages.OP{Name: "closed"})
	if body := get(e); !strings.Contains(body, "your administrator pairs") {
		t.Errorf("none to choose:\n%s", body)
	}
}

// TestSignInFailed: each way in which a sign-in fails has words in both languages,
// and a status that is no success.
func TestSignInFailed(t *testing.T) {
	h, _ := signInPages(t)
	codes := []string{
		signin.CodeUnknownOP, signin.CodeRate, signin.CodeUnreachable, signin.CodeNoState, signin.CodeRefused,
		signin.CodeOPError, signin.CodeToken, signin.CodeStale, signin.CodeACR, signin.CodeInternal, "unheard of",
	}
	for _, code := range codes {
		for _, lang := range []string{"en", "ja"} {
			rec := httptest.NewRecorder()
			c, _ := gin.CreateTestContext(rec)
			c.Request = httptest.NewRequestWithContext(t.Context(), "GET", "/signin/callback", nil)
			c.Request.Header.Set("Accept-Language", lang)
			h.SignInFailed(c, code)
			body := rec.Body.String()
			if rec.Code < 400 || !strings.Contains(body, `href="/signin"`) || !strings.Contains(body, `<html lang="`+lang) {
				t.Errorf("%s in %s: %d\n%s", code, lang, rec.Code, body)
			}
			if (rec.Code == 500) != (code == signin.CodeInternal || code == "unheard of") {
				t.Errorf("%s: status %d", code, rec.Code)
			}
			if rec.Header().Get("Content-Security-Policy") == "" {
				t.Errorf("%s: no policy", code)
			}
		}
	}
}

// TestSignedIn goes on from our own origin.
func TestSignedIn(t *testing.T) {
	h, _ := signInPages(t)
	rec := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(rec)
	c.Request = httptest.NewRequestWithContext(t.Context(), "GET", "/signin/callback?code=SECRET", nil)
	h.SignedIn(c)
	body := rec.Body.String()
	if rec.Code != 200 || !strings.Contains(body, `id="on" href="/pair/new"`) || strings.Contains(body, "SECRET") {
		t.Errorf("got %d\n%s", rec.Code, body)
	}
}
