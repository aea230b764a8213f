package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func unlockFirst(p *people) {
	phone, q := p.waiting("corp", "binding_message", "Order 88-1047")
	request := phone.At()
	phone.ClearCookies()
	phone.Open(request)
	phone.Stage("unlock")
	for _, secret := range []string{"Corner Books", "88-1047", "aiko"} {
		if strings.Contains(browsertest.Eval[string](phone, "document.documentElement.outerHTML"), secret) {
			p.t.Errorf("before she has shown who she is the page says %q", secret)
		}
	}
	phone.Verified(false)
	phone.Click("button", "Use my passkey")
	phone.Said("cancelled")
	phone.Verified(true)
	phone.Click("button", "Use my passkey")
	phone.Stage("ask")
	if at := phone.At(); at != request {
		p.t.Errorf("it leads to %s, want %s", at, request)
	}
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
	phone.ClearCookies()
	phone.ForgetPasskeys()
	phone.Open(request)
	phone.Stage("unlock")
	phone.Click("button", "Use my passkey")
	phone.Said("cancelled")
}

func comeFromElsewhere(p *people) {
	phone, q := p.waiting("corp")
	phone.Open(p.OP.LinkTo(phone.At()))
	phone.Click("link", "Open")
	phone.Stage("ask") // the strict cookie came along after all
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

func checkCookies(p *people) {
	desk := p.desk("aiko")
	phone := p.paired("corp", "aiko", "Pixel")
	for _, tt := range []struct {
		b    *browsertest.Browser
		name string
	}{{phone, "__Host-mitome"}, {desk, "__Host-mitome-desk"}} {
		all := tt.b.Cookies(p.URL)
		found := false
		for _, c := range all {
			if !c.HTTPOnly || !c.Secure || c.Path != "/" {
				p.t.Errorf("%s is for scripts (%v), for plain HTTP (%v), or for %s", c.Name, !c.HTTPOnly, !c.Secure, c.Path)
			}
			if c.Name == tt.name {
				found = true
				if c.SameSite != network.CookieSameSiteStrict {
					p.t.Errorf("%s is %s, want Strict", c.Name, c.SameSite)
				}
			}
		}
		if !found {
			p.t.Errorf("there is no %s among %d cookies", tt.name, len(all))
		}
		if n := len(tt.b.Cookies(p.OP.Issuer)); n != 0 {
			p.t.Errorf("the OP's site gets %d cookies", n)
		}
	}
}

func postFromElsewhere(p *people) {
	phone, q := p.waiting("corp")
	request := phone.At()
	phone.Open(p.OP.PostTo(strings.Replace(request, "/requests/", "/v1/requests/", 1) + "/decision"))
	phone.Click("button", "Win")
	phone.UntilTrue("an answer", `location.pathname.endsWith('/decision') && document.readyState === 'complete'`)
	phone.Open(request)
	phone.Stage("ask") // nothing was decided
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

// another is a second device that the user pairs herself, which has to wait.
func (p *people) another(name string) *browsertest.Browser {
	p.t.Helper()
	desk, b := p.desk("aiko"), p.browser(name)
	b.Open(offered(desk))
	p.takeOffer(b, name)
	b.Stage("match")
	desk.Click("button", "They are the same")
	p.makePasskey(b)
	b.Stage("cooling")
	return b
}

func coolingConfirmed(p *people) {
	old := p.paired("corp", "aiko", "Pixel")
	old.Open(p.URL + "/")
	young := p.another("Tablet")
	old.Text("A new device was paired")
	old.Audit("home, a new device")
	young.Open(p.URL + "/")
	q := p.Ask("corp", "aiko")
	p.asked(old)
	young.Text("Nothing is waiting") // it receives nothing yet
	young.Audit("home, cooling")
	old.Click("button", "Approve")
	old.Stage("approved")
	q.Told("SUCCEED")
	young.Open(p.URL + "/devices")
	young.Stage("list")
	young.SeesNot("button", "Lost it: Pixel")
	old.Open(p.URL + "/devices")
	old.Stage("list")
	old.Click("button", "It was me: confirm")
	old.Said("confirmed")
	young.Open(p.URL + "/")
	q = p.Ask("corp", "aiko")
	p.asked(young)
	young.Click("button", "Approve")
	young.Stage("approved")
	q.Told("SUCCEED")
}

func coolingCancelled(p *people) {
	old := p.paired("corp", "aiko", "Pixel")
	young := p.another("Tablet")
	young.Open(p.URL + "/devices")
	young.Stage("list")
	old.Open(p.URL + "/devices")
	old.Click("button", "Not me: remove it")
	old.Said("removed")
	young.Stage("unlock")
}

func tendDevices(p *people) {
	phone := p.paired("corp", "aiko", "Pixel")
	phone.Open(p.URL + "/devices")
	phone.Stage("list")
	phone.Click("button", "Rename Pixel")
	phone.Type("Name of the device", "Pixel of Aiko")
	phone.Audit("rename")
	phone.Click("button", "Save")
	phone.Said("renamed")
	phone.Text("Pixel of Aiko")
	phone.Click("button", "Sign out here")
	phone.Sees("dialog", "Sign out here?")
	phone.Audit("sign out")
	phone.Click("button", "Sign out")
	phone.Said("signedout")
	phone.Audit("signed out")
	phone.Click("link", "Use my passkey")
	phone.Stage("unlock")
	phone.Click("button", "Use my passkey")
	phone.Text("Nothing is waiting")
	phone.Open(p.URL + "/devices")
	phone.Click("button", "Remove Pixel of Aiko")
	phone.Sees("dialog", "Remove this device?")
	phone.Click("button", "Remove it")
	phone.Text("This device was removed")
	phone.Open(p.URL + "/unlock")
	phone.Stage("unlock")
	phone.Click("button", "Use my passkey")
	phone.Said("unknown")
}

func loseDevice(p *people) {
	phone, tablet := p.paired("corp", "aiko", "Pixel"), p.paired("corp", "aiko", "Tablet")
	tablet.Open(p.URL + "/devices")
	tablet.Stage("list")
	phone.Open(p.URL + "/devices")
	phone.Stage("list")
	phone.Click("button", "Lost it: Tablet")
	phone.Sees("dialog", "Remove the lost device?")
	phone.Audit("lost")
	phone.Verified(false)
	phone.Click("button", "Confirm and remove")
	phone.Said("cancelled")
	phone.Verified(true)
	phone.Click("button", "Lost it: Tablet")
	phone.Click("button", "Confirm and remove")
	phone.Said("removed")
	tablet.Stage("unlock")
}

func plainPages(p *people) {
	b := p.browser("stranger")
	for _, language := range []string{"en", "ja"} {
		b.Language(language)
		for _, path := range []string{"/", "/signin", "/pair", "/unlock", "/nothing"} {
			b.Open(p.URL + path)
			b.Audit(path)
			if got := browsertest.Eval[string](b, "document.documentElement.lang"); got != language {
				p.t.Errorf("%s is in %s, want %s", path, got, language)
			}
		}
	}
	for _, path := range []string{"/devices", "/requests/x"} {
		b.Open(p.URL + path)
		b.Stage("unlock")
	}
}
