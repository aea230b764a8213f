package approval_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// newLockedWorld is newBarredWorld in which users can be locked.
func newLockedWorld(t *testing.T, db *store.DB) *barredWorld {
	t.Helper()
	w := newBarredWorld(t, db)
	w.people.Locks = db
	w.people.Locked = func(ctx context.Context, u device.UserID) {
		_, err := w.WithdrawBarred(ctx, u, 10)
		fatal(t, err)
	}
	return w
}

// TestLock: she stops everything with her passkey. What waits for her is denied,
// nobody can ask her, and only an administrator ends it. Nobody else is touched.
func TestLock(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newLockedWorld(t, db)
		u := w.user(t, "aiko")
		p := w.pair(t, u)
		w.pair(t, w.user(t, "bob"))
		waiting := []approval.Request{w.accept(t, w.asksBy("shop", "aiko")), w.accept(t, w.asksBy("bank", "aiko"))}
		other := w.accept(t, w.asks("bob"))
		c := device.Caller{Devices: []device.Device{p.Device}}
		s, err := w.people.LockChallenge(t.Context(), c, p.ID)
		fatal(t, err)
		fatal(t, w.people.LockOwn(t.Context(), c, p.ID, p.key.Get(t, s.Options)))
		for _, r := range waiting {
			got, err := w.db.Request(t.Context(), r.ID)
			fatal(t, err)
			if got.State != approval.Denied || got.Decision.Reason != approval.ReasonLocked {
				t.Errorf("what waited is %s, %+v", got.State, got.Decision)
			}
		}
		if s := w.state(t, other.ID); s != approval.Pending {
			t.Errorf("a request of another user is %s", s)
		}
		for _, client := range []string{"shop", "bank", "new"} {
			_, err = w.Accept(t.Context(), w.asksBy(client, "aiko"), theOP)
			is(t, client+" asks", err, approval.ErrUnknownUser)
		}
		w.accept(t, w.asks("bob"))
		if len(w.turned) != 3 || w.turned[0].Bar != approval.BarLocked {
			t.Errorf("turned away: %+v", w.turned)
		}
		fatal(t, w.people.UnlockUser(t.Context(), u.ID, admin))
		w.accept(t, w.asks("aiko"))
	})
}

// TestLockNeedsPasskey: whoever stole a session keeps nobody out with it, nor does
// a device that is not active yet, nor one of somebody else's.
func TestLockNeedsPasskey(t *testing.T) {
	w := newLockedWorld(t, storetest.SQLite(t))
	u := w.user(t, "aiko")
	p, stranger := w.pair(t, u), w.pair(t, w.user(t, "bob"))
	cooling := w.pairBy(t, u, device.Actor{Kind: device.ActorUser, ID: string(u.ID)})
	by := func(p phone) device.Caller { return device.Caller{Devices: []device.Device{p.Device}} }
	options := func() []byte {
		s, err := w.people.LockChallenge(t.Context(), by(p), p.ID)
		fatal(t, err)
		return s.Options
	}
	for _, tt := range []struct {
		name string
		lock func() error
		want error
	}{
		{"no challenge", func() error { return w.people.LockOwn(t.Context(), by(p), p.ID, []byte(`{}`)) }, device.ErrGesture},
		{"another's passkey", func() error {
			return w.people.LockOwn(t.Context(), by(p), p.ID, stranger.key.Get(t, options()))
		}, device.ErrPasskey},
		{"without user verification", func() error {
			return w.people.LockOwn(t.Context(), by(p), p.ID, p.key.Get(t, options(), devicetest.WithoutUV()))
		}, device.ErrPasskey},
		{"a device that cools", func() error {
			_, err := w.people.LockChallenge(t.Context(), by(cooling), cooling.ID)
			return err
		}, device.ErrCooling},
		{"a stranger", func() error {
			_, err := w.people.LockChallenge(t.Context(), by(stranger), p.ID)
			return err
		}, device.ErrDeviceNotFound},
		{"for another device", func() error {
			_, err := w.people.LockChallenge(t.Context(), by(p), cooling.ID)
			return err
		}, device.ErrNotAllowed},
	} {
		is(t, tt.name, tt.lock(), tt.want)
		if locked, err := w.people.IsLocked(t.Context(), u.ID); locked || err != nil {
			t.Fatalf("%s: locked %v, %v", tt.name, locked, err)
		}
	}
}

// TestSuspicionIsTold: of wrong codes until there are no tries left, of a freeze and
// of a lock the user hears on her other devices (ASVS 6.3.5). The one that did it
// knows.
func TestSuspicionIsTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newLockedWorld(t, db)
		u := w.user(t, "aiko")
		p, other := w.pair(t, u), w.pair(t, u)
		w.pair(t, w.user(t, "bob"))
		c := device.Caller{Devices: []device.Device{p.Device}}
		for _, tt := range []struct {
			name string
			do   func()
			want int
		}{
			{"a denial", func() { _, _ = w.Decide(t.Context(), no(w.accept(t, w.asks("aiko")).ID, p)) }, 0},
			{"wrong codes", func() { w.guess(t, p) }, 1},
			{"a freeze", func() {
				_, err := w.Decide(t.Context(), w.notMe(t, w.accept(t, w.asks("aiko")).ID, p))
				fatal(t, err)
			}, 1},
			{"a lock", func() {
				s, err := w.people.LockChallenge(t.Context(), c, p.ID)
				fatal(t, err)
				fatal(t, w.people.LockOwn(t.Context(), c, p.ID, p.key.Get(t, s.Options)))
			}, 1},
		} {
			w.alerted(t)
			tt.do()
			told := w.alerted(t)
			if len(told) != tt.want || tt.want == 1 && told[0] != other.ID {
				t.Errorf("%s: told %v, want %d", tt.name, told, tt.want)
			}
		}
	})
}

// guess types wrong codes until the request is denied.
func (w *barredWorld) guess(t *testing.T, p phone) {
	t.Helper()
	a := w.asks("aiko")
	a.UserCode = "W4SCT7"
	r := w.accept(t, a)
	for range approval.MaxCodeTries {
		w.now = w.now.Add(time.Second)
		_, err := w.Decide(t.Context(), w.signed(t, r.ID, p, "WRONG1"))
		if err == nil {
			t.Fatal("a wrong code was right")
		}
	}
	if s := w.state(t, r.ID); s != approval.Denied {
		t.Fatalf("the request is %s", s)
	}
}

// alerted returns the devices that are to hear of something suspicious, and ends
// all jobs.
func (w *barredWorld) alerted(t *testing.T) (told []device.DeviceID) {
	t.Helper()
	now := w.now
	w.now = now.Add(time.Hour)
	defer func() { w.now = now }()
	jobs, err := w.db.ClaimJobs(t.Context(), 100, time.Second)
	fatal(t, err)
	for _, j := range jobs {
		if j.Kind == "alert" {
			_, d, err := w.db.Address(t.Context(), push.AddressID(j.Target))
			fatal(t, err)
			told = append(told, d.ID)
		}
		fatal(t, w.db.FinishJob(t.Context(), j, outbox.Done, ""))
	}
	return told
}

// TestAHundredWrongCodesStopEverything: waiting an hour between two guesses does not
// make them endless (NIST SP 800-63B-4 §3.2.2). Whoever typed them had a session of
// hers, so only an administrator lets her be asked again, and then she has all her
// tries.
func TestAHundredWrongCodesStopEverything(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newLockedWorld(t, db)
		u := w.user(t, "aiko")
		p := w.pair(t, u)
		for i := range 100 {
			w.now = w.now.Add(time.Hour)
			if locked, err := w.people.IsLocked(t.Context(), u.ID); locked || err != nil {
				t.Fatalf("after %d: locked %v, %v", i, locked, err)
			}
			_, err := w.Decide(t.Context(), w.signed(t, w.withCode(t).ID, p, wrongCode))
			is(t, "a guess", err, approval.ErrUserCode)
		}
		_, err := w.Accept(t.Context(), w.asks("aiko"), theOP)
		is(t, "an ask after a hundred", err, approval.ErrUnknownUser)
		fatal(t, w.people.UnlockUser(t.Context(), u.ID, admin))
		_, err = w.Decide(t.Context(), w.signed(t, w.withCode(t).ID, p, wrongCode))
		var ce *approval.CodeError
		if !errors.As(err, &ce) || ce.TriesLeft != approval.MaxCodeTries-1 || w.failures(t, u.ID) != 1 {
			t.Errorf("unlocked: %v, and %d failures, want one", err, w.failures(t, u.ID))
		}
	})
}
