package pages_test

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
)

// TestHeaders: every page, of an error too, says what it may do.
func TestHeaders(t *testing.T) {
	w := newWorld(t)
	w.ask(nil)
	for _, path := range []string{"/", "/requests/R1", "/requests/none", "/pair", "/signin", "/unlock", "/devices", "/lock", "/code-word", "/quiet", "/nothing/here"} {
		h := w.get(t, path).Header()
		for name, want := range map[string][]string{
			"Content-Security-Policy": {
				"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self';", "form-action 'self'",
				"base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
				"trusted-types mitome;", "worker-src 'self'", "manifest-src 'self'", "report-uri /csp",
			},
			"Permissions-Policy":         {"publickey-credentials-get=(self)", "publickey-credentials-create=(self)", "camera=()"},
			"Cross-Origin-Opener-Policy": {"same-origin"},
			"Referrer-Policy":            {"no-referrer"},
			"X-Content-Type-Options":     {"nosniff"},
			"X-Frame-Options":            {"DENY"},
			"Cache-Control":              {"no-store"},
			"Vary":                       {"Accept-Language"},
		} {
			for _, part := range want {
				if !strings.Contains(h.Get(name), part) {
					t.Errorf("%s: %s lacks %q: %s", path, name, part, h.Get(name))
				}
			}
		}
		if csp := h.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || strings.Contains(csp, "*") {
			t.Errorf("%s: %s", path, csp)
		}
	}
}

// TestEachPageIsWhole: it is in one language, has one heading and one main part,
// and nothing comes from elsewhere or stands in line.
func TestEachPageIsWhole(t *testing.T) {
	w := newWorld(t)
	w.ask(payment)
	inline := regexp.MustCompile(`<script(?: [^>]*)?>[^<]|<style|\sstyle=|\son[a-z]+=|(?:src|href)="https?:`)
	for _, path := range []string{"/", "/requests/R1", "/requests/none", "/pair", "/signin", "/devices", "/lock", "/code-word", "/quiet"} {
		for _, lang := range []string{"en", "ja"} {
			body := w.get(t, path, "Accept-Language", lang).Body.String()
			in(t, body, `<!doctype html>`, `<html lang="`+lang+`"`, "<title>", "</title>", `<main id="main"`, "</html>")
			if m := inline.FindString(body); m != "" {
				t.Errorf("%s holds %q", path, m)
			}
			if strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "&lt;no value") {
				t.Errorf("%s: a value does not fit its place", path)
			}
			if !strings.Contains(body, "<h1") {
				t.Errorf("%s has no heading", path)
			}
		}
	}
}

// TestStrangers: without a session nothing is shown of anybody, and whether a
// request exists least of all.
func TestStrangers(t *testing.T) {
	w := newWorld(t)
	w.known = false
	w.session = session.Session{}
	w.ask(payment)
	for _, path := range []string{"/requests/R1", "/requests/none"} {
		rec := w.get(t, path, "Sec-Fetch-Site", "none")
		if want := "/unlock?to=" + strings.ReplaceAll(path, "/", "%2F"); rec.Code != 303 || rec.Header().Get("Location") != want {
			t.Errorf("%s: got %d to %q, want 303 to %q", path, rec.Code, rec.Header().Get("Location"), want)
		}
	}
	rec := w.get(t, "/")
	in(t, rec.Body.String(), "not paired with anybody", `href="/signin"`, `href="/pair"`, `href="/unlock"`)
	if strings.Contains(rec.Body.String(), "12,400") {
		t.Error("a stranger sees a request")
	}
}

// TestFromElsewhere: a link on another site comes without the Strict cookie, so
// the address is opened once more from our own origin before anybody is taken
// for a stranger.
func TestFromElsewhere(t *testing.T) {
	w := newWorld(t)
	w.known = false
	w.session = session.Session{}
	w.ask(payment)
	for _, path := range []string{"/", "/requests/R1", "/devices", "/lock", "/code-word", "/quiet"} {
		rec := w.get(t, path, "Sec-Fetch-Site", "cross-site")
		if rec.Code != 200 {
			t.Errorf("%s: got %d, want 200", path, rec.Code)
		}
		in(t, rec.Body.String(), "js/bounce.js", `href="`+path+`"`)
		if strings.Contains(rec.Body.String(), "Corner Books") {
			t.Errorf("%s: it shows something", path)
		}
		if rec := w.get(t, path, "Sec-Fetch-Site", "same-origin"); strings.Contains(rec.Body.String(), "bounce.js") {
			t.Errorf("%s: it goes round in circles", path)
		}
	}
	if rec := w.get(t, "//evil.example/x", "Sec-Fetch-Site", "cross-site"); strings.Contains(rec.Body.String(), "bounce.js") {
		t.Error("it leads to another host")
	}
}

// TestNotThere: another's request looks like none at all, a program gets a
// problem and a person a page.
func TestNotThere(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/requests/R9", "/nothing"} {
		rec := w.get(t, path, "Accept-Language", "ja")
		if rec.Code != 404 {
			t.Errorf("%s: got %d, want 404", path, rec.Code)
		}
		in(t, rec.Body.String(), `<html lang="ja"`, "ページがありません", `href="/"`)
	}
	rec := w.get(t, "/nothing", "Accept", "application/json")
	if got := rec.Header().Get("Content-Type"); rec.Code != 404 || got != "application/problem+json" {
		t.Errorf("got %d %s, want a problem", rec.Code, got)
	}
}

func TestHome(t *testing.T) {
	w := newWorld(t)
	in(t, w.get(t, "/").Body.String(), `id="nothing"><p>`, "Nothing is waiting", `id="past"`, " hidden>")
	w.ask(payment)
	w.ask(func(r *approval.Request) {
		r.ID, r.State = "R2", approval.Approved
		r.Decision = &approval.Decision{Device: "D2", At: now.Add(-time.Hour)}
	})
	body := w.get(t, "/").Body.String()
	in(t, body, `href="/requests/R1" data-kind="payment"`, "Corner Books", "1:22", "12,400 JPY", "Pay 12400 JPY order 88-1047",
		`id="nothing" hidden`, `datetime="2026-07-01T08:00:00Z"`, "Tablet", `data-verdict="approved">Approved`, `data-verdict="denied" hidden`)
	if strings.Contains(body, `href="/requests/R2"`) {
		t.Error("what is over still waits")
	}
}

func TestCooling(t *testing.T) {
	w := newWorld(t)
	w.session.Devices[0].State, w.session.Devices[0].ActiveAt = device.Cooling, now.Add(time.Hour)
	in(t, w.get(t, "/").Body.String(), "Pixel 8", `datetime="2026-07-01T10:00:00Z"`)
}

// TestStaticFiles: what the pages name is there and may be kept for ever; under
// another version's name it may not be kept at all.
func TestStaticFiles(t *testing.T) {
	w := newWorld(t)
	w.ask(nil)
	body := w.get(t, "/requests/R1").Body.String()
	names := regexp.MustCompile(`"(/static/[^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(names) < 3 {
		t.Fatalf("got %v, want icon, style and script", names)
	}
	for _, m := range names {
		rec := w.get(t, m[1])
		if rec.Code != 200 || !strings.Contains(rec.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: got %d, %s", m[1], rec.Code, rec.Header().Get("Cache-Control"))
		}
		if rec.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: its type may be guessed", m[1])
		}
	}
	rec := w.get(t, "/static/0000000000000000/css/mitome.css")
	if rec.Code != 200 || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d, %s; want it, and not to be kept", rec.Code, rec.Header().Get("Cache-Control"))
	}
	if rec := w.get(t, "/static/x/../pages.go"); rec.Code != 404 {
		t.Errorf("got %d, want 404", rec.Code)
	}
}

// TestReports: what browsers report is counted in words of our own, whatever a
// stranger sends.
func TestReports(t *testing.T) {
	for body, want := range map[string]string{
		`{"csp-report":{"effective-directive":"script-src-elem","blocked-uri":"inline","line-number":3}}`: "script-src",
		`{"csp-report":{"violated-directive":"require-trusted-types-for 'script'"}}`:                      "require-trusted-types-for",
		`{"csp-report":{"effective-directive":"evil\nline"}}`:                                             "other",
		`{}`:       "other",
		`not json`: "",
		fmt.Sprintf(`{"csp-report":{"x":"%s","effective-directive":"img-src"}}`, strings.Repeat("x", 10<<10)): "", // too large
	} {
		w := newWorld(t)
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/csp", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/csp-report")
		rec := httptest.NewRecorder()
		w.engine.ServeHTTP(rec, r)
		if rec.Code != 204 || rec.Body.Len() > 0 {
			t.Errorf("%.40s: got %d %s, want 204", body, rec.Code, rec.Body)
		}
		if got := strings.Join(w.reports, ","); got != want {
			t.Errorf("%.40s: got %q, want %q", body, got, want)
		}
	}
}
