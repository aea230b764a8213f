package main_test

import "github.com/mitome-ciba/mitome/cmd/mitome/browsertest"

// notStarted is the whole way: asked once more, the passkey, and what follows.
func notStarted(p *people) {
	phone, q := p.waiting("corp")
	phone.Click("button", "I did not start this")
	phone.Sees("dialog", "You did not start this?")
	phone.Audit("sure")
	phone.Click("button", "Go back")
	phone.SeesNot("dialog", "You did not start this?")
	phone.Click("button", "I did not start this")
	phone.Click("button", "It was not me")
	phone.Stage("not_me")
	phone.Text("For a while this service cannot ask you")
	q.Told("UNAUTHORIZED")
	phone.Reload()
	phone.Stage("not_me")
	disowned("en")(p)
}

// disowned: what else the client asks ends, on a page that is open too, and it
// cannot ask again.
func disowned(language string) func(*people) {
	return func(p *people) {
		a := &auditor{people: p, language: language}
		a.Mitome.Mitome("user", "add", "guard", "aiko")
		a.phone = a.opens("guarded phone")
		tablet := a.opens("guarded tablet")
		a.paired(a.phone, "guard")
		a.paired(tablet, "guard")
		first := a.asks("guard")
		second := a.Ask("guard", "aiko")
		tablet.Open(a.URL + "/")
		tablet.UntilTrue("two requests", `document.querySelectorAll('#waiting a').length === 2`)
		here := browsertest.Eval[string](a.phone, "location.pathname")
		browsertest.Eval[bool](tablet, `([...document.querySelectorAll('#waiting a')].find((l) => l.pathname !== '`+here+`').click(), true)`)
		tablet.Stage("ask")
		a.phone.Press("#not-me")
		a.sizes("sure", "ask")
		a.phone.Press("#sure-yes")
		a.stage(a.phone, "not_me")
		a.sizes("not_me", "not_me")
		tablet.Stage("not_me") // by itself: no device answered it
		a.looks(tablet, "not_me, of another request")
		tablet.Reload()
		tablet.Stage("not_me")
		first.Told("UNAUTHORIZED")
		second.Told("UNAUTHORIZED")
		a.Ask("guard", "aiko").Told("CANCELLED") // as of nobody
		a.Ask("guard", "nobody").Told("CANCELLED")
		a.phone.Open(a.URL + "/")
		a.phone.UntilTrue("nothing to wait", `document.querySelector('#nothing').checkVisibility()`)
	}
}

// sizes has the page fit a watch and a desk.
func (a *auditor) sizes(what, stage string) {
	a.t.Helper()
	for _, width := range []int64{160, 1280, 360} {
		a.phone.Fits(width, 800)
		a.phone.Stage(stage)
		a.phone.Audit(what)
	}
}

// notStartedOnly: the passkey does not sign, or cannot even be asked: the request is
// denied all the same, nothing follows, and the page says so.
func notStartedOnly(p *people) {
	phone, q := p.waiting("guard")
	say := func() {
		phone.Click("button", "I did not start this")
		phone.Click("button", "It was not me")
		phone.Stage("not_me_only")
		phone.Text("the service can ask you again")
		phone.Audit("not_me_only")
	}
	phone.Verified(false)
	say()
	q.Told("UNAUTHORIZED")
	phone.Reload()
	phone.Stage("not_me_only")
	phone.Open(p.URL + "/")
	q = p.Ask("guard", "aiko")
	p.asked(phone)
	browsertest.Eval[bool](phone, `(() => {
		const real = window.fetch;
		window.fetch = (to, how) => String(to).includes('/not-me/') ? Promise.resolve(new Response('{}', { status: 503 })) : real(to, how);
		return true;
	})()`)
	phone.Verified(true)
	say()
	q.Told("UNAUTHORIZED")
	phone.Open(p.URL + "/")
	p.Ask("guard", "aiko")
	p.asked(phone)
}
