package device_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// desk is a user who has just signed in at her OP.
func desk(u device.User) device.Actor { return device.Actor{Kind: device.ActorUser, ID: string(u.ID)} }

// pairedBy goes the whole way with an offer of by's, in a session of that name.
func (w *world) pairedBy(t *testing.T, u device.User, session string, by device.Actor) (device.Device, *devicetest.Authenticator) {
	t.Helper()
	d, key, err := w.tryPair(t, u, session, by)
	if err != nil {
		t.Fatal(err)
	}
	return d, key
}

func (w *world) tryPair(t *testing.T, u device.User, session string, by device.Actor) (device.Device, *devicetest.Authenticator, error) {
	t.Helper()
	ctx := t.Context()
	o, err := w.Offer(ctx, u.ID, by)
	if err != nil {
		return device.Device{}, nil, err
	}
	e, err := w.Claim(ctx, claimOf(o, session))
	if err != nil {
		t.Fatal(err)
	}
	if e, err = w.Confirm(ctx, e.ID, e.MatchCode, by); err != nil {
		t.Fatal(err)
	}
	options, err := w.BeginPasskey(ctx, e.ID, session)
	if err != nil {
		t.Fatal(err)
	}
	key := devicetest.NewAuthenticator(t, rpID, origin, devicetest.ES256)
	d, err := w.FinishPasskey(ctx, device.NewPasskey{
		Enrollment: e.ID, Session: session, Response: key.Create(t, options), By: onPhone,
	})
	return d, key, err
}

// callerOf is a session that stands for these, as they are stored now.
func (w *world) callerOf(t *testing.T, devices ...device.Device) (c device.Caller) {
	t.Helper()
	for _, d := range devices {
		now, err := w.Device(t.Context(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		c.Devices = append(c.Devices, now)
	}
	return c
}

func (w *world) stateOf(t *testing.T, d device.Device) device.State {
	t.Helper()
	now, err := w.Device(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	return now.State
}

func TestHowADeviceBegins(t *testing.T) {
	const a, c = device.Active, device.Cooling
	tests := []struct {
		name   string
		before func(w *world, u device.User)
		self   bool // offered by the user herself
		want   device.State
	}{
		{"the first, by an administrator", func(*world, device.User) {}, false, a},
		{"the first, by herself", func(*world, device.User) {}, true, a},
		{"a second, by an administrator", func(w *world, u device.User) { w.pairedBy(t, u, w.session(t, "old"), admin) }, false, a},
		{"a second, by herself", func(w *world, u device.User) { w.pairedBy(t, u, w.session(t, "old"), admin) }, true, c},
		{"by herself, where all are revoked", func(w *world, u device.User) {
			d, _ := w.pairedBy(t, u, w.session(t, "old"), admin)
			if err := w.Revoke(t.Context(), d.ID, admin); err != nil {
				t.Fatal(err)
			}
		}, true, a},
		// Otherwise a second pairing would jump the wait of the first.
		{"by herself, where the others cool", func(w *world, u device.User) {
			old, _ := w.pairedBy(t, u, w.session(t, "old"), admin)
			w.pairedBy(t, u, w.session(t, "cooling"), desk(u))
			if err := w.Revoke(t.Context(), old.ID, admin); err != nil {
				t.Fatal(err)
			}
		}, true, c},
		{"by herself, in place of an active one", func(w *world, u device.User) { w.pairedBy(t, u, "new", admin) }, true, a},
		{"by herself, in place of a cooling one", func(w *world, u device.User) {
			w.pairedBy(t, u, w.session(t, "old"), admin)
			w.pairedBy(t, u, "new", desk(u))
		}, true, c},
		{"a stranger's devices do not count", func(w *world, _ device.User) {
			w.pairedBy(t, w.user(t, "s-2"), "new", admin)
		}, true, a},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			u := w.user(t, "s-1")
			w.session(t, "new")
			tt.before(w, u)
			by := admin
			if tt.self {
				by = desk(u)
			}
			d, _ := w.pairedBy(t, u, "new", by)
			until := time.Time{}
			if tt.want == c {
				until = w.now.Add(device.DefaultCoolingOff)
			}
			stored, err := w.Device(t.Context(), d.ID)
			if err != nil || stored.State != tt.want || d.State != tt.want || !stored.ActiveAt.Equal(until) || stored.MayApprove() != (tt.want == a) {
				t.Errorf("got %s until %v, %v; want %s until %v", stored.State, stored.ActiveAt, err, tt.want, until)
			}
		})
	}
}

func TestAUserOffersToHerselfAlone(t *testing.T) {
	w := newWorld(t)
	u, other := w.user(t, "s-1"), w.user(t, "s-2")
	if _, err := w.Offer(t.Context(), u.ID, desk(other)); !errors.Is(err, device.ErrUnknownUser) {
		t.Errorf("got %v, want %v", err, device.ErrUnknownUser)
	}
}

func TestTooManyDevices(t *testing.T) {
	w := newWorld(t)
	w.MaxDevices = 2
	u := w.user(t, "s-1")
	w.session(t, "one")
	w.pairedBy(t, u, "one", admin)
	// Two offers while there is room for one.
	second, err := w.Offer(t.Context(), u.ID, desk(u))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := w.pairedBy(t, u, w.session(t, "two"), admin)
	if err := w.finish(t, second, w.session(t, "three"), desk(u)); !errors.Is(err, device.ErrTooManyDevices) {
		t.Errorf("at the end of a pairing: got %v, want %v", err, device.ErrTooManyDevices)
	}
	for _, by := range []device.Actor{admin, desk(u)} {
		if _, err := w.Offer(t.Context(), u.ID, by); !errors.Is(err, device.ErrTooManyDevices) {
			t.Errorf("offer by %s: got %v, want %v", by.Kind, err, device.ErrTooManyDevices)
		}
	}
	if err := w.Revoke(t.Context(), d.ID, admin); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.tryPair(t, u, w.session(t, "four"), desk(u)); err != nil {
		t.Errorf("after one was revoked: %v", err)
	}
}

// finish takes an offer from the claim to the passkey.
func (w *world) finish(t *testing.T, o device.Offer, session string, by device.Actor) error {
	t.Helper()
	ctx := t.Context()
	e, err := w.Claim(ctx, claimOf(o, session))
	if err != nil {
		t.Fatal(err)
	}
	if e, err = w.Confirm(ctx, e.ID, e.MatchCode, by); err != nil {
		t.Fatal(err)
	}
	options, err := w.BeginPasskey(ctx, e.ID, session)
	if err != nil {
		t.Fatal(err)
	}
	key := devicetest.NewAuthenticator(t, rpID, origin, devicetest.ES256)
	_, err = w.FinishPasskey(ctx, device.NewPasskey{Enrollment: e.ID, Session: session, Response: key.Create(t, options), By: onPhone})
	return err
}
