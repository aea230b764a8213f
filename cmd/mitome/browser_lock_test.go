package main_test

// stopAll stops everything for the user, with the passkey; without it nothing is
// stopped. What waited is denied, on a page that is open too; she is asked again
// once an administrator says so.
func stopAll(language string) func(*people) {
	return func(p *people) {
		a := &auditor{people: p, language: language}
		a.Mitome.Mitome("user", "add", "guard", "aiko")
		a.phone = a.opens("phone")
		tablet := a.opens("tablet")
		a.paired(a.phone, "guard")
		a.paired(tablet, "guard")
		tablet.Open(a.URL + "/")
		q := a.Ask("guard", "aiko")
		a.asked(tablet)
		a.phone.Open(a.URL + "/devices")
		a.phone.Stage("list")
		a.phone.Press(`a[href="/lock"]`)
		a.phone.UntilTrue("the page", `!!document.querySelector('[data-act="lock"]')`)
		a.looks(a.phone, "lock")
		a.sizes("lock", "list")
		a.phone.Press(`[data-act="lock"]`)
		a.phone.UntilTrue("the question", `document.querySelector('#ask-lock').open`)
		a.looks(a.phone, "lock, asked")
		a.sizes("lock, asked", "list")
		a.phone.Press(`#ask-lock button[value=""]`)
		a.phone.Verified(false)
		a.stops()
		a.phone.Said("cancelled")
		a.looks(a.phone, "lock, cancelled")
		a.phone.Verified(true)
		a.stops()
		a.phone.Said("locked")
		a.phone.UntilTrue("no button", `!document.querySelector('[data-act="lock"]') && !!document.querySelector('[data-locked] time')`)
		a.looks(a.phone, "locked")
		a.sizes("locked", "list")
		tablet.Stage("stopped")
		a.looks(tablet, "stopped")
		q.Told("CANCELLED")
		a.Ask("guard", "aiko").Told("CANCELLED")
		a.Mitome.Mitome("user", "unlock", "aiko")
		a.phone.Reload()
		a.phone.UntilTrue("the button", `!!document.querySelector('[data-act="lock"]')`)
		a.asks("guard")
	}
}

// stops presses the button, and says that it is meant.
func (a *auditor) stops() {
	a.t.Helper()
	a.phone.UntilTrue("the button to be ready", `!document.querySelector('[data-act="lock"][aria-disabled]')`) // it was busy with the answer before
	a.phone.Press(`[data-act="lock"]`)
	a.phone.UntilTrue("the question", `document.querySelector('#ask-lock').open`)
	a.phone.Press(`#ask-lock button[value="yes"]`)
}

// stopCooling: a device that is not active yet cannot stop anything.
func stopCooling(p *people) {
	p.paired("corp", "aiko", "Pixel")
	young := p.another("Tablet")
	young.Open(p.URL + "/lock")
	young.Text("This device is not active yet")
	young.SeesNot("button", "Stop everything")
}
