package userapi_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/device/notice"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/websocket"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// pairOwn has p paired by user u herself, who has just signed in at her OP.
func (p *phone) pairOwn(u device.User) listed {
	p.w.t.Helper()
	by := device.Actor{Kind: device.ActorUser, ID: string(u.ID)}
	offer := must(p.w.devices.Offer(p.w.t.Context(), u.ID, by))(p.w.t)
	c := p.claim(offer)
	if _, err := p.w.devices.Confirm(p.w.t.Context(), device.EnrollmentID(c.ID), c.MatchCode, by); err != nil {
		p.w.t.Fatal(err)
	}
	return p.finish(u.OP, c.ID).Device
}

// mine is p's list of devices, by id.
func (p *phone) mine() map[string]listed {
	p.w.t.Helper()
	var list struct {
		Devices []listed `json:"devices"`
	}
	p.do("GET", "/v1/devices", nil).want(p.w.t, 200, &list)
	out := map[string]listed{}
	for _, d := range list.Devices {
		out[d.ID] = d
	}
	return out
}

func (p *phone) path(what string) string { return "/v1/devices/" + string(p.device.ID) + what }

// lost does what an honest phone does to take out another.
func (p *phone) lost(other *phone, lies ...devicetest.Lie) answer {
	p.w.t.Helper()
	var o struct {
		Statement string          `json:"statement"`
		Options   json.RawMessage `json:"options"`
	}
	p.do("POST", other.path("/lost/challenge"), nil).want(p.w.t, 200, &o)
	if !strings.Contains(o.Statement, string(other.device.ID)) || !strings.Contains(o.Statement, "device.lost") {
		p.w.t.Errorf("statement %s", o.Statement)
	}
	return p.do("POST", other.path("/lost"), map[string]json.RawMessage{"assertion": p.passkeys["corp"].Get(p.w.t, o.Options, lies...)})
}

// family is alice with an old phone, and a new one that she paired herself.
func newFamily(t *testing.T) (w *world, alice device.User, old, fresh *phone) {
	t.Helper()
	w = newWorld(t)
	old, fresh = w.newPhone(), w.newPhone()
	alice = old.pair("corp", "alice")
	d := fresh.pairOwn(alice)
	if d.State != "cooling" || !d.This || d.ActiveAt == nil || d.ActiveAt.Sub(d.CreatedAt) != 24*time.Hour {
		t.Fatalf("the new device is %+v, want it cooling for a day", d)
	}
	return w, alice, old, fresh
}

// TestNewDeviceWaits: a device that was paired by a sign-in alone can do nothing
// until the old one has said yes, in one tap.
func TestNewDeviceWaits(t *testing.T) {
	w, alice, old, fresh := newFamily(t)
	r := w.ask(alice, "")
	if got := fresh.list(); len(got) != 0 {
		t.Errorf("it sees %v", got)
	}
	one := "/v1/requests/" + string(r.ID)
	fresh.do("GET", one, nil).wantProblem(t, 404, "request_not_found")
	fresh.do("POST", one+"/challenge", nil).wantProblem(t, 404, "request_not_found")
	fresh.do("POST", one+"/decision", map[string]any{"verdict": "deny"}).wantProblem(t, 404, "request_not_found")
	fresh.do("PATCH", old.path(""), map[string]any{"name": "x"}).wantProblem(t, 403, "device_cooling")
	fresh.do("DELETE", old.path(""), nil).wantProblem(t, 403, "device_cooling")
	fresh.do("POST", old.path("/lost/challenge"), nil).wantProblem(t, 403, "device_cooling")
	fresh.do("POST", fresh.path("/confirm"), nil).wantProblem(t, 403, "not_allowed")

	seen := old.mine()
	if d := seen[string(fresh.device.ID)]; len(seen) != 2 || d.State != "cooling" || d.This || d.ActiveAt == nil {
		t.Errorf("the old phone sees %+v", seen)
	}
	if d := fresh.mine()[string(fresh.device.ID)]; d.State != "cooling" || !d.This {
		t.Errorf("the new one sees itself as %+v", d)
	}
	var confirmed listed
	old.do("POST", fresh.path("/confirm"), nil).want(t, 200, &confirmed)
	if confirmed.State != "active" || confirmed.ActiveAt != nil || confirmed.This {
		t.Errorf("confirmed: %+v", confirmed)
	}
	old.do("POST", fresh.path("/confirm"), nil).want(t, 200, nil) // twice is no error
	if got := fresh.list(); !slices.Equal(got, []string{string(r.ID)}) {
		t.Errorf("now it sees %v", got)
	}
	fresh.approve(r.ID, "corp", "").want(t, 200, nil)
	// And the old phone is told by which device, and how.
	var settled request
	old.do("GET", one, nil).want(t, 200, &settled)
	if d := settled.Decision; d == nil || d.Verdict != "approve" || d.How != "passkey" || d.DeviceName != "Pixel" || d.This {
		t.Errorf("decision %+v", settled.Decision)
	}
	fresh.do("GET", one, nil).want(t, 200, &settled)
	if d := settled.Decision; d == nil || !d.This {
		t.Errorf("decision %+v, want it to be this device's", settled.Decision)
	}
}

// TestNewDeviceIsCancelled: the old phone says no in one tap, and the new one is
// out.
func TestNewDeviceIsCancelled(t *testing.T) {
	_, _, old, fresh := newFamily(t)
	old.do("DELETE", fresh.path(""), nil).want(t, 204, nil)
	if seen := old.mine(); len(seen) != 1 {
		t.Errorf("the old phone sees %+v", seen)
	}
	if seen := fresh.mine(); len(seen) != 0 {
		t.Errorf("the new one sees %+v", seen)
	}
	old.do("POST", fresh.path("/confirm"), nil).wantProblem(t, 404, "device_not_found")
	old.do("DELETE", fresh.path(""), nil).wantProblem(t, 404, "device_not_found")
	fresh.do("GET", "/v1/socket", nil).wantProblem(t, 403, "no_device")
}

// TestNewDeviceCoolsOff: nobody said anything for a day.
func TestNewDeviceCoolsOff(t *testing.T) {
	w, alice, _, fresh := newFamily(t)
	w.advance(24 * time.Hour)
	if n, err := w.devices.ActivateDue(t.Context(), 10); err != nil || n != 1 {
		t.Fatalf("activated %d, %v", n, err)
	}
	r := w.ask(alice, "")
	fresh.approve(r.ID, "corp", "").want(t, 200, nil)
}

// TestLastUsed: a user sees which of her devices nobody has used for long. To
// deny is a use as well.
func TestLastUsed(t *testing.T) {
	w, alice, old, fresh := newFamily(t)
	r, before := w.ask(alice, ""), w.now().Truncate(time.Microsecond)
	if got := old.mine()[string(old.device.ID)]; got.UsedAt != nil {
		t.Errorf("used at %v before it did anything", got.UsedAt)
	}
	old.do("POST", "/v1/requests/"+string(r.ID)+"/decision", map[string]any{"verdict": "deny"}).want(t, 200, nil)
	mine := old.mine()
	if got := mine[string(old.device.ID)]; got.UsedAt == nil || got.UsedAt.Before(before) || got.UsedAt.After(w.now()) {
		t.Errorf("used at %v, want a moment ago", got.UsedAt)
	}
	if got := mine[string(fresh.device.ID)]; got.UsedAt != nil {
		t.Errorf("the other was used at %v", got.UsedAt)
	}
}

func TestRename(t *testing.T) {
	_, _, old, fresh := newFamily(t)
	for _, path := range []string{old.path(""), fresh.path("")} {
		var got listed
		old.do("PATCH", path, map[string]any{"name": "  Küche  "}).want(t, 200, &got)
		if got.Name != "Küche" || old.mine()[got.ID].Name != "Küche" {
			t.Errorf("got %+v", got)
		}
		old.do("PATCH", path, map[string]any{"name": "a\u202eb"}).wantProblem(t, 400, "invalid_name")
		old.do("PATCH", path, map[string]any{"name": " "}).wantProblem(t, 400, "invalid_name")
	}
}

// TestRevokeThis: whoever holds the device may end it, and it is out at once.
func TestRevokeThis(t *testing.T) {
	w, alice, old, _ := newFamily(t)
	r := w.ask(alice, "")
	old.do("DELETE", old.path(""), nil).want(t, 204, nil)
	if len(old.mine()) != 0 || len(old.list()) != 0 {
		t.Errorf("it still sees %v and %v", old.mine(), old.list())
	}
	old.do("GET", "/v1/requests/"+string(r.ID), nil).wantProblem(t, 404, "request_not_found")
}

// TestLost: another active device goes by passkey only.
func TestLost(t *testing.T) {
	_, _, old, fresh := newFamily(t)
	old.do("POST", fresh.path("/confirm"), nil).want(t, 200, nil)
	old.do("DELETE", fresh.path(""), nil).wantProblem(t, 403, "not_allowed")
	old.do("POST", fresh.path("/lost"), map[string]any{"assertion": map[string]any{}}).wantProblem(t, 409, "gesture_missing")
	old.lost(fresh, devicetest.WithoutUV()).wantProblem(t, 403, "passkey_failed")
	if len(fresh.mine()) != 2 {
		t.Error("it is out already")
	}
	old.lost(fresh).want(t, 204, nil)
	if len(fresh.mine()) != 0 || len(old.mine()) != 1 {
		t.Errorf("left: %v, %v", fresh.mine(), old.mine())
	}
	old.do("POST", fresh.path("/lost/challenge"), nil).wantProblem(t, 404, "device_not_found")
}

// TestOldDevicesAreTold: on the old phone's socket there is word of the new one.
func TestOldDevicesAreTold(t *testing.T) {
	w := newWorld(t)
	old, fresh := w.newPhone(), w.newPhone()
	alice := old.pair("corp", "alice")
	frames, _ := old.open()
	teller := &notice.Teller{
		Addresses: w.db, Send: websocket.Sender{Hub: w.hub}.Send, Backoff: outbox.Backoff, Now: w.now,
	}
	worker := &outbox.Worker{Queue: w.db, Wake: w.db.Wake(), Log: slog.New(slog.DiscardHandler), Handlers: map[string]outbox.Handler{
		notice.Kind: func(ctx context.Context, j outbox.Job, _ func(context.Context) error) outbox.Result {
			r := teller.Tell(ctx, notice.Job{
				Changed: device.DeviceID(j.Subject), Address: push.AddressID(j.Target), Attempts: j.Attempts, Created: j.Created,
			})
			return outbox.Result{Outcome: outbox.Outcome(r.Outcome), Again: r.Again, Cause: r.Cause}
		},
	}}
	w.run(worker.Run)
	fresh.pairOwn(alice)
	if f := <-frames; f.Type != "device" || f.Key != string(fresh.device.ID) {
		t.Errorf("got %+v, want word of the new device", f)
	}
	waiting, _ := fresh.open() // it hears nothing of requests, but that it was confirmed
	old.do("POST", fresh.path("/confirm"), nil).want(t, 200, nil)
	if f := <-waiting; f.Type != "device" || f.Key != string(fresh.device.ID) {
		t.Errorf("got %+v, want word that it is confirmed", f)
	}
}

// TestTwoUsersInOneBrowser: what a session may do for one user it may not do for
// another.
func TestTwoUsersInOneBrowser(t *testing.T) {
	w, alice, old, fresh := newFamily(t)
	both := w.newPhone()
	both.pairOwn(alice) // cools for alice
	first := both.device
	both.pair("bank", "bob") // active for bob
	both.do("POST", fresh.path("/confirm"), nil).wantProblem(t, 403, "device_cooling")
	both.do("DELETE", old.path(""), nil).wantProblem(t, 403, "device_cooling")
	if seen := both.mine(); len(seen) != 4 || !seen[string(first.ID)].This || !seen[string(both.device.ID)].This {
		t.Errorf("it sees %+v", seen)
	}
}
