package approval_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// barredWorld is a world that knows whom nobody may ask, and keeps who was turned
// away.
type barredWorld struct {
	*world
	turned []approval.Turned
}

func newBarredWorld(t *testing.T, db *store.DB) *barredWorld {
	t.Helper()
	w := &barredWorld{world: newWorldOn(t, db, policy.Rules{})}
	w.Bars, w.Gestures = db, db
	w.Turned = func(a approval.Turned) { w.turned = append(w.turned, a) }
	return w
}

// asksBy is what the OP sends of a user for one of its clients.
func (w *barredWorld) asksBy(client, subject string) approval.Ask {
	a := w.asks(subject)
	a.ClientID = client
	return a
}

// notMe is p's "I did not start this" of r, with its passkey.
func (w *barredWorld) notMe(t *testing.T, r approval.RequestID, p phone, lies ...devicetest.Lie) approval.Answer {
	t.Helper()
	s, err := w.NotMeChallenge(t.Context(), r, who(p))
	fatal(t, err)
	a := no(r, p)
	a.NotMe, a.Assertion = true, p.key.Get(t, s.Options, lies...)
	return a
}

// TestNotMe: what she did not start is denied, its client asks her nothing for a
// while, what else it asked ends, and the operator is to be told. Nobody else is
// touched.
func TestNotMe(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newBarredWorld(t, db)
		p := w.pair(t, w.user(t, "aiko"))
		w.pair(t, w.user(t, "bob"))
		first, second := w.accept(t, w.asksBy("shop", "aiko")), w.accept(t, w.asksBy("shop", "aiko"))
		others := []approval.Request{w.accept(t, w.asksBy("bank", "aiko")), w.accept(t, w.asksBy("shop", "bob"))}
		w.jobs(t, first.ID)
		got, err := w.Decide(t.Context(), w.notMe(t, first.ID, p))
		fatal(t, err)
		until := w.now.Add(15 * time.Minute)
		if d := got.Decision; got.State != approval.Denied || d.Reason != approval.ReasonNotMe || !d.FrozenUntil.Equal(until) {
			t.Errorf("got %s, %+v", got.State, got.Decision)
		}
		if st := w.statement(t, first.ID); !st.Decision.FrozenUntil.Equal(until) {
			t.Errorf("the evidence says %v, want %v", st.Decision.FrozenUntil, until)
		}
		withdrawn, err := w.db.Request(t.Context(), second.ID)
		fatal(t, err)
		if withdrawn.State != approval.Denied || withdrawn.Decision.Reason != approval.ReasonNotMe {
			t.Errorf("the client's other request is %s, %+v", withdrawn.State, withdrawn.Decision)
		}
		for _, r := range others {
			if s := w.state(t, r.ID); s != approval.Pending {
				t.Errorf("a request of %s is %s", r.ClientID, s)
			}
		}
		// Reading the jobs of one ends those of all.
		if jobs := w.jobs(t, first.ID); jobs["signal"] != 2 || jobs["report"] != 1 {
			t.Errorf("jobs %v, want a report, and a signal for each way", jobs)
		}
		w.frozen(t, until)
	})
}

// frozen checks that the shop cannot ask aiko until then, and that others can.
func (w *barredWorld) frozen(t *testing.T, until time.Time) {
	t.Helper()
	for w.now.Before(until) {
		_, err := w.Accept(t.Context(), w.asksBy("shop", "aiko"), theOP)
		is(t, "the shop asks at "+w.now.String(), err, approval.ErrUnknownUser)
		w.accept(t, w.asksBy("bank", "aiko"))
		w.accept(t, w.asksBy("shop", "bob"))
		w.now = w.now.Add(5 * time.Minute)
	}
	w.accept(t, w.asksBy("shop", "aiko"))
	if len(w.turned) != 3 || w.turned[0].Bar != approval.BarFrozen || w.turned[0].ClientID != "shop" || w.turned[0].By != theOP {
		t.Errorf("turned away: %+v", w.turned)
	}
}

// TestNotMeWithoutPasskey: a session alone denies, and nothing follows from it: it
// may be stolen, and so keep the user from her own sign-ins. Nor does anything
// follow from a capability, which is held without unlocking the phone.
func TestNotMeWithoutPasskey(t *testing.T) {
	w := newBarredWorld(t, storetest.SQLite(t))
	p := w.pair(t, w.user(t, "aiko"))
	said := map[string]func(approval.Request) (approval.Request, error){
		"a session": func(r approval.Request) (approval.Request, error) {
			a := no(r.ID, p)
			a.NotMe = true
			return w.Decide(t.Context(), a)
		},
		"a capability": func(r approval.Request) (approval.Request, error) {
			return w.DenyBy(t.Context(), r.ID, w.capability(t, r, p), device.Actor{})
		},
	}
	for name, say := range said {
		first, second := w.accept(t, w.asks("aiko")), w.accept(t, w.asks("aiko"))
		w.jobs(t, first.ID)
		got, err := say(first)
		fatal(t, err)
		if got.State != approval.Denied || !got.Decision.FrozenUntil.IsZero() {
			t.Errorf("%s: got %s, %+v", name, got.State, got.Decision)
		}
		if jobs := w.jobs(t, first.ID); jobs["signal"] != 0 {
			t.Errorf("%s: jobs %v", name, jobs)
		}
		if s := w.state(t, second.ID); s != approval.Pending {
			t.Errorf("%s: the other request is %s", name, s)
		}
		w.accept(t, w.asks("aiko"))
	}
}

// TestNotMeForged: what is not signed by this device over this very statement has
// no consequence. The denial stands all the same: whoever has the session may deny,
// and nothing that can fail stands between a user and refusing.
func TestNotMeForged(t *testing.T) {
	w := newBarredWorld(t, storetest.SQLite(t))
	u := w.user(t, "aiko")
	p, other := w.pair(t, u), w.pair(t, u)
	for name, forge := range map[string]func(r, second approval.RequestID) []byte{
		"for another request": func(_, second approval.RequestID) []byte { return w.notMe(t, second, p).Assertion },
		"for another device":  func(r, _ approval.RequestID) []byte { return w.notMe(t, r, other).Assertion },
		"a signed yes":        func(r, _ approval.RequestID) []byte { return w.signed(t, r, p, "").Assertion },
		"a signed yes in place of it": func(r, _ approval.RequestID) []byte {
			_, err := w.NotMeChallenge(t.Context(), r, who(p))
			fatal(t, err)
			return w.signed(t, r, p, "").Assertion
		},
		"without user verification": func(r, _ approval.RequestID) []byte { return w.notMe(t, r, p, devicetest.WithoutUV()).Assertion },
		"not JSON":                  func(approval.RequestID, approval.RequestID) []byte { return []byte("x") },
		"too late": func(r, _ approval.RequestID) []byte {
			late := w.notMe(t, r, p).Assertion
			w.now = w.now.Add(device.GestureLife)
			return late
		},
	} {
		long := w.asks("aiko")
		long.ExpiresAt = w.now.Add(time.Hour)
		r, second := w.accept(t, long), w.accept(t, w.asks("aiko"))
		a := no(r.ID, p)
		a.NotMe, a.Assertion = true, forge(r.ID, second.ID)
		got, err := w.Decide(t.Context(), a)
		fatal(t, err)
		w.deniedOnly(t, name, got)
	}
}

// deniedOnly checks that a request is denied as one that she did not start, and
// that nothing follows from it.
func (w *barredWorld) deniedOnly(t *testing.T, name string, got approval.Request) {
	t.Helper()
	if d := got.Decision; got.State != approval.Denied || d.Reason != approval.ReasonNotMe || !d.FrozenUntil.IsZero() {
		t.Errorf("%s: got %s, %+v", name, got.State, got.Decision)
	}
	if jobs := w.jobs(t, got.ID); jobs["signal"] != 0 {
		t.Errorf("%s: jobs %v", name, jobs)
	}
	w.accept(t, w.asks("aiko"))
}

// TestDenialStands: whatever breaks while the passkey is checked, and a passkey that
// was used meanwhile, leave the denial as it is.
func TestDenialStands(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, broken := range map[string]func(*barredWorld, phone){
			"gestures cannot be read": func(w *barredWorld, _ phone) { w.Gestures = brokenGestures{} },
			"the passkey was used meanwhile": func(w *barredWorld, p phone) {
				w.Passkeys = usedMeanwhile{w.Passkeys}
			},
		} {
			w := newBarredWorld(t, db)
			p := w.pair(t, w.user(t, name))
			r := w.accept(t, w.asksBy("shop", name))
			a := w.notMe(t, r.ID, p)
			broken(w, p)
			got, err := w.Decide(t.Context(), a)
			fatal(t, err)
			if got.State != approval.Denied || !got.Decision.FrozenUntil.IsZero() {
				t.Errorf("%s: got %s, %+v", name, got.State, got.Decision)
			}
			w.accept(t, w.asksBy("shop", name))
		}
	})
}

// brokenGestures cannot be read.
type brokenGestures struct{ device.Gestures }

// TakeGesture implements device.Gestures.
func (brokenGestures) TakeGesture(context.Context, string, string, time.Time) (device.Gesture, error) {
	return device.Gesture{}, errors.New("the disk is full")
}

// usedMeanwhile are passkeys whose counter moves after each look.
type usedMeanwhile struct{ approval.Passkeys }

// VerifyAssertion implements approval.Passkeys.
func (u usedMeanwhile) VerifyAssertion(ctx context.Context, d device.DeviceID, challenge, assertion []byte) (device.Assertion, error) {
	as, err := u.Passkeys.VerifyAssertion(ctx, d, challenge, assertion)
	as.Credential.SignCount += 7
	return as, err
}

// TestFrozenLooksUnknown: whoever asks learns nothing. Where the OP has no word for
// a refusal, what is kept of a frozen ask is what is kept of one for nobody; and
// the bars are read for both.
func TestFrozenLooksUnknown(t *testing.T) {
	w := newBarredWorld(t, storetest.SQLite(t))
	p := w.pair(t, w.user(t, "aiko"))
	before := w.asks("aiko")
	_, err := w.Decide(t.Context(), w.notMe(t, w.accept(t, before).ID, p))
	fatal(t, err)
	reads := &countedBars{Bars: w.Bars}
	w.Bars = reads
	for _, subject := range []string{"aiko", "nobody"} {
		reads.n = 0
		a := w.asks(subject)
		a.ReportsRefusals = true
		r := w.accept(t, a)
		if r.State != approval.Denied || r.Decision.Reason != approval.ReasonUnknownUser || r.UserID != "" || r.BindingMessage != "" {
			t.Errorf("%s: %s, %+v, of %q", subject, r.State, r.Decision, r.UserID)
		}
		if reads.n != 1 {
			t.Errorf("%s: the bars were read %d times", subject, reads.n)
		}
	}
	if len(w.turned) != 1 || w.turned[0].User == "" {
		t.Errorf("turned away: %+v, want the one of whom there is something to write", w.turned)
	}
	again, err := w.Accept(t.Context(), before, theOP) // the OP did not hear the answer to what it asked before
	if err != nil || again.State != approval.Denied || again.Decision.Reason != approval.ReasonNotMe {
		t.Errorf("a repetition: %+v, %v", again.Decision, err)
	}
}

// countedBars counts how often it is asked.
type countedBars struct {
	approval.Bars
	n int
}

// BarOf implements approval.Bars.
func (c *countedBars) BarOf(ctx context.Context, u device.UserID, client string, now time.Time) (approval.Bar, error) {
	c.n++
	return c.Bars.BarOf(ctx, u, client, now)
}

// TestBarredMeanwhile: a request that came in the moment of the freeze gets no yes,
// and does not wait for its time to be over.
func TestBarredMeanwhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newBarredWorld(t, db)
		u := w.user(t, "aiko")
		p := w.pair(t, u)
		bars := w.Bars
		_, err := w.Decide(t.Context(), w.notMe(t, w.accept(t, w.asks("aiko")).ID, p))
		fatal(t, err)
		w.Bars = nil // what the call had read before
		asked, signed := w.accept(t, w.asks("aiko")), w.accept(t, w.asks("aiko"))
		yes := w.signed(t, signed.ID, p, "")
		w.Bars = bars
		_, err = w.Decide(t.Context(), yes)
		is(t, "a yes", err, approval.ErrSettled)
		if n, err := w.SweepBarred(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("the sweeper ended %d, %v", n, err)
		}
		for _, r := range []approval.Request{asked, signed} {
			if s := w.state(t, r.ID); s != approval.Denied {
				t.Errorf("got %s, want denied", s)
			}
		}
		if n, err := w.SweepBarred(t.Context(), 10); n != 0 || err != nil {
			t.Errorf("the sweeper ended %d more, %v", n, err)
		}
	})
}
