package notice_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/device/notice"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// TestDoubt: what never came through makes an address doubtful, what comes
// through makes it good, and what says nothing of the address leaves it as it is.
func TestDoubt(t *testing.T) {
	w := newWorld(t)
	asked := w.now
	for _, tt := range []struct {
		name     string
		says     error
		after    time.Duration // since the test was asked for
		doubtful [2]bool       // afterwards, if it was not doubtful before, and if it was
	}{
		{"taken", nil, 0, [2]bool{false, false}},
		{"to be tried again", push.Later(0, nil), 0, [2]bool{false, true}},
		{"tried to the end", push.Later(0, nil), 59500 * time.Millisecond, [2]bool{true, true}},
		{"not tried in time", nil, time.Minute, [2]bool{false, true}},
		{"never fits", push.ErrUnfit, 0, [2]bool{true, true}},
		{"our credentials", push.ErrBroken, 0, [2]bool{false, true}},
		{"no such channel", push.ErrChannel, 0, [2]bool{false, true}},
	} {
		for i, before := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				w.now = asked
				a := devicetest.Subscription(fmt.Sprint("https://push.example/", tt.name, before), w.now)
				a.Key = push.DeviceKey{}
				if _, err := w.db.AddAddress(t.Context(), device.NewAddress{Device: w.first.ID, Address: a, Most: 50}, devicetest.Admin); err != nil {
					t.Fatal(err)
				}
				if err := w.db.DoubtAddress(t.Context(), a.ID, before); err != nil {
					t.Fatal(err)
				}
				n := &notice.Teller{
					Addresses: w.db, Backoff: outbox.Backoff, Now: w.db.Now,
					Send: func(context.Context, push.Address, push.Message) error { return tt.says },
				}
				w.now = w.now.Add(tt.after)
				n.Test(t.Context(), notice.Job{Changed: w.first.ID, Address: a.ID, Attempts: 1, Created: asked})
				if got, _, err := w.db.Address(t.Context(), a.ID); err != nil || got.Doubtful.IsZero() == tt.doubtful[i] {
					t.Errorf("doubtful before: %v; afterwards since %v, %v", before, got.Doubtful, err)
				}
			})
		}
	}
}

// TestDoubtIsNotWritten: the message has come to its end all the same.
func TestDoubtIsNotWritten(t *testing.T) {
	w := newWorld(t)
	fault := errors.New("no disk")
	n := &notice.Teller{
		Addresses: forgetful{w, fault}, Backoff: outbox.Backoff, Now: w.db.Now,
		Send: func(context.Context, push.Address, push.Message) error { return push.ErrUnfit },
	}
	got := n.Test(t.Context(), notice.Job{Address: "a1", Attempts: 1, Created: w.now})
	if want := push.ErrUnfit.Error() + "; no disk"; got.Outcome != notice.Unfit || got.Cause != want {
		t.Errorf("got %+v, want it unfit, because %s", got, want)
	}
}

// forgetful is addresses of which no doubt can be written down.
type forgetful struct {
	*world
	fault error
}

func (forgetful) Address(context.Context, push.AddressID) (push.Address, device.Device, error) {
	return push.Address{Channel: push.FCM}, device.Device{}, nil
}
func (f forgetful) RemoveAddress(context.Context, push.AddressID) error      { return f.fault }
func (f forgetful) DoubtAddress(context.Context, push.AddressID, bool) error { return f.fault }
