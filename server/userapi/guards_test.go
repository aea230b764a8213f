package userapi_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// begun is what a passkey is asked to sign.
type begun struct {
	Statement string          `json:"statement"`
	Options   json.RawMessage `json:"options"`
}

// notMe says that its user did not start request id.
func (p *phone) notMe(id approval.RequestID, lies ...devicetest.Lie) answer {
	p.w.t.Helper()
	var b begun
	path := "/v1/requests/" + string(id)
	p.do("POST", path+"/not-me/challenge", nil).want(p.w.t, 200, &b)
	return p.do("POST", path+"/decision", map[string]any{
		"verdict": "deny", "not_me": true, "assertion": json.RawMessage(p.passkeys["corp"].Get(p.w.t, b.Options, lies...)),
	})
}

// lock stops everything for its user.
func (p *phone) lock(lies ...devicetest.Lie) answer {
	p.w.t.Helper()
	var b begun
	p.do("POST", p.path("/lock/challenge"), nil).want(p.w.t, 200, &b)
	return p.do("POST", p.path("/lock"), map[string]any{"assertion": json.RawMessage(p.passkeys["corp"].Get(p.w.t, b.Options, lies...))})
}

func TestNotMeByPasskey(t *testing.T) {
	w := newWorld(t)
	p, stranger := w.newPhone(), w.newPhone()
	alice := p.pair("corp", "alice")
	stranger.pair("corp", "bob")
	first, second := w.ask(alice, ""), w.ask(alice, "")
	path := "/v1/requests/" + string(first.ID)
	stranger.do("POST", path+"/not-me/challenge", nil).wantProblem(t, 404, "request_not_found")
	if l := p.list(); len(l) != 2 {
		t.Fatalf("what was refused left %v", l)
	}
	var settled struct {
		ID     string     `json:"id"`
		State  string     `json:"state"`
		Frozen *time.Time `json:"frozen_until"`
	}
	p.notMe(first.ID).want(t, 200, &settled)
	if settled.State != "denied" || settled.Frozen == nil || settled.Frozen.Sub(w.now()) < 14*time.Minute {
		t.Errorf("answered %+v", settled)
	}
	if l := p.list(); len(l) != 0 {
		t.Errorf("still waiting: %v", l)
	}
	var said, other request
	p.do("GET", path, nil).want(t, 200, &said)
	if until := said.Decision.Frozen; until.Sub(w.now()) < 14*time.Minute || said.Decision.How != "device" {
		t.Errorf("decided as %+v", said.Decision)
	}
	p.do("GET", "/v1/requests/"+string(second.ID), nil).want(t, 200, &other)
	if other.State != "denied" || other.Decision.How != "mitome" || other.Decision.Reason != string(approval.ReasonNotMe) {
		t.Errorf("the client's other request: %s, %+v", other.State, other.Decision)
	}
	p.do("POST", path+"/not-me/challenge", nil).wantProblem(t, 409, "request_settled")
}

// TestNotMeUnproven: what the passkey does not say is denied, and the answer tells
// that nothing follows from it.
func TestNotMeUnproven(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	alice := p.pair("corp", "alice")
	for name, say := range map[string]func(approval.RequestID) answer{
		"without user verification": func(id approval.RequestID) answer { return p.notMe(id, devicetest.WithoutUV()) },
		"without a challenge": func(id approval.RequestID) answer {
			return p.do("POST", "/v1/requests/"+string(id)+"/decision", map[string]any{"verdict": "deny", "not_me": true, "assertion": map[string]any{}})
		},
	} {
		first, second := w.ask(alice, ""), w.ask(alice, "")
		var settled map[string]any
		say(first.ID).want(t, 200, &settled)
		if settled["state"] != "denied" || settled["frozen_until"] != nil {
			t.Errorf("%s: answered %v", name, settled)
		}
		if l := p.list(); len(l) != 1 || l[0] != string(second.ID) {
			t.Errorf("%s: %v waits", name, l)
		}
		p.do("POST", "/v1/requests/"+string(second.ID)+"/decision", map[string]any{"verdict": "deny"}).want(t, 200, nil)
	}
}

func TestLockByPasskey(t *testing.T) {
	w := newWorld(t)
	p, stranger := w.newPhone(), w.newPhone()
	p.pair("corp", "alice")
	stranger.pair("corp", "bob")
	locked := func() bool {
		var out struct {
			Locks []struct {
				OP       string     `json:"op"`
				UserName string     `json:"user_name"`
				DeviceID string     `json:"device_id"`
				LockedAt *time.Time `json:"locked_at"`
			} `json:"locks"`
		}
		p.do("GET", "/v1/locks", nil).want(t, 200, &out)
		if len(out.Locks) != 1 || out.Locks[0].DeviceID != string(p.device.ID) {
			t.Fatalf("got %+v", out)
		}
		return out.Locks[0].LockedAt != nil
	}
	stranger.do("POST", p.path("/lock/challenge"), nil).wantProblem(t, 404, "device_not_found")
	p.do("POST", p.path("/lock"), map[string]any{"assertion": map[string]any{}}).wantProblem(t, 409, "gesture_missing")
	p.lock(devicetest.WithoutUV()).wantProblem(t, 403, "passkey_failed")
	if locked() {
		t.Fatal("what was refused locked her")
	}
	p.lock().want(t, 204, nil)
	if !locked() {
		t.Error("she is not locked")
	}
}
