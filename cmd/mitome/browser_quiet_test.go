package main_test

import (
	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

// quietHours sets quiet hours, by the zone of the browser, and takes them away; a
// device that is not active yet may not.
func quietHours(p *people) {
	phone := p.paired("corp", "aiko", "Pixel")
	phone.Open(p.URL + "/devices")
	phone.Click("link", "Quiet hours")
	phone.Stage("list")
	phone.Text("You have no quiet hours.")
	for _, size := range []int64{160, 1280, 360} {
		phone.Fits(size, 800)
		phone.Audit("quiet")
	}
	set := func(from, to string) {
		browsertest.Eval[bool](phone, `(() => {
			const { from, to } = document.querySelector('form').elements;
			[from.value, to.value] = ['`+from+`', '`+to+`'];
			return true;
		})()`)
		phone.Click("button", "Save")
	}
	set("22:30", "22:30")
	phone.Said("times")
	phone.Audit("quiet, refused")
	set("22:30", "06:15")
	phone.Said("saved")
	phone.Text("22:30 – 06:15")
	phone.Audit("quiet, set")
	phone.Reload()
	phone.Text("22:30 – 06:15 (" + browsertest.Eval[string](phone, `Intl.DateTimeFormat().resolvedOptions().timeZone`) + ")")

	young := p.another("Tablet")
	young.Open(p.URL + "/quiet")
	young.Text("This device is not active yet")
	young.SeesNot("button", "Save")

	phone.Click("button", "Remove my quiet hours")
	phone.Said("removed")
	phone.Text("You have no quiet hours.")
}

// readFirst: who is asked for the second time in a short while cannot approve at
// once, is told why where she tries, and is told when she can. What her passkey
// then signs sooner than the connection has it is refused, and Deny is not.
func readFirst(p *people) {
	phone := p.paired("busy", "aiko", "Pixel")
	first := p.Ask("busy", "aiko")
	phone.Open(p.URL + "/")
	p.asked(phone)
	if browsertest.Eval[bool](phone, `!!document.querySelector('#approve').getAttribute('aria-disabled')`) {
		p.t.Error("the first request waits to be read")
	}
	phone.Click("button", "Deny")
	phone.Stage("denied")
	first.Told("UNAUTHORIZED")

	second := p.Ask("busy", "aiko")
	phone.Before(`document.addEventListener('DOMContentLoaded', () => { // scripts of ours have run
		const approve = document.querySelector('#approve');
		window.waits = approve?.getAttribute('aria-disabled') === 'true' && !!document.getElementById(approve.getAttribute('aria-describedby'));
		approve?.click();
		window.told = !!document.querySelector('#said [data-when="pause"]')?.checkVisibility();
	})`)
	phone.Open(p.URL + "/")
	p.asked(phone)
	if !browsertest.Eval[bool](phone, `window.waits`) {
		p.t.Error("Approve is there at once, or does not say why not")
	}
	if !browsertest.Eval[bool](phone, `window.told`) {
		p.t.Error("who presses it at once is not told why nothing happens")
	}
	phone.UntilTrue("Approve to work", `!document.querySelector('#approve').hasAttribute('aria-disabled')`)
	phone.UntilTrue("it to be said", `document.querySelector('#polite').textContent === 'You can approve now.'`)
	phone.Audit("ask, read")
	phone.Click("button", "Approve")
	phone.Said("again")
	phone.Click("button", "Deny")
	phone.Stage("denied")
	second.Told("UNAUTHORIZED")
}
