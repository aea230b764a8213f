// Package links serves the files by which phones and browsers learn which apps
// and sites belong to this Mitome: whose links an app may open, and who may use
// the passkeys.
//
// # Why
//
// The paths are those that Mitome's own pages have. /pair is there and
// /pair/new is not: that one is for the screen that shows the code, and an app
// that took it over would have nothing to show. The secret of a pairing stands in
// the fragment, which an app is given with the link and no server sees.
package links

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/server/web"
)

// Apps is who belongs to this Mitome.
type Apps struct {
	IOS     []string  // team id, dot, bundle id
	Android []Android // empty: none
	Origins []string  // other sites that may use the passkeys
}

// Android is an app and those who may sign it.
type Android struct {
	Package string
	SHA256  []string // AA:BB:…
}

// Files are the files, ready to be sent; nil is one that is not there.
type Files struct {
	apple, android, webauthn []byte
}

// New writes the files. What is not configured has no file, since an empty one
// would say that nobody may.
func New(a Apps) (Files, error) {
	var f Files
	for _, file := range []struct {
		into    *[]byte
		wanted  bool
		content any
	}{
		{&f.apple, len(a.IOS) > 0, apple(a.IOS)},
		{&f.android, len(a.Android) > 0, android(a.Android)},
		{&f.webauthn, len(a.Origins) > 0, map[string][]string{"origins": a.Origins}},
	} {
		if !file.wanted {
			continue
		}
		var err error
		if *file.into, err = json.Marshal(file.content); err != nil {
			return Files{}, fmt.Errorf("write link file: %w", err)
		}
	}
	return f, nil
}

// Mount adds the files to e.
func (f Files) Mount(e *gin.Engine) {
	e.GET("/.well-known/apple-app-site-association", send(f.apple))
	e.GET("/.well-known/assetlinks.json", send(f.android))
	e.GET("/.well-known/webauthn", send(f.webauthn))
}

// send answers with a file that is the same for everybody. It may be kept for an
// hour; Apple and Google ask for it from their own networks and keep it longer.
func send(file []byte) gin.HandlerFunc {
	return func(c *gin.Context) {
		if file == nil {
			web.Fail(c, web.ErrNotFound)
			return
		}
		c.Header("Cache-Control", "public, max-age=3600")
		c.Data(http.StatusOK, "application/json", file)
	}
}

// component is what a link must look like to be opened by the app.
type component struct {
	Path    string `json:"/"`
	Comment string `json:"comment"`
}

func apple(ids []string) any {
	type detail struct {
		AppIDs     []string    `json:"appIDs"`
		Components []component `json:"components"`
	}
	type association struct {
		AppLinks struct {
			Details []detail `json:"details"`
		} `json:"applinks"`
		WebCredentials struct {
			Apps []string `json:"apps"`
		} `json:"webcredentials"`
	}
	var out association
	out.AppLinks.Details = []detail{{AppIDs: ids, Components: []component{
		{"/requests/*", "open a request"}, {"/pair", "pair this device"},
	}}}
	out.WebCredentials.Apps = ids
	return out
}

func android(apps []Android) any {
	type target struct {
		Namespace    string   `json:"namespace"`
		Package      string   `json:"package_name"`
		Fingerprints []string `json:"sha256_cert_fingerprints"`
	}
	type statement struct {
		Relation []string `json:"relation"`
		Target   target   `json:"target"`
	}
	out := make([]statement, len(apps))
	for i, a := range apps {
		out[i] = statement{
			Relation: []string{"delegate_permission/common.handle_all_urls", "delegate_permission/common.get_login_creds"},
			Target:   target{"android_app", a.Package, a.SHA256},
		}
	}
	return out
}
