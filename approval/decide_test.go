package approval_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

func TestApprove(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	u := w.user(t, "aiko")
	p, other := w.pair(t, u), w.pair(t, u)
	a := w.asks("aiko")
	a.ACRValues = []string{"unknown", "http://schemas.openid.net/policies/modrna/multi-factor"}
	r := w.accept(t, a)
	w.jobs(t, r.ID)
	w.now = w.now.Add(7 * time.Second)
	got, err := w.Decide(t.Context(), w.signed(t, r.ID, p, ""))
	fatal(t, err)
	stored, err := w.db.Request(t.Context(), r.ID)
	fatal(t, err)
	if got.State != approval.Approved || stored.State != approval.Approved || got.Version != stored.Version {
		t.Fatalf("got %s at %d, stored %s at %d", got.State, got.Version, stored.State, stored.Version)
	}
	d := stored.Decision
	if d.Verdict != approval.Approve || d.Device != p.ID || d.Credential == "" || !d.UserVerified || d.UserCode != "" ||
		d.ACR != a.ACRValues[1] || fmt.Sprint(d.AMR) != "[pop user mfa]" || !d.At.Equal(w.now) || !d.AuthTime.Equal(w.now) {
		t.Errorf("decision %+v", d)
	}
	if jobs := w.jobs(t, r.ID); jobs["report"] != 1 || jobs["clear"] != 2 || len(jobs) != 2 {
		t.Errorf("jobs %v, want one report, and one clear for each phone: this one may be open in two windows", jobs)
	}
	_, err = w.Decide(t.Context(), no(r.ID, other))
	is(t, "a no after the yes", err, approval.ErrSettled)
}

func TestDeny(t *testing.T) {
	for _, notMe := range []bool{false, true} {
		w := newWorld(t, policy.Rules{})
		p := w.pair(t, w.user(t, "aiko"))
		r := w.accept(t, w.asks("aiko"))
		a := no(r.ID, p)
		a.NotMe = notMe
		got, err := w.Decide(t.Context(), a)
		fatal(t, err)
		want := approval.ReasonUser
		if notMe {
			want = approval.ReasonNotMe
		}
		if got.State != approval.Denied || got.Decision.Reason != want || !got.Decision.AuthTime.IsZero() {
			t.Errorf("not me %v: got %s, %+v", notMe, got.State, got.Decision)
		}
		_, err = w.Challenge(t.Context(), r.ID, who(p), "en")
		is(t, "a challenge after the no", err, approval.ErrSettled)
	}
}

// TestWhatIsNotAPasskeyOverThisViewApprovesNothing: the assertion of each row is
// wrong in one way.
func TestWhatIsNotAPasskeyOverThisViewApprovesNothing(t *testing.T) {
	tests := map[string]func(*testing.T, *world, approval.RequestID, phone) approval.Answer{
		"another user's passkey": func(t *testing.T, w *world, r approval.RequestID, p phone) approval.Answer {
			a := w.signed(t, r, p, "")
			stranger := w.pair(t, w.user(t, "ben"))
			c, err := w.Challenge(t.Context(), r, who(p), "en")
			fatal(t, err)
			a.Assertion = stranger.key.Get(t, c.Options)
			return a
		},
		"another phone of hers": func(t *testing.T, w *world, r approval.RequestID, p phone) approval.Answer {
			second := w.pair(t, device.User{ID: p.User})
			c, err := w.Challenge(t.Context(), r, who(p), "en")
			fatal(t, err)
			a := w.signed(t, r, p, "")
			a.Assertion = second.key.Get(t, c.Options)
			return a
		},
		"a view that was replaced": func(t *testing.T, w *world, r approval.RequestID, p phone) approval.Answer {
			a := w.signed(t, r, p, "")
			_, err := w.Challenge(t.Context(), r, who(p), "ja")
			fatal(t, err)
			return a
		},
		"another request's view": func(t *testing.T, w *world, r approval.RequestID, p phone) approval.Answer {
			other := w.accept(t, w.asks("aiko"))
			_, err := w.Challenge(t.Context(), r, who(p), "en")
			fatal(t, err)
			a := w.signed(t, other.ID, p, "")
			a.Request = r
			return a
		},
		"a phishing page": func(t *testing.T, w *world, r approval.RequestID, p phone) approval.Answer {
			return w.signed(t, r, p, "", devicetest.FromOrigin("https://mitome.example.evil"))
		},
		"no user verification": func(t *testing.T, w *world, r approval.RequestID, p phone) approval.Answer {
			return w.signed(t, r, p, "", devicetest.WithoutUV())
		},
		"a counter that stands still": func(t *testing.T, w *world, r approval.RequestID, p phone) approval.Answer {
			first := w.accept(t, w.asks("aiko"))
			_, err := w.Decide(t.Context(), w.signed(t, first.ID, p, ""))
			fatal(t, err)
			return w.signed(t, r, p, "", devicetest.AtCount(p.key.Counter))
		},
		"nothing": func(t *testing.T, w *world, r approval.RequestID, p phone) approval.Answer {
			a := w.signed(t, r, p, "")
			a.Assertion = nil
			return a
		},
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, policy.Rules{})
			p := w.pair(t, w.user(t, "aiko"))
			r := w.accept(t, w.asks("aiko"))
			_, err := w.Decide(t.Context(), answer(t, w, r.ID, p))
			is(t, "Decide", err, approval.ErrAssertion)
			if got := w.state(t, r.ID); got != approval.Pending {
				t.Fatalf("the request is %s", got)
			}
			_, err = w.Decide(t.Context(), w.signed(t, r.ID, p, "")) // and the honest way is still open
			fatal(t, err)
		})
	}
}

// TestKnowingIdsApprovesNothing: an auth_req_id, a link or a request's id are no
// right to anything, with or without a session of one's own.
func TestKnowingIdsApprovesNothing(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	stranger := w.pair(t, w.user(t, "ben"))
	r := w.accept(t, w.asks("aiko"))
	yes := w.signed(t, r.ID, p, "")
	revoked := p
	revoked.State = device.Revoked
	for name, w2 := range map[string]approval.Who{"no session": {}, "a stranger's session": who(stranger), "a revoked device": who(revoked)} {
		for _, verdict := range []approval.Verdict{approval.Approve, approval.Deny} {
			a := yes
			a.Who, a.Verdict = w2, verdict
			_, err := w.Decide(t.Context(), a)
			is(t, name+" says "+string(verdict), err, approval.ErrNotFound)
		}
		_, err := w.Show(t.Context(), r.ID, w2, "en")
		is(t, name+" looks", err, approval.ErrNotFound)
		_, err = w.Challenge(t.Context(), r.ID, w2, "en")
		is(t, name+" asks for a challenge", err, approval.ErrNotFound)
		if list, err := w.Pending(t.Context(), w2); err != nil || len(list) > 0 {
			t.Errorf("%s lists %v, %v", name, list, err)
		}
	}
	for _, id := range []approval.RequestID{"nothing", "handle", ""} {
		_, err := w.Decide(t.Context(), no(id, p))
		is(t, "request "+string(id), err, approval.ErrNotFound)
	}
	a := yes
	a.Verdict = ""
	if _, err := w.Decide(t.Context(), a); err == nil {
		t.Error("an answer that is neither yes nor no was taken")
	}
	if got := w.state(t, r.ID); got != approval.Pending {
		t.Fatalf("the request is %s", got)
	}
	_, err := w.Decide(t.Context(), yes) // the very same answer, in the right hands
	fatal(t, err)
}

func TestAnAnswerComesTooLate(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.asks("aiko"))
	yes := w.signed(t, r.ID, p, "")
	w.now = r.ExpiresAt
	for _, a := range []approval.Answer{yes, no(r.ID, p)} {
		_, err := w.Decide(t.Context(), a)
		is(t, string(a.Verdict), err, approval.ErrExpired)
	}
	_, err := w.Challenge(t.Context(), r.ID, who(p), "en")
	is(t, "a challenge", err, approval.ErrExpired)
	shown, err := w.Show(t.Context(), r.ID, who(p), "en")
	if err != nil || shown.Request.State != approval.Expired {
		t.Errorf("shown as %s, %v", shown.Request.State, err)
	}
	if list, err := w.Pending(t.Context(), who(p)); err != nil || len(list) > 0 {
		t.Errorf("still listed: %v, %v", list, err)
	}
}

func TestAnAnswerCountsOnce(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.asks("aiko"))
	yes := w.signed(t, r.ID, p, "")
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = w.Decide(t.Context(), yes) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, approval.ErrSettled) && !errors.Is(err, approval.ErrConflict) &&
			!errors.Is(err, approval.ErrChallenge) && !errors.Is(err, approval.ErrAssertion):
			t.Errorf("a loser hears %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d answers won", won)
	}
	_, err := w.Decide(t.Context(), yes)
	is(t, "replayed", err, approval.ErrSettled)
	if jobs := w.jobs(t, r.ID); jobs["report"] != 1 {
		t.Errorf("jobs %v, want one report", jobs)
	}
}

// TestFirstDecisionWins: a yes and a no at once, from two phones.
func TestFirstDecisionWins(t *testing.T) {
	for range 5 {
		w := newWorld(t, policy.Rules{})
		u := w.user(t, "aiko")
		p, q := w.pair(t, u), w.pair(t, u)
		r := w.accept(t, w.asks("aiko"))
		answers := []approval.Answer{w.signed(t, r.ID, p, ""), no(r.ID, q)}
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { _, errs[i] = w.Decide(t.Context(), answers[i]) })
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("got %v", errs)
		}
		want := approval.Approved
		if errs[1] == nil {
			want = approval.Denied
		}
		if got := w.state(t, r.ID); got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
	}
}

func TestAChallengeIsNeeded(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	a := w.asks("aiko")
	a.UserCode = "483920"
	r := w.accept(t, a)
	_, err := w.Decide(t.Context(), approval.Answer{Request: r.ID, Who: who(p), Verdict: approval.Approve, UserCode: "000000", Assertion: []byte(`{}`)})
	is(t, "without one", err, approval.ErrChallenge)
	if r, _ := w.db.Request(t.Context(), r.ID); r.Code.Tries != 0 {
		t.Error("a call out of turn cost a try")
	}
}

// TestTheCeremonyFallsShort: the user has a bound passkey, which was asked for,
// and says yes with a synced one.
func TestTheCeremonyFallsShort(t *testing.T) {
	w := newWorld(t, policy.Rules{ACR: []policy.Level{{Value: "bound", UserVerified: true, DeviceBound: true}}})
	aiko := w.user(t, "aiko")
	w.pair(t, aiko)
	p := w.pair(t, aiko, devicetest.BackupEligible())
	a := w.asks("aiko")
	a.ACRValues = []string{"bound"}
	r := w.accept(t, a)
	got, err := w.Decide(t.Context(), w.signed(t, r.ID, p, "", devicetest.BackupEligible()))
	is(t, "Decide", err, approval.ErrACR)
	d := got.Decision
	if got.State != approval.Denied || d.Reason != approval.ReasonACR || d.ACR != "" || d.Credential != "" || !d.AuthTime.IsZero() {
		t.Errorf("got %s, %+v", got.State, d)
	}
	if jobs := w.jobs(t, r.ID); jobs["report"] != 1 {
		t.Errorf("jobs %v, want one report", jobs)
	}
	st := w.statement(t, r.ID)
	if err := st.Verify(device.CheckAssertion); err != nil || st.Assertion != nil {
		t.Errorf("the evidence: %v, with assertion %v", err, st.Assertion)
	}
	// The signature was used up all the same.
	second := w.accept(t, w.asks("aiko"))
	_, err = w.Decide(t.Context(), w.signed(t, second.ID, p, "", devicetest.BackupEligible(), devicetest.AtCount(p.key.Counter)))
	is(t, "the same counter again", err, approval.ErrAssertion)
}

func TestPendingAndShow(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	aiko, ben := w.user(t, "aiko"), w.user(t, "ben")
	p, q := w.pair(t, aiko), w.pair(t, ben)
	first := w.accept(t, w.asks("aiko"))
	w.now = w.now.Add(time.Second)
	second := w.accept(t, w.asks("ben"))
	list, err := w.Pending(t.Context(), who(p, q)) // one browser, two connections
	if err != nil || len(list) != 2 || list[0].ID != first.ID || list[1].ID != second.ID {
		t.Fatalf("got %v, %v", list, err)
	}
	if list, _ := w.Pending(t.Context(), who(q)); len(list) != 1 || list[0].ID != second.ID {
		t.Errorf("one of the two: got %v", list)
	}
	shown, err := w.Show(t.Context(), first.ID, who(p, q), "ja")
	fatal(t, err)
	if !bytes.Contains(shown.View, []byte("Flower Shop")) || !bytes.Contains(shown.View, []byte(`"locale":"ja"`)) {
		t.Errorf("shown as %s", shown.View)
	}
	c, err := w.Challenge(t.Context(), first.ID, who(p), "ja")
	if err != nil || !bytes.Equal(c.View, shown.View) {
		t.Errorf("what is signed is not what is shown: %s, %v", c.View, err)
	}
}

func TestRecall(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.asks("aiko"))
	w.jobs(t, r.ID)
	_, err := w.Recall(t.Context(), r.ID, device.Actor{Kind: device.ActorOP, ID: "other"})
	is(t, "by another OP", err, approval.ErrNotFound)
	got, err := w.Recall(t.Context(), r.ID, theOP)
	if err != nil || got.State != approval.Withdrawn {
		t.Fatalf("got %s, %v", got.State, err)
	}
	if jobs := w.jobs(t, r.ID); jobs["clear"] != 1 || len(jobs) != 1 {
		t.Errorf("jobs %v, want one clear and no report", jobs)
	}
	_, err = w.Decide(t.Context(), no(r.ID, p))
	is(t, "an answer after it", err, approval.ErrSettled)
	_, err = w.Recall(t.Context(), r.ID, admin)
	is(t, "twice", err, approval.ErrSettled)
	byAdmin := w.accept(t, w.asks("aiko"))
	w.jobs(t, byAdmin.ID)
	_, err = w.Recall(t.Context(), byAdmin.ID, admin)
	fatal(t, err)
	if jobs := w.jobs(t, byAdmin.ID); jobs["clear"] != 1 || jobs["report"] != 1 {
		t.Errorf("jobs %v, want the OP told of what it did not do", jobs)
	}
	byKey := w.accept(t, w.asks("aiko"))
	_, err = w.Recall(t.Context(), byKey.ID, device.Actor{Kind: device.ActorOP, ID: theOP.ID + "/key-2026"})
	is(t, "by one of its keys", err, nil)
	_, err = w.Recall(t.Context(), "nothing", admin)
	is(t, "nothing", err, approval.ErrNotFound)
}

func TestExpire(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	var due []approval.Request
	for range 3 {
		due = append(due, w.accept(t, w.asks("aiko")))
	}
	_, err := w.Decide(t.Context(), no(due[2].ID, p))
	fatal(t, err)
	w.now = due[0].ExpiresAt.Add(-time.Microsecond)
	if n, err := w.Expire(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("before the time: %d, %v", n, err)
	}
	w.now = due[0].ExpiresAt
	if n, err := w.Expire(t.Context(), 1); n != 1 || err != nil {
		t.Errorf("one at most: %d, %v", n, err)
	}
	if n, err := w.Expire(t.Context(), 10); n != 1 || err != nil {
		t.Errorf("the rest: %d, %v", n, err)
	}
	if a, b, c := w.state(t, due[0].ID), w.state(t, due[1].ID), w.state(t, due[2].ID); a != approval.Expired || b != approval.Expired || c != approval.Denied {
		t.Errorf("got %s, %s, %s", a, b, c)
	}
	if n, err := w.Expire(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}

// TestNoTwoChallengesAreAlike: a challenge that only depended on what is shown would
// let an answer to one serve for the next, and WebAuthn §13.4.3 forbids it. A request
// that looks like another, of the same device, has another; so has the same request
// asked about again.
func TestNoTwoChallengesAreAlike(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.asks("aiko"))
	seen := map[string]bool{}
	for range 4 {
		c, err := w.Challenge(t.Context(), r.ID, who(p), "en")
		fatal(t, err)
		stored, err := w.db.Challenge(t.Context(), r.ID, p.ID)
		fatal(t, err)
		if len(stored.Nonce) != 32 || !bytes.Equal(stored.View, c.View) {
			t.Fatalf("a nonce of %d bytes, over %s", len(stored.Nonce), stored.View)
		}
		seen[string(stored.Nonce)] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d different nonces of four", len(seen))
	}
	first := w.signed(t, r.ID, p, "")
	_ = w.signed(t, r.ID, p, "")
	_, err := w.Decide(t.Context(), first)
	is(t, "the answer to the challenge before", err, approval.ErrAssertion)
}
