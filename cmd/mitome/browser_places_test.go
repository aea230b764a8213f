package main_test

import (
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
	"github.com/mitome-ciba/mitome/server/places/placestest"
)

// What a client says of the device that asks.
const (
	kioskInParis = `{"ip":"192.0.2.7","device":"Kiosk"}`
	kioskInOsaka = `{"ip":"203.0.113.7","device":"Kiosk"}`
)

// Where the phone is, as the proxy before Mitome says.
const (
	phoneInTokyo = "198.51.100.7"
	phoneInParis = "192.0.2.99"
)

// newPlacesPeople has a connection for each rule about what is far away.
func newPlacesPeople(t *testing.T) *people {
	t.Helper()
	chrome := browsertest.Start(t)
	return &people{t: t, chrome: chrome, Mitome: browsertest.Run(t, "mitome",
		browsertest.Connection{Name: "corp", Title: "Example Bank"},
		browsertest.Connection{Name: "coded", Title: "Coded", Lines: "    rules: {binding_message: type, far: code}"},
		browsertest.Connection{Name: "near", Title: "Near", Lines: "    rules: {far: refuse}\n" +
			"trusted_proxies: [127.0.0.1]\nplaces: {file: '" + placestest.Put(t, placestest.City(t)) + "'}"},
	)}
}

// TestPlaces: what a user reads of places, and what each rule lets her do, in a
// real browser.
func TestPlaces(t *testing.T) {
	p := newPlacesPeople(t)
	for _, tt := range []struct {
		name string
		do   func(*people)
	}{
		{"warned", farWarned}, {"in Japanese", farInJapanese}, {"in the next city", notFar}, {"only with a code", farCoded},
		{"never", farRefused}, {"moved while it was open", farMoved},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.do(&people{t: t, chrome: p.chrome, Mitome: p.Mitome})
		})
	}
}

// visits is a browser of a new user who is asked something from somewhere, with its
// page open.
func (p *people) visits(connection, user string, more ...string) (*browsertest.Browser, browsertest.Question) {
	p.t.Helper()
	phone := p.paired(connection, user, "Pixel")
	phone.Open(p.URL + "/")
	phone.Text("Nothing is waiting")
	q := p.Ask(connection, user, more...)
	p.asked(phone)
	return phone, q
}

func farWarned(p *people) {
	p.From(phoneInTokyo)
	phone, q := p.visits("corp", "anna", "request_context", kioskInParis)
	phone.Text("The device that asks is in Paris, France; you are in Tokyo, Japan.")
	phone.Text("in another country than you")
	phone.SeesNot("term", "IP address")
	phone.UntilTrue("who asks, where from, then Deny and Approve", `(() => {
		const at = ['.who', '#place', '#far', '#deny', '#approve'].map((s) => document.querySelector(s));
		return at.every((e, i) => e && (i === 0 || at[i - 1].compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING));
	})()`)
	for _, width := range []int64{160, 360, 1280} {
		phone.Fits(width, 800)
		phone.Audit("far")
	}
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

func farInJapanese(p *people) {
	p.From(phoneInTokyo)
	phone := p.paired("corp", "berta", "Pixel")
	phone.Language("ja")
	phone.Open(p.URL + "/")
	q := p.Ask("corp", "berta", "request_context", kioskInParis)
	p.asked(phone)
	phone.Text("依頼元の端末はパリ(フランス)にあり、あなたは東京(日本)にいます。")
	phone.Text("別の国にあります")
	for _, width := range []int64{160, 360, 1280} {
		phone.Fits(width, 800)
		phone.Audit("far, in Japanese")
	}
	phone.Press("#deny")
	phone.Stage("denied")
	q.Told("UNAUTHORIZED")
}

func notFar(p *people) {
	p.From(phoneInTokyo)
	phone, q := p.visits("near", "carl", "request_context", kioskInOsaka)
	phone.Text("The device that asks is in Osaka, Japan; you are in Tokyo, Japan.")
	phone.UntilTrue("no warning", `!document.querySelector('#far, #refused')`)
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

func farCoded(p *people) {
	p.From(phoneInTokyo)
	phone, q := p.visits("coded", "dora", "request_context", kioskInParis, "binding_message", "Read this")
	phone.Text("there is no code to type")
	phone.Audit("far, no code")
	phone.SeesNot("button", "Approve")
	phone.Click("button", "Deny")
	phone.Stage("denied")
	q.Told("UNAUTHORIZED")
	phone.Open(p.URL + "/")
	q = p.Ask("coded", "dora", "request_context", kioskInParis, "binding_message", "W4SCT-77")
	p.asked(phone)
	phone.Type(codeLabel, "W4SCT-77")
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
}

func farRefused(p *people) {
	p.From(phoneInTokyo)
	phone, q := p.visits("near", "emil", "request_context", kioskInParis)
	phone.Text("cannot be approved here")
	for _, width := range []int64{160, 360, 1280} {
		phone.Fits(width, 800)
		phone.Audit("far, refused")
	}
	phone.SeesNot("button", "Approve")
	phone.Click("button", "Deny")
	phone.Stage("denied")
	q.Told("UNAUTHORIZED")
}

// farMoved: the page was opened nearby, and approved from elsewhere: it says so
// anew, and nothing is signed.
func farMoved(p *people) {
	p.From(phoneInParis)
	phone, q := p.visits("near", "fred", "request_context", kioskInParis)
	phone.Text("in the same network as this one")
	p.From(phoneInTokyo)
	phone.Click("button", "Approve")
	phone.Text("cannot be approved here")
	phone.SeesNot("button", "Approve")
	phone.Click("button", "Deny")
	phone.Stage("denied")
	q.Told("UNAUTHORIZED")
}
