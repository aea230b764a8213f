package main_test

import (
	"encoding/json"
	"strings"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
	"github.com/mitome-ciba/mitome/server/adminapi"
)

// seenOrPushed: what a page shows to somebody is not pushed beside it. What comes
// while another page is open, or one that nobody sees, is.
func seenOrPushed(p *people) {
	phone, _, sub := p.subscribed("Pixel")
	phone.Before(`window.WebSocket = class extends WebSocket {
		constructor(...given) { super(...given); this.addEventListener('open', () => { window.connected = true; }); }
	}`)
	open := func(path string) {
		phone.Open(p.URL + path)
		phone.UntilTrue("a socket", `window.connected === true`)
	}
	open("/")
	p.Ask("corp", "aiko", "binding_message", "Order 1")
	seen := newest(phone)
	p.delivered(seen, "websocket", "done")
	p.delivered(seen, "webpush", "moot")

	pushed := func(order string) {
		p.Ask("corp", "aiko", "binding_message", order)
		id := sub.asks(order)
		p.delivered(id, "websocket", "absent")
		p.delivered(id, "webpush", "done")
	}
	open("/requests/" + seen)
	pushed("Order 2")
	open("/devices")
	pushed("Order 3")
	open("/")
	browsertest.Eval[bool](phone, `!!Object.defineProperty(document, 'visibilityState', { value: 'hidden' })`)
	pushed("Order 4")
}

// asks waits for the push that asks about an order, and returns the request's id.
func (s subscription) asks(order string) (id string) {
	s.t.Helper()
	browsertest.Await(s.t, "a push: "+order, func() bool {
		for _, p := range s.service.Pushes() {
			var said struct{ Kind, Key, Body string }
			if json.Unmarshal(p.Plaintext, &said) == nil && said.Kind == "show" && strings.Contains(said.Body, order) {
				id = said.Key
			}
		}
		return id != ""
	})
	return id
}

// delivered waits until the one message about a request on a channel came to an
// outcome.
func (p *people) delivered(id, channel, outcome string) {
	p.t.Helper()
	browsertest.Await(p.t, channel+" "+outcome, func() bool {
		var r adminapi.Request
		if err := json.Unmarshal([]byte(p.Mitome.Mitome("request", "show", id, "--json")), &r); err != nil {
			p.t.Fatal(err)
		}
		for _, d := range r.Deliveries {
			if d.Channel == channel && d.Kind == "notify" {
				return d.Outcome == outcome
			}
		}
		return false
	})
}
