package device_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
)

var onPhone = device.Actor{Kind: device.ActorPhone}

func (w *world) offer(t *testing.T, u device.User) device.Offer {
	t.Helper()
	o, err := w.Offer(t.Context(), u.ID, admin)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func claimOf(o device.Offer, session string) device.Claim {
	return device.Claim{Secret: o.Secret, Session: session, DeviceName: session, By: onPhone}
}

func (w *world) claimed(t *testing.T, u device.User, session string) device.Enrollment {
	t.Helper()
	e, err := w.Claim(t.Context(), claimOf(w.offer(t, u), session))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (w *world) confirmed(t *testing.T, u device.User, session string) device.Enrollment {
	t.Helper()
	e := w.claimed(t, u, session)
	e, err := w.Confirm(t.Context(), e.ID, e.MatchCode, admin)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// paired goes the whole way with a session and a passkey of its own.
func (w *world) paired(t *testing.T, u device.User, session string) (device.Device, *devicetest.Authenticator) {
	t.Helper()
	e := w.confirmed(t, u, w.session(t, session))
	options, err := w.BeginPasskey(t.Context(), e.ID, session)
	if err != nil {
		t.Fatal(err)
	}
	key := devicetest.NewAuthenticator(t, rpID, origin, devicetest.ES256)
	d, err := w.FinishPasskey(t.Context(), device.NewPasskey{
		Enrollment: e.ID, Session: session, Response: key.Create(t, options), By: onPhone,
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, key
}

func TestPairingMakesADevice(t *testing.T) {
	w := newWorld(t)
	u := w.user(t, "s-1")
	d, key := w.paired(t, u, "phone")
	stored, err := w.Device(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := device.Device{
		ID: d.ID, User: u.ID, Enrollment: d.Enrollment, Name: "phone", State: device.Active, CreatedAt: w.now,
		Addresses: []push.Address{{ID: d.Addresses[0].ID, Channel: push.WebSocket, Target: push.Target(d.ID)}},
	}
	for name, got := range map[string]device.Device{"returned": d, "stored": stored} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	creds, err := w.db.CredentialsOf(t.Context(), d.ID)
	if err != nil || len(creds) != 1 || string(creds[0].WebAuthnID) != string(key.ID) || creds[0].Device != d.ID {
		t.Errorf("passkeys: %+v, %v", creds, err)
	}
	s, err := w.db.Session(t.Context(), "phone")
	if err != nil || len(s.Devices) != 1 || s.Devices[0].ID != d.ID {
		t.Errorf("the session stands for %+v, %v", s.Devices, err)
	}
	e, err := w.Enrollment(t.Context(), d.Enrollment)
	if err != nil || e.State != device.Completed || e.Device != d.ID {
		t.Errorf("enrollment: %+v, %v", e, err)
	}
}

func TestOfferIsForAKnownUser(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Offer(t.Context(), "nobody", admin); !errors.Is(err, device.ErrUnknownUser) {
		t.Errorf("got %v, want %v", err, device.ErrUnknownUser)
	}
}

func TestOfferSecretIsNotWrittenDown(t *testing.T) {
	w := newWorld(t)
	o := w.offer(t, w.user(t, "s-1"))
	if len(o.Secret) < 26 { // 128 bits in base32
		t.Errorf("secret has %d characters", len(o.Secret))
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("offer", "secret", o.Secret, "offer", o)
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := w.Enrollment(t.Context(), o.Enrollment.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{log.String(), string(raw), fmt.Sprintf("%v %+v %#v", o, o, o), fmt.Sprintf("%+v %s", kept, kept.SecretHash)} {
		if strings.Contains(text, string(o.Secret)) {
			t.Errorf("the secret is in %s", text)
		}
	}
}

func TestClaimSaysTheSameOfEveryDeadSecret(t *testing.T) {
	w := newWorld(t)
	u := w.user(t, "s-1")
	used, late, cancelled := w.offer(t, u), w.offer(t, u), w.offer(t, u)
	if _, err := w.Claim(t.Context(), claimOf(used, "first")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cancel(t.Context(), cancelled.Enrollment.ID, admin); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]device.Offer{"used": used, "cancelled": cancelled, "unknown": {Secret: "nothing"}} {
		if _, err := w.Claim(t.Context(), claimOf(o, "second")); err != device.ErrEnrollmentNotFound {
			t.Errorf("%s: got %v, want exactly %v", name, err, device.ErrEnrollmentNotFound)
		}
	}
	w.now = w.now.Add(device.OfferLife)
	if _, err := w.Claim(t.Context(), claimOf(late, "second")); err != device.ErrEnrollmentNotFound {
		t.Errorf("late: got %v, want exactly %v", err, device.ErrEnrollmentNotFound)
	}
	if e, err := w.Enrollment(t.Context(), used.Enrollment.ID); err != nil || e.Session != "first" {
		t.Errorf("the first claimer lost the place: %+v, %v", e, err)
	}
}

func TestOneOfManyClaimersWins(t *testing.T) {
	w := newWorld(t)
	o := w.offer(t, w.user(t, "s-1"))
	const claimers = 8
	errs := make([]error, claimers)
	var g sync.WaitGroup
	for i := range claimers {
		g.Go(func() { _, errs[i] = w.Claim(t.Context(), claimOf(o, fmt.Sprint("phone", i))) })
	}
	g.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if err != device.ErrEnrollmentNotFound {
			t.Errorf("got %v, want exactly %v", err, device.ErrEnrollmentNotFound)
		}
	}
	if won != 1 {
		t.Errorf("%d claimers won, want 1", won)
	}
}

func TestClaimRefusesNameThatHides(t *testing.T) {
	w := newWorld(t)
	o := w.offer(t, w.user(t, "s-1"))
	c := claimOf(o, "phone")
	c.DeviceName = "phone\u202e"
	if _, err := w.Claim(t.Context(), c); !errors.Is(err, device.ErrName) {
		t.Errorf("got %v, want %v", err, device.ErrName)
	}
	if _, err := w.Claim(t.Context(), claimOf(o, "phone")); err != nil {
		t.Errorf("a slip with the name cost the secret: %v", err)
	}
}

// TestMatchCodesAreOfAMillion: each of the six digits is random, so that somebody
// with the secret cannot hope for the same code.
func TestMatchCodesAreOfAMillion(t *testing.T) {
	w := newWorld(t)
	u := w.user(t, "s-1")
	var at [6]map[byte]bool
	for range 40 {
		for i, digit := range []byte(w.claimed(t, u, "phone").MatchCode) {
			if at[i] == nil {
				at[i] = map[byte]bool{}
			}
			at[i][digit] = true
		}
	}
	for i, digits := range at {
		if len(digits) < 3 { // of ten; by chance once in 10^19 runs
			t.Errorf("digit %d is one of %d", i+1, len(digits))
		}
	}
}

func TestMatchCode(t *testing.T) {
	w := newWorld(t)
	u := w.user(t, "s-1")
	tests := []struct {
		name  string
		typed func(code string) string
		want  error
		state device.EnrollmentState
	}{
		{"right", func(c string) string { return c }, nil, device.Confirmed},
		{"grouped", func(c string) string { return c[:3] + " " + c[3:] }, nil, device.Confirmed},
		{"hyphen", func(c string) string { return c[:3] + "-" + c[3:] }, nil, device.Confirmed},
		{"full width", fullWidth, nil, device.Confirmed},
		{"wrong", func(c string) string { return c[1:] + string('0'+('9'-c[0]+1)%10) }, device.ErrMatchCode, device.Cancelled},
		{"empty", func(string) string { return "" }, device.ErrMatchCode, device.Cancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := w.claimed(t, u, "phone")
			if len(e.MatchCode) != 6 || strings.Trim(e.MatchCode, "0123456789") != "" {
				t.Fatalf("match code %q", e.MatchCode)
			}
			if tt.name == "wrong" && tt.typed(e.MatchCode) == e.MatchCode {
				t.Fatal("the wrong code is right")
			}
			if _, err := w.Confirm(t.Context(), e.ID, tt.typed(e.MatchCode), admin); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if got, err := w.Enrollment(t.Context(), e.ID); err != nil || got.State != tt.state {
				t.Errorf("state is %s, %v; want %s", got.State, err, tt.state)
			}
			if tt.want != nil { // the right code comes too late
				if _, err := w.Confirm(t.Context(), e.ID, e.MatchCode, admin); !errors.Is(err, device.ErrEnrollmentOver) {
					t.Errorf("second try: got %v, want %v", err, device.ErrEnrollmentOver)
				}
			}
		})
	}
}

func fullWidth(code string) string {
	return strings.Map(func(r rune) rune { return r - '0' + '０' }, code)
}

func TestStrangersSeeNoPairing(t *testing.T) {
	w := newWorld(t)
	u := w.user(t, "s-1")
	offered, confirmed := w.offer(t, u).Enrollment, w.confirmed(t, u, "phone")
	for name, who := range map[string]struct {
		id      device.EnrollmentID
		session string
	}{
		"another session": {confirmed.ID, "stranger"}, "no session": {confirmed.ID, ""},
		"no session, nobody claimed": {offered.ID, ""}, "no such pairing": {"nothing", "phone"},
	} {
		calls := map[string]func() error{
			"look":  func() error { _, err := w.ClaimedBy(t.Context(), who.id, who.session); return err },
			"begin": func() error { _, err := w.BeginPasskey(t.Context(), who.id, who.session); return err },
			"finish": func() error {
				_, err := w.FinishPasskey(t.Context(), device.NewPasskey{Enrollment: who.id, Session: who.session})
				return err
			},
		}
		for call, do := range calls {
			if err := do(); !errors.Is(err, device.ErrEnrollmentNotFound) {
				t.Errorf("%s, %s: got %v, want %v", name, call, err, device.ErrEnrollmentNotFound)
			}
		}
	}
	if e, err := w.ClaimedBy(t.Context(), confirmed.ID, "phone"); err != nil || e.State != device.Confirmed {
		t.Errorf("its own session: %+v, %v", e, err)
	}
}

func TestPasskeyOnlyWhenConfirmed(t *testing.T) {
	w := newWorld(t)
	u := w.user(t, "s-1")
	claimed, late, cancelled := w.claimed(t, u, "phone"), w.confirmed(t, u, "phone"), w.confirmed(t, u, "phone")
	if _, err := w.Cancel(t.Context(), cancelled.ID, admin); err != nil {
		t.Fatal(err)
	}
	check := func(name string, id device.EnrollmentID, want error) {
		t.Helper()
		if _, err := w.BeginPasskey(t.Context(), id, "phone"); !errors.Is(err, want) {
			t.Errorf("%s, begin: got %v, want %v", name, err, want)
		}
		_, err := w.FinishPasskey(t.Context(), device.NewPasskey{Enrollment: id, Session: "phone", Response: []byte("{}")})
		if !errors.Is(err, want) {
			t.Errorf("%s, finish: got %v, want %v", name, err, want)
		}
	}
	check("claimed", claimed.ID, device.ErrEnrollmentStep)
	check("cancelled", cancelled.ID, device.ErrEnrollmentOver)
	w.now = w.now.Add(device.ClaimLife)
	check("late", late.ID, device.ErrEnrollmentOver)
}

func TestRegistrationChallengeServesOnce(t *testing.T) {
	w := newWorld(t)
	e := w.confirmed(t, w.user(t, "s-1"), w.session(t, "phone"))
	key := devicetest.NewAuthenticator(t, rpID, origin, devicetest.ES256)
	finish := func(response []byte) error {
		_, err := w.FinishPasskey(t.Context(), device.NewPasskey{Enrollment: e.ID, Session: "phone", Response: response, By: onPhone})
		return err
	}
	begin := func() json.RawMessage {
		options, err := w.BeginPasskey(t.Context(), e.ID, "phone")
		if err != nil {
			t.Fatal(err)
		}
		return options
	}
	first := begin()
	if err := finish(key.Create(t, first, devicetest.WithoutUV())); !errors.Is(err, device.ErrPasskey) {
		t.Errorf("unverified: got %v, want %v", err, device.ErrPasskey)
	}
	if err := finish(key.Create(t, first)); !errors.Is(err, device.ErrPasskey) {
		t.Errorf("same challenge again: got %v, want %v", err, device.ErrPasskey)
	}
	stale := begin()
	begin()
	if err := finish(key.Create(t, stale)); !errors.Is(err, device.ErrPasskey) {
		t.Errorf("replaced challenge: got %v, want %v", err, device.ErrPasskey)
	}
	fresh := begin()
	if err := finish(key.Create(t, fresh)); err != nil {
		t.Errorf("after failures: %v", err)
	}
	if err := finish(key.Create(t, fresh)); !errors.Is(err, device.ErrEnrollmentOver) {
		t.Errorf("completed: got %v, want %v", err, device.ErrEnrollmentOver)
	}
}

func TestExpireEnrollments(t *testing.T) {
	w := newWorld(t)
	u := w.user(t, "s-1")
	offered, claimed := w.offer(t, u).Enrollment, w.claimed(t, u, "phone")
	w.now = w.now.Add(device.OfferLife)
	if n, err := w.ExpireEnrollments(t.Context(), 10); err != nil || n != 1 {
		t.Errorf("ended %d, %v; want 1", n, err)
	}
	stored := func(id device.EnrollmentID) device.EnrollmentState {
		e, err := w.db.Enrollment(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return e.State
	}
	if stored(offered.ID) != device.Expired || stored(claimed.ID) != device.Claimed {
		t.Errorf("offered is %s, claimed is %s", stored(offered.ID), stored(claimed.ID))
	}
	w.now = w.now.Add(device.ClaimLife)
	if e, err := w.Enrollment(t.Context(), claimed.ID); err != nil || e.State != device.Expired {
		t.Errorf("late and not swept: shows %s, %v", e.State, err)
	}
	if n, err := w.ExpireEnrollments(t.Context(), 10); err != nil || n != 1 {
		t.Errorf("ended %d, %v; want 1", n, err)
	}
	if n, err := w.ExpireEnrollments(t.Context(), 10); err != nil || n != 0 {
		t.Errorf("ended %d more, %v", n, err)
	}
}
