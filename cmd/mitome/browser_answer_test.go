package main_test

import (
	"strings"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

// waiting is a paired phone whose first page is open, and a request for it.
func (p *people) waiting(connection string, more ...string) (*browsertest.Browser, browsertest.Question) {
	p.t.Helper()
	phone := p.paired(connection, "aiko", "Pixel")
	phone.Open(p.URL + "/")
	phone.Text("Nothing is waiting")
	q := p.Ask(connection, "aiko", more...)
	p.asked(phone)
	return phone, q
}

func approveRequest(p *people) {
	phone, q := p.waiting("corp", "binding_message", "Order 88-1047")
	phone.Text("Order 88-1047")
	phone.Text("Corner Books")
	phone.Click("button", "Approve")
	phone.Stage("approved")
	phone.Text("Go back to the other screen")
	q.Told("SUCCEED")
	phone.Open(p.URL + "/")
	phone.Text("Nothing is waiting")
	phone.Text("Answered lately")
	phone.Audit("home, answered")
}

func denyRequest(p *people) {
	phone, q := p.waiting("corp")
	if first := browsertest.Eval[string](phone, `[...document.querySelectorAll('main button')][0].id`); first != "deny" {
		p.t.Errorf("the first button is %s, want deny", first)
	}
	if a, d := width(phone, "#approve"), width(phone, "#deny"); a != d {
		p.t.Errorf("Approve is %v wide, Deny %v", a, d)
	}
	phone.Verified(false) // to deny needs no passkey
	phone.Click("button", "Deny")
	phone.Stage("denied")
	q.Told("UNAUTHORIZED")
}

func width(b *browsertest.Browser, css string) float64 {
	return browsertest.Eval[float64](b, `document.querySelector('`+css+`').getBoundingClientRect().width`)
}

func reloadRequest(p *people) {
	phone, q := p.waiting("corp")
	phone.Reload()
	phone.Stage("ask")
	phone.Click("button", "Approve")
	phone.Stage("approved")
	phone.Reload()
	phone.Stage("approved")
	q.Told("SUCCEED")
}

func approveTwice(p *people) {
	phone, q := p.waiting("corp")
	phone.DoubleClick("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
	if n := phone.Calls("/decision"); n != 1 {
		p.t.Errorf("%d decisions were sent, want 1", n)
	}
}

func approveUnverified(p *people) {
	phone, q := p.waiting("corp")
	phone.Verified(false)
	phone.Click("button", "Approve")
	phone.Said("cancelled")
	phone.Audit("cancelled")
	phone.Verified(true)
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

const codeLabel = "Type the code shown on the screen where you started."

func typeCode(p *people) {
	phone, q := p.waiting("vault", "binding_message", "W4SCT-77")
	if strings.Contains(browsertest.Eval[string](phone, "document.documentElement.outerHTML"), "W4SCT") {
		p.t.Error("the page holds the code that is to be typed")
	}
	phone.Click("button", "Approve")
	phone.Said("missing")
	phone.Type(codeLabel, "W4SCT-78")
	phone.Click("button", "Approve")
	phone.Said("wrong")
	phone.Audit("wrong")
	phone.Text("Tries left: 4")
	phone.Type(codeLabel, "w4sct 77")
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

func lockCode(p *people) {
	phone, q := p.waiting("vault", "binding_message", "W4SCT-77")
	for _, left := range []string{"4", "3", "2", "1"} {
		phone.Type(codeLabel, "WRONG-1")
		phone.Click("button", "Approve")
		phone.Text("Tries left: " + left)
	}
	phone.Type(codeLabel, "WRONG-1")
	phone.Click("button", "Approve")
	phone.Stage("locked")
	q.Told("CANCELLED")
	phone.Reload()
	phone.Stage("locked")
}

func expireOpen(p *people) {
	phone, _ := p.waiting("brief")
	phone.Stage("expired")
	phone.SeesNot("button", "Approve")
	phone.Reload()
	phone.Stage("expired")
}

func decideElsewhere(p *people) {
	first, second := p.paired("corp", "aiko", "Pixel"), p.paired("corp", "aiko", "Tablet")
	first.Open(p.URL + "/")
	second.Open(p.URL + "/")
	q := p.Ask("corp", "aiko")
	p.asked(first)
	p.asked(second)
	first.Click("button", "Approve")
	first.Stage("approved")
	second.Stage("approved_elsewhere")
	second.Text("Pixel")
	second.SeesNot("button", "Approve")
	q.Told("SUCCEED")
	second.Open(p.URL + "/") // a card goes, too
	q = p.Ask("corp", "aiko")
	first.Open(p.URL + "/")
	p.asked(first)
	second.UntilTrue("the card", `!!document.querySelector('#waiting a')`)
	first.Click("button", "Deny")
	second.Text("Nothing is waiting")
	q.Told("UNAUTHORIZED")
}

func revokeOpen(p *people) {
	phone, q := p.waiting("corp")
	var devices []struct{ ID string }
	decode(p.t, p.Mitome.Mitome("user", "device", "list", "--json", "aiko"), &devices)
	p.Mitome.Mitome("user", "device", "revoke", devices[0].ID)
	phone.UntilTrue("the end", `['signed_out', 'gone'].some((s) => document.querySelector('[data-stage="'+s+'"]')?.checkVisibility())`)
	phone.Audit("revoked")
	phone.SeesNot("button", "Approve")
	_ = q
}

func answerOffline(p *people) {
	phone, q := p.waiting("corp")
	phone.Offline(true)
	phone.Text("offline")
	phone.Click("button", "Approve")
	phone.Said("offline")
	phone.Audit("offline")
	phone.Offline(false)
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

// returnByTicket: a page whose line breaks connects again, with the ticket that it
// was given, and hears of what comes then.
func returnByTicket(p *people) {
	phone := p.paired("corp", "aiko", "Pixel")
	phone.Before(`const Real = WebSocket;
		window.tries = [];
		window.WebSocket = class extends Real {
			constructor(url, names) {
				super(url, names);
				tries.push([names].flat());
				window.line = this;
				this.addEventListener('message', (ev) => {
					if (JSON.parse(ev.data).type === 'ticket') window.ticketed = true;
				});
			}
		};`)
	phone.Open(p.URL + "/")
	phone.UntilTrue("a ticket", `window.ticketed`)
	browsertest.Eval[bool](phone, `line.close() || true`)
	phone.UntilTrue("the socket anew", `tries.length > 1 && line.readyState === 1`)
	tries := browsertest.Eval[[][]string](phone, `tries`)
	again := tries[len(tries)-1]
	if len(tries[0]) != 1 || len(again) != 2 || !strings.HasPrefix(again[1], "ticket.") {
		p.t.Errorf("it named %q, and then %q", tries[0], again)
	}
	q := p.Ask("corp", "aiko")
	p.asked(phone)
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

func pollWithoutSockets(p *people) {
	p.Block()
	first, second := p.paired("corp", "aiko", "Pixel"), p.paired("corp", "aiko", "Tablet")
	first.Open(p.URL + "/")
	second.Open(p.URL + "/")
	q := p.Ask("corp", "aiko")
	p.asked(first)
	p.asked(second)
	if p.Refused() == 0 {
		p.t.Error("no page tried a socket")
	}
	first.Click("button", "Approve")
	first.Stage("approved")
	second.Stage("approved_elsewhere")
	q.Told("SUCCEED")
}
