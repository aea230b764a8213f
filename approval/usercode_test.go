package approval_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

const rightCode, wrongCode = "483920", "111111"

// withCode is a request of aiko's that asks for rightCode.
func (w *world) withCode(t *testing.T) approval.Request {
	t.Helper()
	a := w.asks("aiko")
	a.UserCode = rightCode
	return w.accept(t, a)
}

// failures is what is on the user's count.
func (w *world) failures(t *testing.T, u device.UserID) int {
	t.Helper()
	n, _, err := w.db.CodeFailures(t.Context(), u)
	fatal(t, err)
	return n
}

func TestTheRightCodeAndThePasskeyApprove(t *testing.T) {
	for _, typed := range []string{rightCode, " 483 920 ", "483-920", "４８３９２０", "483ー920", "483‐920"} {
		w := newWorld(t, policy.Rules{})
		p := w.pair(t, w.user(t, "aiko"))
		r := w.withCode(t)
		got, err := w.Decide(t.Context(), w.signed(t, r.ID, p, typed))
		if err != nil || got.State != approval.Approved || got.Decision.UserCode != "verified" {
			t.Errorf("%q: %s, %v", typed, got.State, err)
		}
		if n := w.failures(t, p.User); n != 0 {
			t.Errorf("%q: %d failures on the count", typed, n)
		}
	}
}

func TestABindingMessageIsTypedWhereTheConnectionSaysSo(t *testing.T) {
	w := newWorld(t, policy.Rules{BindingMessage: policy.ModeType})
	p := w.pair(t, w.user(t, "aiko"))
	a := w.asks("aiko")
	a.BindingMessage = "W4SC-T7Q"
	r := w.accept(t, a)
	if r.BindingMessage != "" || r.Code.Source != approval.CodeBindingMessage {
		t.Fatalf("got %q, code from %q", r.BindingMessage, r.Code.Source)
	}
	_, err := w.Decide(t.Context(), w.signed(t, r.ID, p, "W4SC-T7P"))
	is(t, "another", err, approval.ErrUserCode)
	_, err = w.Decide(t.Context(), w.signed(t, r.ID, p, "w4sct7q"))
	is(t, "the same", err, nil)
}

func TestADenialNeedsNoCode(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.withCode(t)
	_, err := w.Decide(t.Context(), no(r.ID, p))
	is(t, "deny", err, nil)
}

func TestAWrongCodeCostsATry(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.withCode(t)
	for _, empty := range []string{"", "  ", "-"} { // a slip, not a guess
		_, err := w.Decide(t.Context(), w.signed(t, r.ID, p, empty))
		is(t, "an empty field", err, approval.ErrCodeMissing)
	}
	for i := range approval.MaxCodeTries - 1 {
		_, err := w.Decide(t.Context(), w.signed(t, r.ID, p, wrongCode))
		var ce *approval.CodeError
		if !errors.As(err, &ce) || !errors.Is(err, approval.ErrUserCode) || ce.TriesLeft != approval.MaxCodeTries-1-i {
			t.Fatalf("try %d: %v (%+v)", i+1, err, ce)
		}
	}
	w.jobs(t, r.ID)
	got, err := w.Decide(t.Context(), w.signed(t, r.ID, p, wrongCode))
	is(t, "the last try", err, approval.ErrCodeLocked)
	if got.State != approval.Denied || got.Decision.Reason != approval.ReasonUserCode {
		t.Errorf("got %s, %+v", got.State, got.Decision)
	}
	if jobs := w.jobs(t, r.ID); jobs["report"] != 1 || jobs["clear"] != 1 { // nobody decided, so every phone is told
		t.Errorf("jobs %v", jobs)
	}
	_, err = w.Challenge(t.Context(), r.ID, who(p), "en")
	is(t, "after it", err, approval.ErrSettled)
}

func TestTheLastTryMayBeRight(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.withCode(t)
	for range approval.MaxCodeTries - 1 {
		_, err := w.Decide(t.Context(), w.signed(t, r.ID, p, wrongCode))
		is(t, "wrong", err, approval.ErrUserCode)
	}
	got, err := w.Decide(t.Context(), w.signed(t, r.ID, p, rightCode))
	if err != nil || got.State != approval.Approved || w.failures(t, p.User) != 0 {
		t.Errorf("got %s, %v", got.State, err)
	}
}

// TestWrongCodesSentAtOnceAreAllCharged: guesses in parallel get no more tries
// than guesses in a row.
func TestWrongCodesSentAtOnceAreAllCharged(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.withCode(t)
	guess := w.signed(t, r.ID, p, wrongCode)
	errs := make([]error, 20)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = w.Decide(t.Context(), guess) })
	}
	wg.Wait()
	compared := 0
	for _, err := range errs {
		switch {
		case errors.Is(err, approval.ErrUserCode):
			compared++
		case errors.Is(err, approval.ErrCodeLocked), errors.Is(err, approval.ErrSettled), errors.Is(err, approval.ErrCodeWait),
			errors.Is(err, approval.ErrConflict), errors.Is(err, approval.ErrChallenge):
		default:
			t.Errorf("a guess hears %v", err)
		}
	}
	stored, err := w.db.Request(t.Context(), r.ID)
	fatal(t, err)
	if compared >= approval.MaxCodeTries || stored.State != approval.Denied || stored.Code.Tries != approval.MaxCodeTries {
		t.Errorf("%d compared and left open; %s after %d tries", compared, stored.State, stored.Code.Tries)
	}
	if n := w.failures(t, p.User); n != approval.MaxCodeTries {
		t.Errorf("%d failures on the user's count, want %d", n, approval.MaxCodeTries)
	}
}

// TestANewRequestGivesNoNewTries: the count is the user's; it grows the wait,
// and only a code with a passkey takes it off.
func TestANewRequestGivesNoNewTries(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	first := w.withCode(t)
	for range approval.MaxCodeTries {
		_, _ = w.Decide(t.Context(), w.signed(t, first.ID, p, wrongCode))
	}
	second := w.withCode(t)
	wait := 30 * time.Second
	for range 2 {
		_, err := w.Decide(t.Context(), w.signed(t, second.ID, p, rightCode))
		var ce *approval.CodeError
		if !errors.As(err, &ce) || !errors.Is(err, approval.ErrCodeWait) || ce.Wait != wait || ce.TriesLeft == 0 {
			t.Fatalf("at once: got %v (%+v), want a wait of %v", err, ce, wait)
		}
		w.now = w.now.Add(wait)
		second = w.withCode(t) // the other may have expired
		_, err = w.Decide(t.Context(), w.signed(t, second.ID, p, wrongCode))
		is(t, "after the wait", err, approval.ErrUserCode)
		wait *= 2
	}
	for range 12 { // it never grows past an hour
		w.now = w.now.Add(time.Hour)
		r := w.withCode(t)
		_, err := w.Decide(t.Context(), w.signed(t, r.ID, p, wrongCode))
		is(t, "an hour later", err, approval.ErrUserCode)
	}
	w.now = w.now.Add(time.Hour)
	last := w.withCode(t)
	_, err := w.Decide(t.Context(), w.signed(t, last.ID, p, rightCode))
	is(t, "the right one", err, nil)
	if n := w.failures(t, p.User); n != 0 {
		t.Errorf("%d failures on the count after it", n)
	}
}

// TestARightCodeAloneForgivesNothing: the thief of a session who starts requests
// of his own knows their codes, and has no passkey.
func TestARightCodeAloneForgivesNothing(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	victim, his := w.withCode(t), w.withCode(t)
	for range 3 {
		_, err := w.Decide(t.Context(), w.signed(t, victim.ID, p, wrongCode))
		is(t, "a guess", err, approval.ErrUserCode)
	}
	_, err := w.Decide(t.Context(), w.signed(t, his.ID, p, rightCode, devicetest.WithOtherKey()))
	is(t, "his own code, no passkey", err, approval.ErrAssertion)
	if n := w.failures(t, p.User); n != 4 {
		t.Errorf("%d failures on the count, want 4", n)
	}
}

// TestATryIsChargedBeforeItIsCompared: a process that dies while comparing has
// taken the try; the next one finds the request spent.
func TestATryIsChargedBeforeItIsCompared(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.withCode(t)
	crash := errors.New("the process died")
	s := *w.Service
	s.Codes = brokenCodes{s.Codes, crash}
	for i := range approval.MaxCodeTries {
		_, err := s.Decide(t.Context(), w.signed(t, r.ID, p, wrongCode))
		is(t, "a crash", err, crash)
		if stored, _ := w.db.Request(t.Context(), r.ID); stored.Code.Tries != i+1 || stored.State != approval.Pending {
			t.Fatalf("after crash %d: %d tries, %s", i+1, stored.Code.Tries, stored.State)
		}
	}
	w.now = w.now.Add(time.Minute)
	_, err := w.Decide(t.Context(), w.signed(t, r.ID, p, rightCode))
	is(t, "one more", err, approval.ErrCodeLocked)
	if got := w.state(t, r.ID); got != approval.Denied {
		t.Errorf("the request is %s", got)
	}
}

// TestTheCodeStandsNowhere: neither it nor its hash is in what is shown, signed
// or kept as evidence, and equal codes do not have equal hashes.
func TestTheCodeStandsNowhere(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r, other := w.withCode(t), w.withCode(t)
	if string(r.Code.MAC) == string(other.Code.MAC) || len(r.Code.MAC) < 32 {
		t.Error("two requests with one code have one hash")
	}
	if sum := sha256.Sum256([]byte("body")); bytes.Equal(r.Fingerprint, sum[:]) { // which may hold the code
		t.Error("what was received can be guessed from its fingerprint")
	}
	c, err := w.Challenge(t.Context(), r.ID, who(p), "en")
	fatal(t, err)
	_, err = w.Decide(t.Context(), w.signed(t, r.ID, p, rightCode))
	fatal(t, err)
	st := w.statement(t, r.ID)
	for name, text := range map[string]string{"view": string(c.View), "challenge": string(c.Options), "evidence": st.View + st.Decision.UserCode} {
		if strings.Contains(text, rightCode) || strings.Contains(text, string(r.Code.MAC)) {
			t.Errorf("the code is in the %s: %s", name, text)
		}
	}
	if st.Decision.UserCode != "verified" {
		t.Errorf("the evidence says %q of the code", st.Decision.UserCode)
	}
}

// TestExpireGoesOn: one request that cannot be settled keeps no other pending.
func TestExpireGoesOn(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.pair(t, w.user(t, "aiko"))
	ben := w.user(t, "ben")
	w.pair(t, ben)
	first, second := w.accept(t, w.asks("ben")), w.accept(t, w.asks("aiko"))
	w.now = w.now.Add(time.Hour)
	fault := errors.New("disk on fire")
	s := *w.Service
	s.People = brokenDevices{s.People, ben.ID, fault}
	n, err := s.Expire(t.Context(), 10)
	is(t, "Expire", err, fault)
	if n != 1 || w.state(t, first.ID) != approval.Pending || w.state(t, second.ID) != approval.Expired {
		t.Errorf("settled %d: %s, %s", n, w.state(t, first.ID), w.state(t, second.ID))
	}
}

// brokenDevices cannot tell the devices of one user.
type brokenDevices struct {
	approval.People
	user device.UserID
	err  error
}

func (b brokenDevices) DevicesOf(ctx context.Context, u device.UserID) ([]device.Device, error) {
	if u == b.user {
		return nil, b.err
	}
	return b.People.DevicesOf(ctx, u)
}
