package approval_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
)

// TestANoIsNotLostAmongGuesses: a try that is charged between the reading of a
// request and the storing of its denial does not turn the no into an error.
func TestANoIsNotLostAmongGuesses(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.withCode(t)
	guess := w.signed(t, r.ID, p, wrongCode)
	s := *w.Service
	s.Store = &between{Store: w.db, do: func() {
		_, err := w.Decide(t.Context(), guess)
		is(t, "the guess", err, approval.ErrUserCode)
	}}
	got, err := s.Decide(t.Context(), no(r.ID, p))
	if err != nil || got.State != approval.Denied || got.Code.Tries != 1 || w.state(t, r.ID) != approval.Denied {
		t.Errorf("the no: %v; it is %s after %d tries", err, got.State, got.Code.Tries)
	}
}

// TestANoBetweenWinsOverAYes: the first decision wins also where the second had
// read the request before it.
func TestANoBetweenWinsOverAYes(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	u := w.user(t, "aiko")
	p, q := w.pair(t, u), w.pair(t, u)
	r := w.withCode(t)
	yes := w.signed(t, r.ID, p, rightCode)
	s := *w.Service
	s.Store = &between{Store: w.db, do: func() {
		_, err := w.Decide(t.Context(), no(r.ID, q))
		fatal(t, err)
	}}
	_, err := s.Decide(t.Context(), yes)
	is(t, "the yes", err, approval.ErrSettled)
	if st := w.statement(t, r.ID); w.state(t, r.ID) != approval.Denied || st.Decision.Verdict != approval.Deny {
		t.Errorf("it is %s, and the evidence says %s", w.state(t, r.ID), st.Decision.Verdict)
	}
}

// TestACodeThatLostTheRaceIsChargedAgain: of two guesses that read the same
// count, each takes a try.
func TestACodeThatLostTheRaceIsChargedAgain(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.withCode(t)
	guess := w.signed(t, r.ID, p, wrongCode)
	s := *w.Service
	s.Failures = &betweenCharges{Failures: w.db, do: func() {
		_, err := w.Decide(t.Context(), guess)
		is(t, "the first", err, approval.ErrUserCode)
	}}
	_, err := s.Decide(t.Context(), guess)
	is(t, "the second", err, approval.ErrUserCode)
	if stored, _ := w.db.Request(t.Context(), r.ID); stored.Code.Tries != 2 {
		t.Errorf("%d tries charged, want 2", stored.Code.Tries)
	}
}

// TestAViewReplacedMeanwhileApprovesNothing: what was signed is still there when
// it is read, and gone when the yes is stored.
func TestAViewReplacedMeanwhileApprovesNothing(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.asks("aiko"))
	yes := w.signed(t, r.ID, p, "")
	s := *w.Service
	s.Store = &between{Store: w.db, do: func() {
		_, err := w.Challenge(t.Context(), r.ID, who(p), "ja")
		fatal(t, err)
	}}
	_, err := s.Decide(t.Context(), yes)
	is(t, "the yes", err, approval.ErrConflict)
	if got := w.state(t, r.ID); got != approval.Pending {
		t.Errorf("the request is %s", got)
	}
}

// between does something, once, just before a change is stored.
type between struct {
	approval.Store
	once sync.Once
	do   func()
}

func (b *between) UpdateRequest(ctx context.Context, c approval.Change) error {
	b.once.Do(b.do)
	return b.Store.UpdateRequest(ctx, c)
}

// betweenCharges does something, once, just before a try is charged.
type betweenCharges struct {
	approval.Failures
	once sync.Once
	do   func()
}

func (b *betweenCharges) ChargeCode(ctx context.Context, next approval.Request, now time.Time) error {
	b.once.Do(b.do)
	return b.Failures.ChargeCode(ctx, next, now)
}
