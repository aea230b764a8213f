package main_test

import (
	"testing"

	"github.com/chromedp/cdproto/page"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

// TestSoftwarePasskeyIsOffered opens the demo's phone in browsers that can and
// cannot make a passkey. TestDemo pairs and approves with it.
func TestSoftwarePasskeyIsOffered(t *testing.T) {
	chrome := browsertest.Start(t)
	demo := browsertest.RunDemo(t, "mitome")
	const (
		offered = "Use the demo’s software passkey"
		used    = "The demo’s software passkey is in use"
		bar     = `document.querySelector('#demo-passkey') !== null`
	)
	t.Run("not where there is an authenticator", func(t *testing.T) {
		b := chrome.Browser(t, "phone")
		b.Open(demo.Phone + "/pair")
		b.Stage("start")
		if !browsertest.Eval[bool](b, "PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable()") {
			t.Fatal("the browser has no authenticator")
		}
		if browsertest.Eval[bool](b, bar) || !browsertest.Eval[bool](b, "navigator.credentials instanceof CredentialsContainer") {
			t.Error("the demo puts itself before an authenticator")
		}
	})
	t.Run("where a browser knows no passkeys", func(t *testing.T) {
		b := chrome.Browser(t, "phone")
		browsertest.Call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: "delete window.PublicKeyCredential; delete Navigator.prototype.credentials;",
		})
		b.Open(demo.Phone + "/pair")
		b.Stage("start") // not "unsupported", which has no way on
		if got := browsertest.Eval[string](b, "navigator.credentials.create({}).catch((err) => err.name)"); got != "NotAllowedError" {
			t.Errorf("before it is asked for it answers %q", got)
		}
		b.Click("button", offered)
		b.Text(used)
		b.Audit("in use")
		b.Open(demo.Phone + "/pair") // as in another window
		b.Text(used)
		b.SeesNot("button", offered)
	})
}
