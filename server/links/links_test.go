package links

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
)

const (
	appleFile   = "/.well-known/apple-app-site-association"
	androidFile = "/.well-known/assetlinks.json"
	originsFile = "/.well-known/webauthn"
)

func get(t *testing.T, apps Apps, path string) *httptest.ResponseRecorder {
	t.Helper()
	files, err := New(apps)
	if err != nil {
		t.Fatal(err)
	}
	e, w := gin.New(), httptest.NewRecorder()
	files.Mount(e)
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// TestFiles holds each file to what Apple, Google and WebAuthn ask for.
func TestFiles(t *testing.T) {
	print := "14:6D" + strings.Repeat(":00", 30)
	for _, tt := range []struct {
		path string
		apps Apps
		want string
	}{
		{appleFile, Apps{IOS: []string{"TEAM123456.org.example.mitome"}}, `{
			"applinks": {"details": [{
				"appIDs": ["TEAM123456.org.example.mitome"],
				"components": [{"/": "/requests/*", "comment": "open a request"}, {"/": "/pair", "comment": "pair this device"}]
			}]},
			"webcredentials": {"apps": ["TEAM123456.org.example.mitome"]}
		}`},
		{androidFile, Apps{Android: []Android{{"org.example.mitome", []string{print}}}}, `[{
			"relation": ["delegate_permission/common.handle_all_urls", "delegate_permission/common.get_login_creds"],
			"target": {"namespace": "android_app", "package_name": "org.example.mitome", "sha256_cert_fingerprints": ["` + print + `"]}
		}]`},
		{originsFile, Apps{Origins: []string{"https://id.example.net"}}, `{"origins": ["https://id.example.net"]}`},
	} {
		t.Run(tt.path, func(t *testing.T) {
			w := get(t, tt.apps, tt.path)
			var want bytes.Buffer
			if err := json.Compact(&want, []byte(tt.want)); err != nil {
				t.Fatal(err)
			}
			if got := w.Body.String(); w.Code != http.StatusOK || got != want.String() {
				t.Errorf("got %d %s, want %s", w.Code, got, want.String())
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("type %q", got)
			}
			if got := w.Header().Get("Cache-Control"); got != "public, max-age=3600" {
				t.Errorf("kept: %q", got)
			}
			for _, other := range []string{appleFile, androidFile, originsFile} {
				if w := get(t, tt.apps, other); other != tt.path && w.Code != http.StatusNotFound {
					t.Errorf("%s, which is not configured: got %d", other, w.Code)
				}
			}
		})
	}
}
