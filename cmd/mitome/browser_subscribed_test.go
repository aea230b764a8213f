package main_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
	"github.com/mitome-ciba/mitome/push/webpush/webpushtest"
)

// subscription is a browser's at a push service of this test.
type subscription struct {
	*webpushtest.Subscription
	t       *testing.T
	service *webpushtest.Service
}

// subscribe has a browser subscribe there when it is asked to.
func (p *people) subscribe(b *browsertest.Browser) subscription {
	p.t.Helper()
	s := subscription{t: p.t, service: webpushtest.New(p.t)}
	s.Subscription = s.service.Subscribe("")
	key, text := s.Device.Key(), base64.RawURLEncoding.EncodeToString
	b.Subscribes(s.Endpoint, text(key.P256DH), text(key.Auth))
	return s
}

// pushed waits until Mitome has sent a push of that kind, and returns what the
// browser decrypts and what it says.
func (s subscription) pushed(kind string) (text string, said struct{ Kind, Key, Title, Body string }) {
	s.t.Helper()
	browsertest.Await(s.t, "a push: "+kind, func() bool {
		for _, p := range s.service.Pushes() {
			if json.Unmarshal(p.Plaintext, &said) == nil && said.Kind == kind {
				text = string(p.Plaintext)
				return true
			}
		}
		return false
	})
	return text, said
}

// subscribed is a paired browser with its first page open, which is notified.
func (p *people) subscribed(device string) (*browsertest.Browser, *browsertest.Worker, subscription) {
	p.t.Helper()
	b := p.paired("corp", "aiko", device)
	s := p.subscribe(b)
	b.May(p.URL, "granted")
	b.Open(p.URL + "/")
	b.Said("on")
	return b, b.Worker(p.URL), s
}

// notified is one whose pushes the test words itself.
func (p *people) notified() (*browsertest.Browser, *browsertest.Worker) {
	p.t.Helper()
	phone, worker, _ := p.subscribed("Pixel")
	return phone, worker
}

// newest is the id of the request that the first page shows.
func newest(phone *browsertest.Browser) string {
	phone.UntilTrue("a request", `!!document.querySelector('#waiting a')`)
	return browsertest.Eval[string](phone, `[...document.querySelectorAll('#waiting a')].at(-1).dataset.id`)
}

// says is a push as Mitome words it, with members changed in pairs of name and
// value; nil takes one away.
func says(kind, id string, changes ...any) string {
	said := map[string]any{
		"v": 1, "kind": kind, "key": id, "url": "/requests/" + id, "title": "Corner Books asks for your approval",
		"body": "Order 88-1047", "expires_at": "2100-01-01T00:00:00Z", "code": false, "deny": "Deny", "open": "Open",
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if name := changes[i].(string); changes[i+1] == nil {
			delete(said, name)
		} else {
			said[name] = changes[i+1]
		}
	}
	out, _ := json.Marshal(said)
	return string(out)
}
