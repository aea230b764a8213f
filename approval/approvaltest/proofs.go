package approvaltest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

func oneChallenge(t *testing.T, s Stores) {
	ctx := t.Context()
	r, d := s.fresh(t)
	if _, err := s.Challenges.Challenge(ctx, r.ID, d.ID); !errors.Is(err, approval.ErrChallenge) {
		t.Errorf("before any: got %v, want ErrChallenge", err)
	}
	old := s.challenge(t, r, d)
	want := s.challenge(t, r, d)
	got, err := s.Challenges.Challenge(ctx, r.ID, d.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	c := decide(r, d, approval.Approve)
	c.Spend = &old
	if err := s.Requests.UpdateRequest(ctx, c); !errors.Is(err, approval.ErrConflict) {
		t.Errorf("spending one that was replaced: got %v, want ErrConflict", err)
	}
	if s.get(t, r.ID).State != approval.Pending {
		t.Error("a challenge that was replaced has approved")
	}
	other, _ := s.fresh(t)
	c.Next.ID, c.Next.Version = other.ID, other.Version
	foreign := want
	foreign.Request = other.ID
	c.Spend = &foreign
	if err := s.Requests.UpdateRequest(ctx, c); !errors.Is(err, approval.ErrConflict) {
		t.Errorf("spending another request's: got %v, want ErrConflict", err)
	}
}

// decisionUsesDevice: when a device last decided is known to the minute, and a
// decision that did not count is none.
func decisionUsesDevice(t *testing.T, s Stores) {
	ctx := t.Context()
	r, d := s.fresh(t)
	used := func() time.Time {
		t.Helper()
		got, err := s.People.Devices.Device(ctx, d.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got.UsedAt
	}
	if !used().IsZero() {
		t.Errorf("a new device was used at %v", used())
	}
	decided := func(r approval.Request, at time.Time) error {
		c := decide(r, d, approval.Deny)
		c.Next.Decision.At = at
		return s.Requests.UpdateRequest(ctx, c)
	}
	for _, tt := range []struct{ at, want time.Time }{
		{Start, Start},
		{Start.Add(time.Minute), Start}, // not written again for so little
		{Start.Add(time.Minute + time.Second), Start.Add(time.Minute + time.Second)},
		{Start, Start.Add(time.Minute + time.Second)}, // another node's clock is behind
	} {
		if err := decided(s.create(t, Request(r.UserID)), tt.at); err != nil {
			t.Fatal(err)
		}
		if got := used(); !got.Equal(tt.want) {
			t.Errorf("after a decision at %v: used at %v, want %v", tt.at, got, tt.want)
		}
	}
	r.Version++ // somebody was faster
	if err := decided(r, Start.Add(time.Hour)); !errors.Is(err, approval.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if used().Equal(Start.Add(time.Hour)) {
		t.Error("a decision that lost is a use of the device")
	}
}

// challengeSpentOnce spends the same challenge by two changes of which each is
// right about the version, so that the version alone does not save the day.
func challengeSpentOnce(t *testing.T, s Stores) {
	ctx := t.Context()
	r, d := s.fresh(t)
	ch := s.challenge(t, r, d)
	if err := s.Requests.UpdateRequest(ctx, approval.Change{Next: r, Spend: &ch}); err != nil {
		t.Fatal(err)
	}
	c := decide(s.get(t, r.ID), d, approval.Approve)
	c.Spend = &ch
	if err := s.Requests.UpdateRequest(ctx, c); !errors.Is(err, approval.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if got := s.get(t, r.ID); got.State != approval.Pending || got.Version != 1 {
		t.Errorf("got %s at version %d, want nothing changed", got.State, got.Version)
	}
}

func challengesEnd(t *testing.T, s Stores) {
	ctx := t.Context()
	u := s.People.NewUser(t, "corp", "A")
	d1 := s.People.NewDevice(t, u, s.People.Session(t), Start)
	d2 := s.People.NewDevice(t, u, s.People.Session(t), Start)
	r, untouched := s.create(t, Request(u.ID)), s.create(t, Request(u.ID))
	ch := s.challenge(t, r, d1)
	s.challenge(t, r, d2)
	s.challenge(t, untouched, d2)
	c := decide(r, d1, approval.Approve)
	c.Spend = &ch
	if err := s.Requests.UpdateRequest(ctx, c); err != nil {
		t.Fatal(err)
	}
	for _, d := range []device.Device{d1, d2} {
		if _, err := s.Challenges.Challenge(ctx, r.ID, d.ID); !errors.Is(err, approval.ErrChallenge) {
			t.Errorf("got %v, want ErrChallenge", err)
		}
	}
	if _, err := s.Challenges.Challenge(ctx, untouched.ID, d2.ID); err != nil {
		t.Errorf("another request's challenge: %v", err)
	}
	if err := s.Challenges.SaveChallenge(ctx, ch); !errors.Is(err, approval.ErrConflict) {
		t.Errorf("a challenge for what is settled: got %v, want ErrConflict", err)
	}
}

// revokedMeanwhile: of the two either is first, and neither waits for the other
// for ever.
func revokedMeanwhile(t *testing.T, s Stores) {
	ctx := t.Context()
	for range 16 { // a race that is lost only now and then
		r, d := s.fresh(t)
		ch := s.challenge(t, r, d)
		c := decide(r, d, approval.Approve)
		c.Spend = &ch
		errs := devicetest.Race(2, func(i int) error {
			if i == 0 {
				return s.Requests.UpdateRequest(ctx, c)
			}
			return s.People.Devices.RevokeDevice(ctx, d.ID, devicetest.Admin)
		})
		if errs[0] != nil && !errors.Is(errs[0], approval.ErrConflict) {
			t.Errorf("the decision: got %v, want nil or ErrConflict", errs[0])
		}
		if errs[1] != nil {
			t.Errorf("the revocation: %v", errs[1])
		}
	}
}

// revokedDecidesNothing: a device that is revoked while its answer is on the way
// has lost its challenge, and gets no other.
func revokedDecidesNothing(t *testing.T, s Stores) {
	ctx := t.Context()
	r, d := s.fresh(t)
	ch := s.challenge(t, r, d)
	if err := s.People.Devices.RevokeDevice(ctx, d.ID, devicetest.Admin); err != nil {
		t.Fatal(err)
	}
	c := decide(r, d, approval.Approve)
	c.Spend = &ch
	if err := s.Requests.UpdateRequest(ctx, c); !errors.Is(err, approval.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if err := s.Challenges.SaveChallenge(ctx, ch); !errors.Is(err, approval.ErrConflict) {
		t.Errorf("a new challenge: got %v, want ErrConflict", err)
	}
	_, stranger := s.fresh(t)
	ch.Device = stranger.ID
	if err := s.Challenges.SaveChallenge(ctx, ch); !errors.Is(err, approval.ErrConflict) {
		t.Errorf("a stranger's device: got %v, want ErrConflict", err)
	}
}

func signCountMovesOnce(t *testing.T, s Stores) {
	ctx := t.Context()
	u := s.People.NewUser(t, "corp", "A")
	d := s.People.NewDevice(t, u, s.People.Session(t), Start)
	cred := s.credential(t, d)
	use := device.CredentialUse{ID: cred.ID, Before: cred.SignCount, SignCount: cred.SignCount + 1, BackedUp: true}
	var requests []approval.Request
	for range 8 {
		requests = append(requests, s.create(t, Request(u.ID)))
	}
	errs := devicetest.Race(len(requests), func(i int) error {
		c := decide(requests[i], d, approval.Approve)
		c.Used = &use
		return s.Requests.UpdateRequest(ctx, c)
	})
	devicetest.OneWins(t, errs, approval.ErrConflict)
	for i, r := range requests {
		want := approval.Pending
		if errs[i] == nil {
			want = approval.Approved
		}
		if got := s.get(t, r.ID).State; got != want {
			t.Errorf("request %d is %s, want %s", i, got, want)
		}
	}
	if got := s.credential(t, d); got.SignCount != use.SignCount || !got.BackedUp {
		t.Errorf("got counter %d, backed up %v", got.SignCount, got.BackedUp)
	}
}

func (s Stores) credential(t testing.TB, d device.Device) device.Credential {
	t.Helper()
	creds, err := s.People.Devices.CredentialsOf(t.Context(), d.ID)
	if err != nil || len(creds) != 1 {
		t.Fatalf("got %d passkeys, %v", len(creds), err)
	}
	return creds[0]
}

func triesCounted(t *testing.T, s Stores) {
	ctx := t.Context()
	r, _ := s.fresh(t)
	now := Start.Add(1)
	const guesses = 8
	for _, err := range devicetest.Race(guesses, func(int) error { return s.chargeUntilTaken(t, r.ID) }) {
		if err != nil {
			t.Error(err)
		}
	}
	if got := s.get(t, r.ID); got.Code.Tries != guesses || got.Version != guesses {
		t.Errorf("got %d tries at version %d, want %d", got.Code.Tries, got.Version, guesses)
	}
	n, last, err := s.Failures.CodeFailures(ctx, r.UserID)
	if err != nil || n != guesses || last.After(now) || !last.Equal(Start) {
		t.Errorf("got %d failures, the last at %v, %v", n, last, err)
	}
	if err := s.Failures.ForgiveCode(ctx, r.UserID); err != nil {
		t.Fatal(err)
	}
	if n, _, err := s.Failures.CodeFailures(ctx, r.UserID); err != nil || n != 0 {
		t.Errorf("got %d failures after a right code, %v", n, err)
	}
	if got := s.get(t, r.ID).Code.Tries; got != guesses {
		t.Errorf("a right code took the request's tries back to %d", got)
	}
}

// chargeUntilTaken charges one try, as the service does when it loses a race.
func (s Stores) chargeUntilTaken(t testing.TB, id approval.RequestID) error {
	for {
		next, err := s.Requests.Request(t.Context(), id)
		if err != nil {
			return err
		}
		next.Code.Tries++
		if err = s.Failures.ChargeCode(t.Context(), next, Start); !errors.Is(err, approval.ErrConflict) {
			return err
		}
	}
}

func settledTakesNoTry(t *testing.T, s Stores) {
	ctx := t.Context()
	r, d := s.fresh(t)
	if err := s.Requests.UpdateRequest(ctx, decide(r, d, approval.Deny)); err != nil {
		t.Fatal(err)
	}
	for _, version := range []int{r.Version, r.Version + 1} {
		next := r
		next.Code.Tries, next.Version = 1, version
		if err := s.Failures.ChargeCode(ctx, next, Start); !errors.Is(err, approval.ErrConflict) {
			t.Errorf("at version %d: got %v, want ErrConflict", version, err)
		}
	}
	if n, _, err := s.Failures.CodeFailures(ctx, r.UserID); err != nil || n != 0 {
		t.Errorf("got %d failures, %v, want none", n, err)
	}
}

func evidenceKept(t *testing.T, s Stores) {
	ctx := t.Context()
	r, d := s.fresh(t)
	c := decide(r, d, approval.Approve)
	c.Evidence = &approval.Evidence{Request: r.ID, JWS: "eyJ.eyJ.c2ln", At: Start}
	if err := s.Requests.UpdateRequest(ctx, c); err != nil {
		t.Fatal(err)
	}
	got, err := s.Evidence.Evidence(ctx, r.ID)
	if diff := cmp.Diff(*c.Evidence, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	if _, err := s.Evidence.Evidence(ctx, "none"); !errors.Is(err, approval.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}
