package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/server/config"
)

// fenced is a block of the page for those who write apps, by what stands behind
// its fence.
func fenced(t *testing.T, info string) []byte {
	t.Helper()
	page, err := os.ReadFile("../../docs/native-apps.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)\n```" + regexp.QuoteMeta(info) + "\n(.*?)\n```\n").FindSubmatch(page)
	if m == nil {
		t.Fatalf("there is no block %q", info)
	}
	return m[1]
}

// configured is a Mitome with the apps of that page.
func configured(t *testing.T, more string) config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mitome.yaml")
	text := "public_url: https://mitome.example.com:8443\nrp_id: example.com\nops: [{name: corp, kind: keycloak}]\n"
	if err := os.WriteFile(path, []byte(text+string(fenced(t, "yaml apps"))+"\n"+more), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestLinkFiles: what the page says an operator writes is what phones are told, to
// the letter of the page.
func TestLinkFiles(t *testing.T) {
	files, err := linkFiles(configured(t, "  origins: [\"https://id.example.net\"]\n").Apps)
	if err != nil {
		t.Fatal(err)
	}
	e := gin.New()
	files.Mount(e)
	for name, want := range map[string][]byte{
		"apple-app-site-association": fenced(t, "json apple-app-site-association"),
		"assetlinks.json":            fenced(t, "json assetlinks.json"),
		"webauthn":                   []byte(`{"origins": ["https://id.example.net"]}`),
	} {
		var compact bytes.Buffer
		if err := json.Compact(&compact, want); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/"+name, nil))
		if w.Code != http.StatusOK || w.Body.String() != compact.String() {
			t.Errorf("%s: got %d %s, want %s", name, w.Code, w.Body, &compact)
		}
	}
}

// TestPasskeyOrigins: Mitome's pages and the apps that are named may run ceremonies.
func TestPasskeyOrigins(t *testing.T) {
	rp := relyingParty(configured(t, "  origins: [\"https://id.example.net\"]\n"))
	web := []string{"https://mitome.example.com:8443", "https://example.com"}
	apps := []string{"android:apk-key-hash:FG3pg8VzBlDY7rmVLzT8ZBagg0LmHb6oigSWsj_PROU"}
	if !slices.Equal(rp.Origins, web) || !slices.Equal(rp.Apps, apps) {
		t.Errorf("passkeys may sign %v and %v, want %v and %v", rp.Origins, rp.Apps, web, apps)
	}
}

// TestLinkURLs: passkeys are looked for at the RP ID, wherever the links lead.
func TestLinkURLs(t *testing.T) {
	c := configured(t, "  origins: [\"https://id.example.net\"]\n")
	mitome, parent := "https://mitome.example.com:8443/.well-known/", "https://example.com/.well-known/"
	want := []string{
		mitome + "apple-app-site-association", parent + "apple-app-site-association",
		mitome + "assetlinks.json", parent + "assetlinks.json", parent + "webauthn",
	}
	if got := linkURLs(c); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	c.PublicURL, c.RPID = "https://mitome.example.com", "mitome.example.com"
	mitome = "https://mitome.example.com/.well-known/"
	want = []string{mitome + "apple-app-site-association", mitome + "assetlinks.json", mitome + "webauthn"}
	if got := linkURLs(c); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := linkURLs(config.Config{PublicURL: c.PublicURL, RPID: c.RPID}); got != nil {
		t.Errorf("without apps: %v", got)
	}
}
