package deliver_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
)

// TestDoubt: what never came through makes an address doubtful, what comes
// through makes it good, and what says nothing of the address leaves it as it is.
func TestDoubt(t *testing.T) {
	w := newWorld(t)
	d, start := w.device(), w.clock
	for _, tt := range []struct {
		name     string
		says     error
		left     time.Duration // until the request expires; zero is all of its time
		doubtful [2]bool       // afterwards, if it was not doubtful before, and if it was
	}{
		{"taken", nil, 0, [2]bool{false, false}},
		{"to be tried again", push.Later(0, nil), 0, [2]bool{false, true}},
		{"tried to the end", push.Later(0, nil), 500 * time.Millisecond, [2]bool{true, true}},
		{"not before the end, says the service", push.Later(time.Hour, nil), 0, [2]bool{true, true}},
		{"never fits", push.ErrUnfit, 0, [2]bool{true, true}},
		{"our credentials", push.ErrBroken, 0, [2]bool{false, true}},
	} {
		for i, before := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				w.clock = start
				a := devicetest.Subscription(fmt.Sprint("https://push.example/", tt.name, before), w.clock)
				a.Key = push.DeviceKey{}
				if _, err := w.AddAddress(t.Context(), device.NewAddress{Device: d.ID, Address: a, Most: 50}, devicetest.Admin); err != nil {
					t.Fatal(err)
				}
				if err := w.DoubtAddress(t.Context(), a.ID, before); err != nil {
					t.Fatal(err)
				}
				r := w.request(d.User, a.ID)
				if tt.left > 0 {
					w.clock = r.ExpiresAt.Add(-tt.left)
				}
				w.phone = tt.says
				w.push().Notify(t.Context(), deliver.Job{Request: r.ID, Address: a.ID, Attempts: 1, Created: r.CreatedAt})
				if got, _, err := w.Address(t.Context(), a.ID); err != nil || got.Doubtful.IsZero() == tt.doubtful[i] {
					t.Errorf("doubtful before: %v; afterwards since %v, %v", before, got.Doubtful, err)
				}
			})
		}
	}
}
