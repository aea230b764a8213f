package notice_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/device/notice"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// world is a user with two devices on a real store; telling the first of the
// second is what is tested.
type world struct {
	t          *testing.T
	db         *store.DB
	now        time.Time
	first, new device.Device
	says       error // what the channel says
	sent       []push.Message
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: storetest.SQLite(t), now: devicetest.Start}
	w.db.Now = func() time.Time { return w.now }
	people := devicetest.Stores{Users: w.db, Devices: w.db, Enrollments: w.db, Ceremonies: w.db, Lifecycle: w.db}
	u := people.NewUser(t, "corp", "Aiko")
	w.first = people.NewDevice(t, u, w.session("one"), w.now)
	w.new = people.NewCooling(t, u, w.session("two"), w.now.Add(time.Hour))
	return w
}

func (w *world) session(id session.ID) string {
	err := w.db.CreateSession(w.t.Context(), session.Session{ID: id, JKT: "k", CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(id)
}

// job is the one job that the new device has caused.
func (w *world) job() outbox.Job {
	w.t.Helper()
	jobs, err := w.db.ClaimJobs(w.t.Context(), 10, time.Minute)
	if err != nil || len(jobs) != 1 || jobs[0].Kind != notice.Kind {
		w.t.Fatalf("got %+v, %v, want one job of kind %s", jobs, err, notice.Kind)
	}
	return jobs[0]
}

func (w *world) tell(j outbox.Job) notice.Result {
	n := &notice.Teller{
		Addresses: w.db, Backoff: outbox.Backoff, Now: w.db.Now,
		Send: func(_ context.Context, a push.Address, m push.Message) error {
			if a.Target != w.first.Addresses[0].Target {
				w.t.Errorf("sent to another address: %s", a.ID)
			}
			w.sent = append(w.sent, m)
			return w.says
		},
	}
	return n.Tell(w.t.Context(), notice.Job{
		Changed: device.DeviceID(j.Subject), Address: push.AddressID(j.Target), Attempts: j.Attempts, Created: j.Created,
	})
}

// TestTryIsSealed: what a user has sent to her own device says in its language
// what it is, and goes as it is where nothing can be sealed.
func TestTryIsSealed(t *testing.T) {
	for name, fault := range map[string]error{"": nil, "no words": errors.New("no words")} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.job()
			a := devicetest.Subscription("https://push.example/1", w.now)
			if _, err := w.db.AddAddress(t.Context(), device.NewAddress{Device: w.first.ID, Address: a, Most: 5}, devicetest.Admin); err != nil {
				t.Fatal(err)
			}
			var sent push.Message
			n := &notice.Teller{
				Addresses: w.db, Backoff: outbox.Backoff, Now: w.db.Now,
				Says: func(kind, key, locale string) ([]byte, error) {
					return []byte(kind + " " + key + " in " + locale), fault
				},
				Seal: func(k push.DeviceKey, text []byte) ([]byte, error) {
					return append([]byte("for "+string(k.Auth)+": "), text...), nil
				},
				Send: func(_ context.Context, _ push.Address, m push.Message) error { sent = m; return nil },
			}
			j := notice.Job{Changed: w.first.ID, Address: a.ID, Attempts: 1, Created: w.now}
			got := n.Test(t.Context(), j)
			want := push.Message{Kind: push.Test, Key: "test", Generic: "push.test", TTL: time.Minute}
			if fault == nil {
				want.Sealed = []byte("for shared half: test test in ja, en;q=0.5")
			}
			if diff := cmp.Diff(want, sent); diff != "" || got.Outcome != notice.Done || (fault == nil) != (got.Cause == "") {
				t.Errorf("got %+v, sent (-want +got):\n%s", got, diff)
			}
			w.now = w.now.Add(time.Minute) // nobody looks at the phone any more
			if got := n.Test(t.Context(), j); got.Outcome != notice.Late {
				t.Errorf("a minute later: %+v", got)
			}
		})
	}
}

func TestTell(t *testing.T) {
	const again = notice.Outcome("")
	tests := []struct {
		name    string
		says    error
		after   time.Duration // since the change
		prepare func(*world) error
		want    notice.Outcome
		wait    time.Duration
		silent  bool // nothing is sent
	}{
		{name: "taken", want: notice.Done},
		{name: "nobody listens", says: push.ErrAbsent, want: notice.Absent},
		{name: "dead", says: push.ErrGone, want: notice.Gone},
		{name: "our credentials", says: push.ErrBroken, want: notice.Broken},
		{name: "does not fit the channel", says: push.ErrUnfit, want: notice.Unfit},
		{name: "no such channel", says: push.ErrChannel, want: notice.Broken},
		{name: "later", says: push.Later(0, nil), want: again, wait: time.Second},
		{name: "later, as it says", says: push.Later(7*time.Second, nil), want: again, wait: 7 * time.Second},
		{name: "later than it matters", says: push.Later(time.Hour, nil), want: notice.Late},
		{name: "a sender that breaks its word", says: errors.New("oops"), want: again, wait: time.Second},
		{name: "old news", after: time.Hour, want: notice.Late, silent: true},
		{name: "the address was removed", want: notice.Moot, silent: true, prepare: func(w *world) error {
			return w.db.RemoveAddress(w.t.Context(), w.first.Addresses[0].ID)
		}},
		{name: "the device was revoked", want: notice.Moot, silent: true, prepare: func(w *world) error {
			return w.db.RevokeDevice(w.t.Context(), w.first.ID, devicetest.Admin)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			j := w.job()
			w.says, w.now = tt.says, w.now.Add(tt.after)
			if tt.prepare != nil {
				if err := tt.prepare(w); err != nil {
					t.Fatal(err)
				}
			}
			got := w.tell(j)
			if got.Outcome != tt.want || got.Again != tt.wait || (tt.want == notice.Done || tt.want == notice.Absent) != (got.Cause == "") {
				t.Errorf("got %+v, want %q after %v", got, tt.want, tt.wait)
			}
			// The message says which device, and not a word of it.
			want := []push.Message{{Kind: push.Devices, Key: string(w.new.ID), Generic: "push.devices", TTL: 10 * time.Minute}}
			if tt.silent {
				want = nil
			}
			if diff := cmp.Diff(want, w.sent); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			_, _, err := w.db.Address(t.Context(), w.first.Addresses[0].ID)
			if removed := errors.Is(err, device.ErrDeviceNotFound); removed != (tt.want == notice.Gone || tt.want == notice.Moot) {
				t.Errorf("address removed: %v (%v)", removed, err)
			}
		})
	}
}
