package userapi_test

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// told keeps what is to be written down of what changes nothing.
type told struct {
	mu      sync.Mutex
	looks   []approval.RequestID
	lookers []device.Actor
	refused []device.Refusal
}

func (n *told) Saw(r approval.Request, by device.Actor, _ []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looks, n.lookers = append(n.looks, r.ID), append(n.lookers, by)
}

func (n *told) Refused(r device.Refusal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused = append(n.refused, r)
}

// since returns what was refused after the first n.
func (n *told) since(first int) []device.Refusal {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.refused[first:])
}

// TestRefusedPasskeysAreTold: of every answer of a passkey that does not hold is
// told what it was for, by which device and from where; of one that holds nothing.
func TestRefusedPasskeysAreTold(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	alice := b.pair("corp", "alice")
	passkey := b.passkeys["corp"]
	r := w.ask(alice, "")
	own := "/v1/devices/" + string(b.device.ID)
	type signed = map[string]any
	tests := []struct {
		act, path string
		body      signed
		about     string
	}{
		{"approve", "/v1/requests/" + string(r.ID) + "/decision", signed{"verdict": "approve"}, string(r.ID)},
		{"lock", own + "/lock", signed{}, ""},
		{"user_code", own + "/user-code", signed{"user_code": "KTPX7731"}, ""},
		{"show_codes", own + "/hint-tokens/unlock", signed{}, ""},
		{"not_me", "/v1/requests/" + string(r.ID) + "/decision", signed{"verdict": "deny", "not_me": true}, string(r.ID)}, // it is denied all the same
	}
	challenges := map[string]string{
		"approve": "/v1/requests/" + string(r.ID) + "/challenge", "not_me": "/v1/requests/" + string(r.ID) + "/not-me/challenge",
		"lock": own + "/lock/challenge", "user_code": own + "/user-code/challenge", "show_codes": own + "/hint-tokens/challenge",
	}
	for _, tt := range tests {
		t.Run(tt.act, func(t *testing.T) {
			before := len(w.told.since(0))
			var o struct {
				View, Statement string
				Options         json.RawMessage
			}
			b.do("POST", challenges[tt.act], map[string]any{"user_code": "KTPX7731"}).want(t, 200, &o)
			tt.body["assertion"] = json.RawMessage(passkey.Get(t, o.Options, devicetest.WithOtherKey()))
			b.do("POST", tt.path, tt.body)
			got := w.told.since(before)
			if len(got) != 1 || got[0].Act != tt.act || got[0].Request != tt.about || got[0].Device != b.device.ID || got[0].User != b.device.User ||
				got[0].By.Kind != device.ActorDevice || got[0].By.ID != string(b.device.ID) || !got[0].By.IP.IsValid() {
				t.Errorf("told %+v", got)
			}
		})
	}
	t.Run("sign_in", func(t *testing.T) {
		before := len(w.told.since(0))
		w.newBrowser().unlock(passkey, devicetest.WithOtherKey()).wantProblem(t, 403, "passkey_failed")
		got := w.told.since(before)
		if len(got) != 1 || got[0].Act != "sign_in" || got[0].Device != "" || got[0].By.Kind != device.ActorPhone || !got[0].By.IP.IsValid() {
			t.Errorf("told %+v", got)
		}
	})
	t.Run("right", func(t *testing.T) {
		before := len(w.told.since(0))
		w.newBrowser().unlock(passkey).want(t, 200, nil)
		b.approve(w.ask(alice, "").ID, "corp", "").want(t, 200, nil)
		if got := w.told.since(before); len(got) != 0 {
			t.Errorf("told %+v", got)
		}
	})
}

// TestLooksAreTold: whichever way a device is given a request that waits, it is told
// of it; of one that is over, or another's, it is not.
func TestLooksAreTold(t *testing.T) {
	w := newWorld(t)
	p, mallory := w.newPhone(), w.newPhone()
	r := w.ask(p.pair("corp", "alice"), "")
	mallory.pair("corp", "mallory")
	path := "/v1/requests/" + string(r.ID)
	p.do("GET", "/v1/requests", nil).want(t, 200, nil)
	p.do("GET", path, nil).want(t, 200, nil)
	mallory.do("GET", "/v1/requests", nil).want(t, 200, nil)
	mallory.do("GET", path, nil).wantProblem(t, 404, "request_not_found")
	p.do("POST", path+"/decision", map[string]any{"verdict": "deny"}).want(t, 200, nil)
	p.do("GET", path, nil).want(t, 200, nil)
	if want := []approval.RequestID{r.ID, r.ID}; !slices.Equal(w.told.looks, want) {
		t.Errorf("told of %v, want %v", w.told.looks, want)
	}
	for _, by := range w.told.lookers {
		if by.Kind != device.ActorDevice || by.ID != string(p.device.ID) || !by.IP.IsValid() {
			t.Errorf("told of %+v", by)
		}
	}
}
