package pages_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// words reads what the service worker may say by itself off its text.
func words(t *testing.T, script string) map[string]string {
	t.Helper()
	line, _, _ := strings.Cut(script, "\n")
	text, ok := strings.CutPrefix(strings.TrimSuffix(line, ";"), "const words = ")
	var out map[string]string
	if err := json.Unmarshal([]byte(text), &out); !ok || err != nil {
		t.Fatalf("the worker begins with %q: %v", line, err)
	}
	return out
}

// TestWorker: the service worker comes in the language of its address, whoever
// asks and whatever else he says he speaks: another byte would be another version.
func TestWorker(t *testing.T) {
	w := newWorld(t)
	w.known = false // a browser looks for a new version without our cookie's doing
	script := map[string]string{}
	for lang, want := range map[string]string{"en": "Deny", "ja": "拒否", "xx": "Deny", "": "Deny", "<script>": "Deny"} {
		rec := w.get(t, "/sw.js?lang="+lang, "Accept-Language", "ja")
		if rec.Code != http.StatusOK || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/javascript") {
			t.Fatalf("%s: %d %s", lang, rec.Code, rec.Header().Get("Content-Type"))
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; connect-src 'self'; img-src 'self'; require-trusted-types-for 'script'; report-uri /csp",
			"Cache-Control":           "no-cache", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := rec.Header().Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		script[lang] = rec.Body.String()
		if got := words(t, script[lang])["deny"]; got != want {
			t.Errorf("%q says %q, want %q", lang, got, want)
		}
	}
	if again := w.get(t, "/sw.js?lang=en", "Accept-Language", "en"); again.Body.String() != script["en"] {
		t.Error("the same address gives another worker")
	}
}

// TestWorkerHasItsWords: what it says by name is there, and nothing else.
func TestWorkerHasItsWords(t *testing.T) {
	script := newWorld(t).get(t, "/sw.js").Body.String()
	have := words(t, script)
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`\bwords\.(\w+)`).FindAllStringSubmatch(script, -1) {
		used[m[1]] = true
		if have[m[1]] == "" {
			t.Errorf("it says %q and has no such words", m[1])
		}
	}
	for name := range have {
		if !used[name] {
			t.Errorf("%q is not used", name)
		}
	}
}

// TestManifest: what a home screen is given is there.
func TestManifest(t *testing.T) {
	w := newWorld(t)
	page := w.get(t, "/pair").Body.String()
	find := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("no %s on the page", pattern)
		}
		return m[1]
	}
	rec := w.get(t, find(`rel="manifest" href="([^"]+)"`))
	var m struct {
		ID       string
		StartURL string `json:"start_url"`
		Scope    string
		Display  string
		Icons    []struct{ Src, Type string }
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil || rec.Header().Get("Content-Type") != "application/manifest+json" {
		t.Fatalf("%s: %v", rec.Header().Get("Content-Type"), err)
	}
	// The manifest's own address changes with each version; the app must not.
	if m.ID != "/" || m.StartURL != "/" || m.Scope != "/" || m.Display != "standalone" || len(m.Icons) < 2 {
		t.Errorf("got %+v", m)
	}
	base := find(`rel="apple-touch-icon" href="(.*/)[^"/]+"`)
	for _, icon := range m.Icons {
		if rec := w.get(t, base+icon.Src); rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != icon.Type {
			t.Errorf("%s: %d %s", icon.Src, rec.Code, rec.Header().Get("Content-Type"))
		}
	}
}

// TestWorkerImportsNothing: its policy lets nothing be loaded.
func TestWorkerImportsNothing(t *testing.T) {
	text, err := fs.ReadFile(os.DirFS("../../webui/static/js"), "sw.js")
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`(?m)^\s*(?:import|export)\b|importScripts|\bimport\(`).Find(text); m != nil {
		t.Errorf("it holds %q", m)
	}
}
