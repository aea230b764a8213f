package main_test

import (
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

// TestPeople is what people do with Mitome in their browsers. One Chromium serves
// it all; each test has a Mitome, an OP and profiles of its own.
func TestPeople(t *testing.T) {
	chrome := browsertest.Start(t)
	for _, tt := range []struct {
		name string
		do   func(*people)
	}{
		{"pair by QR code", pairByQR},
		{"pair this very device", pairSameDevice},
		{"pair by typing", pairByTyping},
		{"pair by an administrator's link", pairByAdmin},
		{"pair, reloading at each step", pairReloading},
		{"pair, the codes differ", pairCodesDiffer},
		{"pair, no passkey", pairWithoutPasskey},
		{"approve", approveRequest},
		{"deny", denyRequest},
		{"I did not start this", notStarted},
		{"I did not start this, in Japanese", disowned("ja")},
		{"I did not start this, without the passkey", notStartedOnly},
		{"reload at each step", reloadRequest},
		{"approve pressed twice", approveTwice},
		{"not verified", approveUnverified},
		{"a code", typeCode},
		{"wrong codes until it locks", lockCode},
		{"expires while open", expireOpen},
		{"decided elsewhere", decideElsewhere},
		{"revoked while open", revokeOpen},
		{"offline", answerOffline},
		{"sockets blocked", pollWithoutSockets},
		{"socket broken", returnByTicket},
		{"link without a session", unlockFirst},
		{"link from another site", comeFromElsewhere},
		{"cookies", checkCookies},
		{"posted from another site", postFromElsewhere},
		{"cooling device confirmed", coolingConfirmed},
		{"cooling device cancelled", coolingCancelled},
		{"rename, remove, sign out", tendDevices},
		{"lost device", loseDevice},
		{"a code of one's own", ownCode},
		{"stop everything", stopAll("en")},
		{"stop everything, in Japanese", stopAll("ja")},
		{"stop everything, on a cooling device", stopCooling},
		{"quiet hours", quietHours},
		{"one of several requests", readFirst},
		{"pages without a device", plainPages},
		{"every page in English", inLanguage("en")},
		{"every page in Japanese", inLanguage("ja")},
		{"the QR code is the link", readQR},
		{"the request changes while open", changeWhileOpen},
		{"posted from another port", postFromNextDoor},
		{"sign-in opened from another site", signInFromElsewhere},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.do(newPeople(t, chrome))
		})
	}
}

// people are the browsers around one Mitome.
type people struct {
	*browsertest.Mitome
	t      *testing.T
	chrome *browsertest.Chrome
}

func newPeople(t *testing.T, chrome *browsertest.Chrome) *people {
	t.Helper()
	return &people{t: t, chrome: chrome, Mitome: browsertest.Run(t, "mitome",
		browsertest.Connection{Name: "corp", Title: "Example Bank", Lines: browsertest.SignIn},
		browsertest.Connection{Name: "vault", Title: "The Vault", Lines: "    rules: {binding_message: type, unknown_details: refuse}"},
		browsertest.Connection{Name: "brief", Title: "Brief", Lines: "    expires_in: 15s"},
		browsertest.Connection{Name: "guard", Title: "On Guard", Freeze: "15m"},
		// No passkey of a test takes as long as this one has it.
		browsertest.Connection{Name: "busy", Title: "Busy", Limits: "{fastest_approval: 5s}"},
	)}
}

func (p *people) browser(name string) *browsertest.Browser { return p.chrome.Browser(p.t, name) }

// paired is a browser that an administrator paired with user of a connection.
func (p *people) paired(connection, user, device string) *browsertest.Browser {
	p.t.Helper()
	b := p.browser(device)
	p.pair(b, connection, user, device)
	return b
}

// pair pairs a browser by an administrator's link.
func (p *people) pair(b *browsertest.Browser, connection, user, device string) {
	p.t.Helper()
	if !strings.Contains(p.Mitome.Mitome("user", "list", "--json"), `"`+user+`"`) {
		p.Mitome.Mitome("user", "add", connection, user)
	}
	offer := p.Pair("--op", connection, user)
	b.Open(offer.Link)
	p.takeOffer(b, device)
	p.makePasskey(b)
	b.Stage("done")
	offer.Completed()
}

// takeOffer names the device and takes the offer whose link is open.
func (p *people) takeOffer(b *browsertest.Browser, device string) {
	p.t.Helper()
	b.Stage("start")
	if at := b.At(); strings.Contains(at, "#") {
		p.t.Errorf("the secret stays in the address bar")
	}
	b.Type("Name of this device", device)
	b.Click("button", "Continue")
}

func (p *people) makePasskey(b *browsertest.Browser) {
	p.t.Helper()
	b.Stage("passkey")
	b.Click("button", "Make the passkey")
}

// desk is a browser in which user has signed in at the OP.
func (p *people) desk(user string) *browsertest.Browser {
	p.t.Helper()
	b := p.browser("desk")
	b.Size(1280, 800)
	p.signIn(b, user)
	return b
}

func (p *people) signIn(b *browsertest.Browser, user string) {
	p.t.Helper()
	b.Open(p.URL + "/signin")
	b.Audit("signin")
	b.Click("link", "Example Bank")
	b.Type("User", user)
	b.Click("button", "Sign in")
	b.Stage("offer")
}

// offered is the link that the desk shows.
func offered(desk *browsertest.Browser) string {
	desk.Sees("image", "QR code with the link for your phone")
	return browsertest.Eval[string](desk, "document.querySelector('#here').href")
}

// asked opens the request that appears on the first page by itself.
func (p *people) asked(b *browsertest.Browser) {
	p.t.Helper()
	b.UntilTrue("a request", `!!document.querySelector('#waiting a')`)
	b.Audit("home")
	browsertest.Eval[bool](b, `(document.querySelector('#waiting a').click(), true)`)
	b.Stage("ask")
}

func pairByQR(p *people) {
	desk, phone := p.desk("aiko"), p.browser("phone")
	phone.Open(offered(desk))
	p.takeOffer(phone, "Pixel")
	phone.Stage("match")
	desk.Text("Does your phone show this code?")
	desk.Text("Pixel")
	desk.Audit("match")
	code := `document.querySelector('[data-text="match"]').textContent`
	if a, b := browsertest.Eval[string](desk, code), browsertest.Eval[string](phone, code); a != b || a == "" {
		p.t.Errorf("the desk shows %q, the phone %q", a, b)
	}
	desk.Click("button", "They are the same")
	p.makePasskey(phone)
	phone.Stage("done")
	desk.Stage("done")
	phone.Open(p.URL + "/")
	q := p.Ask("corp", "aiko")
	p.asked(phone)
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

func pairSameDevice(p *people) {
	b := p.desk("aiko")
	b.Size(360, 740)
	offered(b)
	b.Click("link", "Pair this very device")
	p.takeOffer(b, "Laptop")
	p.makePasskey(b)
	b.Stage("done")
}

func pairByTyping(p *people) {
	desk, phone := p.desk("aiko"), p.browser("phone")
	offered(desk)
	browsertest.Eval[bool](desk, `(document.querySelector('details').open = true)`)
	desk.Text("Then type this code there:")
	desk.Audit("no camera")
	code := browsertest.Eval[string](desk, `document.querySelector('[data-text="secret"]').textContent`)
	phone.Open(p.URL + "/pair")
	phone.Stage("start")
	phone.Click("button", "Continue")
	phone.Said("code")
	phone.Type("Link or pairing code", strings.ToLower(code))
	p.takeOffer(phone, "Pixel")
	phone.Stage("match")
	desk.Click("button", "They are the same")
	p.makePasskey(phone)
	phone.Stage("done")
	desk.Stage("done")
}

func pairByAdmin(p *people) {
	phone := p.paired("corp", "aiko", "Pixel")
	phone.Click("link", "See what is waiting")
	phone.Text("Nothing is waiting")
	phone.Audit("home, nothing waits")
}

func pairReloading(p *people) {
	desk, phone := p.desk("aiko"), p.browser("phone")
	link := offered(desk)
	desk.Reload() // the link that was shown is taken back
	desk.Stage("offer")
	phone.Open(link)
	p.takeOffer(phone, "Pixel")
	phone.Stage("over")
	phone.Open(offered(desk))
	p.takeOffer(phone, "Pixel")
	phone.Stage("match")
	phone.Reload()
	phone.Stage("match")
	desk.Text("Does your phone show this code?")
	desk.Reload()
	desk.Click("button", "They are the same")
	phone.Stage("passkey")
	phone.Reload()
	p.makePasskey(phone)
	phone.Stage("done")
}

func pairCodesDiffer(p *people) {
	desk, phone := p.desk("aiko"), p.browser("phone")
	link := offered(desk)
	phone.Open(link)
	p.takeOffer(phone, "Pixel")
	phone.Stage("match")
	other := p.browser("other")
	other.Open(link) // a link serves once, whatever becomes of the pairing
	p.takeOffer(other, "Thief")
	other.Stage("over")
	other.Text("This code does not work")
	desk.Click("button", "They differ")
	desk.Stage("over")
	phone.Stage("over")
	phone.Text("The pairing was stopped")
}

func pairWithoutPasskey(p *people) {
	p.Mitome.Mitome("user", "add", "corp", "aiko")
	offer, phone := p.Pair("aiko"), p.browser("phone")
	phone.Open(offer.Link)
	p.takeOffer(phone, "Pixel")
	phone.Verified(false)
	p.makePasskey(phone)
	phone.Said("cancelled")
	phone.Audit("cancelled")
	phone.Verified(true)
	p.makePasskey(phone)
	phone.Stage("done")
}
