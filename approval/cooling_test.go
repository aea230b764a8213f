package approval_test

import (
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
)

// TestCoolingDeviceHearsAndDecidesNothing: whoever paired it may not be the user,
// and the older devices have not said yes.
func TestCoolingDeviceHearsAndDecidesNothing(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	u := w.user(t, "aiko")
	old := w.pair(t, u)
	fresh := w.coolingPhone(t, u)
	r := w.accept(t, w.asks("aiko"))
	if jobs := w.jobs(t, r.ID); jobs["notify"] != 1 || len(jobs) != 1 {
		t.Errorf("jobs %v, want one notify, of the older phone", jobs)
	}
	pending, err := w.Pending(t.Context(), who(fresh))
	if err != nil || len(pending) != 0 {
		t.Errorf("it sees %d requests, %v", len(pending), err)
	}
	history, err := w.History(t.Context(), who(fresh), 10, "en")
	if err != nil || len(history) != 0 {
		t.Errorf("it sees %d old requests, %v", len(history), err)
	}
	_, err = w.Show(t.Context(), r.ID, who(fresh), "en")
	is(t, "show", err, approval.ErrNotFound)
	_, err = w.Challenge(t.Context(), r.ID, who(fresh), "en")
	is(t, "challenge", err, approval.ErrNotFound)
	_, err = w.Decide(t.Context(), no(r.ID, fresh))
	is(t, "deny", err, approval.ErrNotFound)
	if got := w.state(t, r.ID); got != approval.Pending {
		t.Fatalf("the request is %s", got)
	}

	second := w.accept(t, w.asks("aiko"))
	w.jobs(t, second.ID)
	_, err = w.Decide(t.Context(), no(second.ID, old))
	is(t, "a no on the older phone", err, nil)
	if jobs := w.jobs(t, second.ID); jobs["clear"] != 1 {
		t.Errorf("jobs %v, want a clear for the older phone alone", jobs)
	}

	// Once it is confirmed it is a device like the other.
	fatal(t, w.people.ConfirmDevice(t.Context(), device.Caller{Devices: []device.Device{old.Device}}, fresh.ID))
	fresh.Device, err = w.people.Device(t.Context(), fresh.ID)
	fatal(t, err)
	pending, err = w.Pending(t.Context(), who(fresh))
	if err != nil || len(pending) != 1 {
		t.Errorf("confirmed, it sees %d requests, %v", len(pending), err)
	}
	_, err = w.Decide(t.Context(), w.signed(t, r.ID, fresh, ""))
	is(t, "approve", err, nil)
	if jobs := w.jobs(t, r.ID); jobs["clear"] != 2 {
		t.Errorf("jobs %v, want a clear for each phone", jobs)
	}
}

// TestOnlyCoolingDevices: a user whose devices all cool is one without a device.
func TestOnlyCoolingDevices(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	u := w.user(t, "aiko")
	old := w.pair(t, u)
	fresh := w.coolingPhone(t, u)
	fatal(t, w.people.Revoke(t.Context(), old.ID, admin))
	_, err := w.Accept(t.Context(), w.asks("aiko"), theOP)
	is(t, "an ask", err, approval.ErrUnknownUser)
	fatal(t, w.people.Activate(t.Context(), fresh.ID, admin))
	_, err = w.Accept(t.Context(), w.asks("aiko"), theOP)
	is(t, "an ask once it is active", err, nil)
}

// TestChallengeOfADeviceThatCools: even one that a stale session says is active
// gets nothing to sign from the store.
func TestChallengeOfADeviceThatCools(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	u := w.user(t, "aiko")
	w.pair(t, u)
	fresh := w.coolingPhone(t, u)
	r := w.accept(t, w.asks("aiko"))
	stale := fresh
	stale.State = device.Active
	_, err := w.Challenge(t.Context(), r.ID, who(stale), "en")
	is(t, "challenge", err, approval.ErrConflict)
}

// coolingPhone is one that u paired herself.
func (w *world) coolingPhone(t *testing.T, u device.User) phone {
	t.Helper()
	p := w.pairBy(t, u, device.Actor{Kind: device.ActorUser, ID: string(u.ID)})
	if p.State != device.Cooling {
		t.Fatalf("it is %s", p.State)
	}
	return p
}
