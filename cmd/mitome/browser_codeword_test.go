package main_test

import (
	"strings"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

const codeWordField = "New code word"

// ownCode sets, changes and removes the user's own code, with the passkey each
// time; without it, and with a code that is guessed at once, nothing changes.
func ownCode(p *people) {
	const none = "You have no code word yet."
	phone := p.paired("corp", "aiko", "Pixel")
	phone.Open(p.URL + "/devices")
	phone.Click("link", "My code word")
	phone.Stage("list")
	phone.Text(none)
	for _, size := range []int64{160, 1280, 360} {
		phone.Fits(size, 800)
		phone.Audit("code word")
	}
	phone.Click("button", "Confirm and save") // nothing is typed
	phone.Said("weak")
	p.types(phone, "1234")
	phone.Said("weak")
	phone.Verified(false)
	p.types(phone, "KTPX-7731")
	phone.Said("cancelled")
	phone.Reload()
	phone.Text(none)
	phone.Verified(true)
	p.types(phone, "ktpx-7731")
	phone.Said("saved")
	phone.Audit("saved")
	if at := phone.At(); at != p.URL+"/code-word" || strings.Contains(browsertest.Eval[string](phone, "document.documentElement.outerHTML"), "7731") {
		p.t.Errorf("the code stands in the page, or in %s", at)
	}
	phone.Text("Set on")
	phone.Click("button", "Show what I type")
	phone.UntilTrue("a field that shows", `document.querySelector('main input').type === 'text'`)
	phone.Type(codeWordField, "WDJB4711")
	phone.Click("button", "Show what I type")
	phone.UntilTrue("a field that hides", `document.querySelector('main input').type === 'password'`)
	phone.Click("button", "Confirm and save")
	phone.Said("saved")

	phone.Click("button", "Remove my code word")
	phone.Click("button", "Cancel")
	phone.Text("Set on")
	phone.Click("button", "Remove my code word")
	phone.Click("button", "Confirm and remove")
	phone.Said("removed")
	phone.Text(none)

	young := p.another("Tablet")
	young.Open(p.URL + "/code-word")
	young.Text("This device is not active yet")
	young.SeesNot("button", "Confirm and save")
}

// types enters a code and saves it.
func (p *people) types(phone *browsertest.Browser, code string) {
	p.t.Helper()
	phone.Type(codeWordField, code)
	phone.Click("button", "Confirm and save")
}
