package approvaltest

import (
	"errors"
	"testing"

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
