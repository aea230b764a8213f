package main_test

import (
	"strings"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

// transfer is a request whose page looks different: it leads with the amount.
const transfer = `[{"type":"payment_initiation","instructedAmount":{"currency":"EUR","amount":"123.50"},"creditorName":"Merchant A"}]`

// inLanguage has axe look at every page in one language, and in both themes. It
// names nothing by what it says, so that it can be any language.
func inLanguage(tag string) func(*people) {
	return func(p *people) {
		a := &auditor{people: p, language: tag}
		a.strangers()
		a.answers()
		a.unknown()
		a.codes()
		a.ends()
		a.pairing()
	}
}

// auditor is one person who reads one language.
type auditor struct {
	*people
	language string
	phone    *browsertest.Browser
}

func (a *auditor) opens(name string) *browsertest.Browser {
	b := a.browser(name)
	b.Language(a.language)
	return b
}

// looks has axe see the page as it stands, light and dark.
func (a *auditor) looks(b *browsertest.Browser, what string) {
	a.t.Helper()
	if got := browsertest.Eval[string](b, "document.documentElement.lang"); got != a.language {
		a.t.Errorf("%s is in %s, want %s", what, got, a.language)
	}
	b.Audit(what)
	b.Dark(true)
	b.Audit(what + ", dark")
	b.Dark(false)
}

// stage waits for a stage and looks.
func (a *auditor) stage(b *browsertest.Browser, name string) {
	a.t.Helper()
	b.Stage(name)
	a.looks(b, name)
}

// paired pairs b with the user of a connection.
func (a *auditor) paired(b *browsertest.Browser, connection string) {
	a.t.Helper()
	offer := a.Pair("--op", connection, "aiko")
	b.Open(offer.Link)
	a.takes(b)
	b.Stage("passkey")
	b.Press("#make")
	b.Stage("done")
	offer.Completed()
}

func (a *auditor) takes(b *browsertest.Browser) {
	a.t.Helper()
	b.Stage("start")
	b.Press("#claim button[type=submit]")
}

// asks has the phone open a new request.
func (a *auditor) asks(connection string, more ...string) browsertest.Question {
	a.t.Helper()
	a.phone.Open(a.URL + "/")
	q := a.Ask(connection, "aiko", more...)
	a.asked(a.phone)
	return q
}

func (a *auditor) strangers() {
	b := a.opens("stranger")
	for _, path := range []string{"/", "/signin", "/pair", "/unlock", "/nothing"} {
		b.Open(a.URL + path)
		a.looks(b, path)
	}
	a.phone = a.opens("phone")
	for _, connection := range []string{"corp", "vault", "brief"} {
		a.Mitome.Mitome("user", "add", connection, "aiko")
		a.paired(a.phone, connection)
	}
}

func (a *auditor) answers() {
	q := a.asks("corp", "binding_message", "Order 88-1047", "scope", "openid profile offline_access urn:example:odd")
	a.looks(a.phone, "request")
	a.phone.Press("#not-me")
	a.looks(a.phone, "sure")
	a.phone.Press("#sure-no")
	a.phone.Press("#approve")
	a.stage(a.phone, "approved")
	q.Told("SUCCEED")
	q = a.asks("corp", "authorization_details", transfer)
	if title := browsertest.Eval[string](a.phone, `document.querySelector('h1.headline').textContent`); !strings.Contains(title, "123.50") {
		a.t.Errorf("a payment is headed %q, want its amount", title)
	}
	a.looks(a.phone, "payment")
	a.phone.Press("#deny")
	a.stage(a.phone, "denied")
	q.Told("UNAUTHORIZED")
}

// unknown is a request that can be read and denied.
func (a *auditor) unknown() {
	q := a.asks("vault", "authorization_details", `[{"type":"lease","flat":"12"}]`)
	if browsertest.Eval[bool](a.phone, `!document.getElementById('refused') || !!document.getElementById('approve')`) {
		a.t.Error("what is not known can be approved")
	}
	a.looks(a.phone, "refused")
	a.phone.Press("#deny")
	a.stage(a.phone, "denied")
	q.Told("UNAUTHORIZED")
}

func (a *auditor) codes() {
	a.asks("vault", "binding_message", "W4SCT-77")
	a.looks(a.phone, "code")
	for _, left := range []string{"4", "3", "2", "1"} {
		a.phone.Fill("#code", "WRONG-1") // what stood there is selected
		a.phone.Press("#approve")
		a.phone.UntilTrue("tries left", `document.querySelector('[data-text="tries"]').textContent === '`+left+`'`)
	}
	a.looks(a.phone, "wrong")
	a.phone.Fill("#code", "WRONG-1")
	a.phone.Press("#approve")
	a.stage(a.phone, "locked")
}

func (a *auditor) ends() {
	a.asks("brief")
	a.stage(a.phone, "expired")
	other := a.opens("other")
	a.paired(other, "corp")
	q := a.asks("corp")
	other.Open(a.phone.At())
	other.Stage("ask")
	other.Press("#approve")
	other.Stage("approved")
	a.stage(a.phone, "approved_elsewhere")
	q.Told("SUCCEED")
	a.phone.Open(a.URL + "/")
	a.looks(a.phone, "answered lately")
}

// pairing is both screens of a pairing, and what the older device sees of it.
func (a *auditor) pairing() {
	desk, young := a.opens("desk"), a.opens("young")
	desk.Size(1280, 800)
	desk.Open(a.URL + "/signin/corp")
	desk.Type("User", "aiko")
	desk.Click("button", "Sign in")
	desk.Stage("offer")
	desk.UntilTrue("the code", `document.querySelector('#qr').complete && !!document.querySelector('#here').href`)
	a.looks(desk, "offer")
	young.Open(browsertest.Eval[string](desk, "document.querySelector('#here').href"))
	a.takes(young)
	a.stage(young, "match")
	desk.UntilTrue("the code", `document.querySelector('#same').checkVisibility()`)
	a.looks(desk, "same")
	desk.Press("#same")
	a.stage(young, "passkey")
	young.Press("#make")
	a.stage(young, "cooling")
	desk.Stage("done")
	young.Open(a.URL + "/devices")
	a.stage(young, "list")
	a.phone.Open(a.URL + "/devices")
	a.stage(a.phone, "list")
	a.phone.Press("#signout")
	a.looks(a.phone, "sign out")
}

// readQR: what a phone reads from the first screen is the link that stands
// beside it, in any theme.
func readQR(p *people) {
	desk := p.desk("aiko")
	link := offered(desk)
	if !strings.HasPrefix(link, p.URL+"/pair#") {
		p.t.Errorf("the link is %s", link)
	}
	for _, dark := range []bool{false, true} {
		desk.Dark(dark)
		desk.HasQR("#qr", link)
	}
	desk.Size(360, 740)
	desk.HasQR("#qr", link)
}

// changeWhileOpen: what is signed is what stands on the page, or nothing.
func changeWhileOpen(p *people) {
	phone, q := p.waiting("corp")
	// The server would now word the request otherwise than the page does.
	browsertest.Eval[bool](phone, `(document.documentElement.lang = 'ja', window.before = true)`)
	phone.Click("button", "Approve")
	phone.UntilTrue("the page anew", `!window.before`)
	phone.Stage("ask")
	if n := phone.Calls("/decision"); n != 0 {
		p.t.Errorf("%d decisions on what was not shown", n)
	}
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

// postFromNextDoor: another port of the host is the same site, and gets nowhere
// all the same.
func postFromNextDoor(p *people) {
	phone, q := p.waiting("corp")
	request, next := phone.At(), browsertest.NewNeighbour(p.t)
	phone.Open(next.PostTo(strings.Replace(request, "/requests/", "/v1/requests/", 1) + "/decision"))
	opened := browsertest.Eval[bool](phone, `new Promise((done) => {
		const s = new WebSocket('`+strings.Replace(p.URL, "http:", "ws:", 1)+`/v1/socket', 'mitome.v1');
		s.onopen = () => done(true);
		s.onerror = () => done(false);
	})`)
	if opened {
		p.t.Error("a page of another origin has a socket")
	}
	phone.Click("button", "Win")
	phone.Text("urn:mitome:cross_site")
	phone.Open(request)
	phone.Stage("ask")
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

// signInFromElsewhere: who follows a link of another site to sign in, or to her
// desk once she has, is where she would be without it.
func signInFromElsewhere(p *people) {
	b := p.browser("desk")
	b.Open(p.OP.LinkTo(p.URL + "/signin"))
	b.Click("link", "Open")
	b.Click("link", "Example Bank")
	b.Type("User", "aiko")
	b.Click("button", "Sign in")
	b.Stage("offer")
	later := func() { // a page goes on by itself once in ten seconds
		browsertest.Eval[bool](b, `(sessionStorage.clear(), true)`)
		b.Open(p.OP.LinkTo(p.URL + "/pair/new"))
		b.Click("link", "Open")
	}
	later()
	b.Stage("offer") // the strict cookie came along after all
	b.ClearCookies()
	later()
	b.UntilTrue("the sign-in page", `location.pathname === '/signin' && document.readyState === 'complete'`)
	b.Sees("link", "Example Bank")
}
