package deliver_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
)

func TestNotifyOutcomes(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("%w: why", err) }
	const again = deliver.Outcome("")
	tests := []struct {
		name  string
		err   error
		left  time.Duration // until the request expires; zero is five minutes
		want  deliver.Outcome
		again time.Duration
	}{
		{"taken", nil, 0, deliver.Done, 0},
		{"nobody listens", wrapped(push.ErrAbsent), 0, deliver.Absent, 0},
		{"dead", wrapped(push.ErrGone), 0, deliver.Gone, 0},
		{"our credentials", wrapped(push.ErrBroken), 0, deliver.Broken, 0},
		{"does not fit the channel", wrapped(push.ErrUnfit), 0, deliver.Unfit, 0},
		{"no such channel", wrapped(push.ErrChannel), 0, deliver.Broken, 0},
		{"later", push.Later(0, nil), 0, again, time.Second},
		{"later, as it says", push.Later(7*time.Second, nil), 0, again, 7 * time.Second},
		{"later, in the last seconds", push.Later(0, nil), 1500 * time.Millisecond, again, time.Second},
		{"later than the request lives", push.Later(7*time.Second, nil), 5 * time.Second, deliver.Late, 0},
		{"later, in the last moment", push.Later(0, nil), time.Second, deliver.Late, 0},
		{"a sender that breaks its word", errors.New("oops"), 0, again, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			d := w.device()
			r := w.request(d.User, d.Addresses[0].ID)
			if tt.left > 0 {
				w.clock = r.ExpiresAt.Add(-tt.left)
			}
			j := w.claim()
			w.phone = tt.err
			got := w.push().Notify(t.Context(), job(j))
			if got.Outcome != tt.want || got.Again != tt.again {
				t.Errorf("got %+v, want %q after %v", got, tt.want, tt.again)
			}
			if tt.err != nil && got.Outcome != deliver.Absent && got.Cause != tt.err.Error() {
				t.Errorf("cause is %q, want %q", got.Cause, tt.err)
			}
			w.end(j, got)
			_, _, err := w.Address(t.Context(), d.Addresses[0].ID)
			if removed := errors.Is(err, device.ErrDeviceNotFound); removed != (tt.want == deliver.Gone) {
				t.Errorf("address removed: %v (%v)", removed, err)
			}
			// The message says which request and how long it lives, and not a word of it.
			want := []push.Message{{Kind: push.Show, Key: string(r.ID), Generic: show.PushRequest, TTL: r.ExpiresAt.Sub(w.clock)}}
			if diff := cmp.Diff(want, w.sent); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNotifySendsNothing(t *testing.T) {
	for name, prepare := range map[string]func(w *world, r *approval.Request, d device.Device) error{
		"when the request is settled": func(w *world, r *approval.Request, _ device.Device) error {
			r.State = approval.Denied
			r.Decision = &approval.Decision{Verdict: approval.Deny, At: w.clock}
			return w.UpdateRequest(w.t.Context(), approval.Change{Next: *r, By: device.Mitome})
		},
		"when it has expired, swept or not": func(w *world, r *approval.Request, _ device.Device) error {
			w.clock = r.ExpiresAt
			return nil
		},
		"when the address was removed": func(w *world, _ *approval.Request, d device.Device) error {
			return w.RemoveAddress(w.t.Context(), d.Addresses[0].ID)
		},
		"when the device was revoked": func(w *world, _ *approval.Request, d device.Device) error {
			return w.RevokeDevice(w.t.Context(), d.ID, devicetest.Admin)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.device()
			r := w.request(d.User, d.Addresses[0].ID)
			j := w.claim()
			if err := prepare(w, &r, d); err != nil {
				t.Fatal(err)
			}
			got := w.push().Notify(t.Context(), job(j))
			if got.Outcome != deliver.Moot || len(w.sent) != 0 {
				t.Errorf("got %+v, sent %v; want it moot", got, w.sent)
			}
		})
	}
}

func TestClear(t *testing.T) {
	tests := []struct {
		name  string
		after time.Duration // of the job's making, at the request's creation
		err   error
		want  deliver.Outcome
		ttl   time.Duration
	}{
		{"while the request would live", 0, nil, deliver.Done, 5 * time.Minute},
		{"of a request that has just expired", 5 * time.Minute, nil, deliver.Done, time.Minute},
		{"again", 5 * time.Minute, push.Later(0, nil), "", time.Minute},
		{"nobody listens", 0, push.ErrAbsent, deliver.Absent, 5 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			d := w.device()
			r := w.request(d.User, d.Addresses[0].ID)
			w.pass(tt.after)
			w.phone = tt.err
			j := deliver.Job{Request: r.ID, Address: d.Addresses[0].ID, Attempts: 1, Created: w.clock}
			got := w.push().Clear(t.Context(), j)
			if got.Outcome != tt.want {
				t.Errorf("got %+v, want %q", got, tt.want)
			}
			if diff := cmp.Diff([]push.Message{{Kind: push.Clear, Key: string(r.ID), TTL: tt.ttl}}, w.sent); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			w.pass(10 * time.Minute)
			if got := w.push().Clear(t.Context(), j); got.Outcome != deliver.Late || len(w.sent) != 1 {
				t.Errorf("much later: got %+v, sent %d; want it late and not sent", got, len(w.sent))
			}
		})
	}
}

// TestALastChanceIsNotSooner: a service that says when to come back is not called
// before that, also where the backoff would leave no time.
func TestALastChanceIsNotSooner(t *testing.T) {
	w := newWorld(t)
	d := w.device()
	r := w.request(d.User, d.Addresses[0].ID)
	w.clock = r.ExpiresAt.Add(-3 * time.Second)
	j := job(w.claim())
	j.Attempts = 3 // the backoff is 4 s
	w.phone = push.Later(2500*time.Millisecond, nil)
	if got := w.push().Notify(t.Context(), j); got.Outcome != "" || got.Again != 2500*time.Millisecond {
		t.Errorf("got %+v, want again after 2.5 s", got)
	}
	w.phone = push.Later(0, nil)
	if got := w.push().Notify(t.Context(), j); got.Outcome != "" || got.Again != 2*time.Second {
		t.Errorf("got %+v, want again a second before the end", got)
	}
}
