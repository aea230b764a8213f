package devicetest

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// Stores is the ports of package device, all on one database.
type Stores struct {
	Users       device.Users
	Devices     device.Devices
	Enrollments device.Enrollments
	Ceremonies  device.Ceremonies
	Lifecycle   device.Lifecycle
	Gestures    device.Gestures
	Passkeys    device.Passkeys
	Addresses   device.Addresses
	HintTokens  device.HintTokens
	UserCodes   device.UserCodes
	// Session makes a session and returns its id.
	Session func(t testing.TB) string
	// SessionDevices returns the devices that a session stands for.
	SessionDevices func(t testing.TB, session string) []device.Device
	// Told returns the addresses for which a job stands that says this device
	// changed, in the order in which the jobs were stored.
	Told func(t testing.TB, changed device.DeviceID) []push.AddressID
	// Tested returns the addresses for which a job stands that tests this device,
	// in the same order.
	Tested func(t testing.TB, d device.DeviceID) []push.AddressID
}

// Start is when the samples begin. Stores keep microseconds, in UTC.
var Start = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// Admin is who does what no device did.
var Admin = device.Actor{Kind: device.ActorAdmin, ID: "aiko"}

// RunStore checks what every implementation of the ports must do. Open returns
// stores on an empty database of its own each time.
func RunStore(t *testing.T, open func(t *testing.T) Stores) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Stores)
	}{
		{"a subject of an OP is one user", oneUserASubject},
		{"users are listed by OP and name", usersListed},
		{"a hint means one user of one OP", hintMeansOne},
		{"a subject wins over a hint", subjectWins},
		{"an enrollment is kept whole", enrollmentKept},
		{"a secret is claimed once", claimedOnce},
		{"an enrollment is completed once", completedOnce},
		{"completing is all or nothing", completingIsWhole},
		{"enrollments fall due in order", enrollmentsDue},
		{"a ceremony serves once", ceremonyOnce},
		{"a ceremony ends with its enrollment", ceremonyEnds},
		{"devices are listed oldest first", devicesListed},
		{"a device is renamed", deviceRenamed},
		{"revoking ends a device", revoking},
		{"a session stands for one device a user", oneDeviceASession},
		{"a cooling device is seen by its session", coolingKept},
		{"a user's devices are counted when one is added", devicesCounted},
		{"cooling ends once", coolingEndsOnce},
		{"only what cools is activated or cancelled", coolingOnly},
		{"cooling devices fall due in order", coolingDue},
		{"losing a device takes the passkey's counter along", losing},
		{"the active devices hear of every change", activeAreTold},
		{"a gesture serves once", gestureOnce},
		{"a gesture serves its purpose, in its time", gestureBounds},
		{"a passkey is found by its name", passkeyFound},
		{"a code means a device once", hintOnce},
		{"a code is for its OP, in its time", hintBounds},
		{"a code gives one reference to its device", hintGivesRef},
		{"two codes of a device are good", twoHintsLive},
		{"codes need a grant", hintsNeedGrant},
		{"revoking ends a device's codes", revokingEndsHints},
		{"an address is kept whole, and refreshed", addressKept},
		{"a target moves to who holds it now", targetMoves},
		{"the stalest address gives way", addressGivesWay},
		{"a revoked device has no address", addressNeedsDevice},
		{"an address is dropped by its device", addressDropped},
		{"a target is one address of a device", addedAtOnce},
		{"a test goes to each address, and to a new one by itself", addressesTested},
		{"tests by themselves are bounded", testsAreBounded},
		{"an address is doubted until it is said anew", addressDoubted},
		{"a user's code is kept, replaced and cleared", userCodeKept},
		{"a passkey that signs for a code counts once", userCodeMovesPasskey},
		{"tries of a code are kept for user and client", codeTriesKept},
		{"of two charges from one version one is stored", codeChargedByOne},
		{"text that cannot be stored is not found", oddText},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// NewUser stores a user of op.
func (s Stores) NewUser(t testing.TB, op, name string) device.User {
	t.Helper()
	u := device.User{ID: device.UserID(rand.Text()), OP: op, Subject: "sub-" + rand.Text(), Name: name, CreatedAt: Start}
	if err := s.Users.CreateUser(t.Context(), u, Admin); err != nil {
		t.Fatal(err)
	}
	return u
}

// NewDevice pairs a device with u, at the time at, in a session.
func (s Stores) NewDevice(t testing.TB, u device.User, session string, at time.Time) device.Device {
	t.Helper()
	e := s.confirmed(t, u, session)
	done := finish(e, at)
	done.Had = s.had(t, u)
	if err := s.Enrollments.CompleteEnrollment(t.Context(), done, Admin); err != nil {
		t.Fatal(err)
	}
	return done.Device
}

// had is how many devices u has, but the revoked.
func (s Stores) had(t testing.TB, u device.User) (n int) {
	t.Helper()
	devices, err := s.Devices.DevicesOf(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		if d.State != device.Revoked {
			n++
		}
	}
	return n
}

// offer stores a fresh enrollment.
func (s Stores) offer(t testing.TB, u device.User, expires time.Time) device.Enrollment {
	t.Helper()
	hash := sha256.Sum256([]byte(rand.Text()))
	e := device.Enrollment{
		ID: device.EnrollmentID(rand.Text()), User: u.ID, SecretHash: hash[:], State: device.Offered,
		OfferedBy: Admin, CreatedAt: Start, ExpiresAt: expires,
	}
	if err := s.Enrollments.CreateEnrollment(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// confirmed stores an enrollment that waits for its passkey.
func (s Stores) confirmed(t testing.TB, u device.User, session string) device.Enrollment {
	t.Helper()
	e := s.offer(t, u, Start.Add(device.OfferLife))
	for _, ev := range []device.EnrollmentEvent{
		device.ClaimedBy{Session: session, DeviceName: "phone", MatchCode: "123"}, device.ConfirmedBy{MatchCode: "123"},
	} {
		next, err := e.Step(ev, Start)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Enrollments.UpdateEnrollment(t.Context(), next, Admin); err != nil {
			t.Fatal(err)
		}
		e = next
		e.Version++
	}
	return e
}

// finish returns e completed with a sample device and passkey, as the user's
// first.
func finish(e device.Enrollment, at time.Time) device.Completion {
	d := device.Device{
		ID: device.DeviceID(rand.Text()), User: e.User, Enrollment: e.ID, Name: e.DeviceName,
		State: device.Active, CreatedAt: at,
	}
	d.Addresses = []push.Address{{
		ID: push.AddressID(rand.Text()), Channel: push.WebSocket, Target: push.Target("target-" + rand.Text()),
	}}
	c := device.Credential{
		ID: device.CredentialID(rand.Text()), Device: d.ID, WebAuthnID: []byte(rand.Text()), PublicKey: []byte("cose"),
		AAGUID: make([]byte, 16), Attestation: "none", SignCount: 1, BackupEligible: true, Transports: []string{"internal"},
		CreatedAt: at, Attested: device.Attested{At: at, Model: "a security key", Keys: device.KeyHardware},
	}
	e.State, e.Device = device.Completed, d.ID
	return device.Completion{Next: e, Device: d, Passkey: c}
}

// Race calls try n times at once and returns what came of each.
func Race(n int, try func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = try(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// OneWins checks that one of errs is nil and all others are lost.
func OneWins(t testing.TB, errs []error, lost error) {
	t.Helper()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, lost):
			t.Errorf("got %v, want %v", err, lost)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d won, want 1", won, len(errs))
	}
}

func oneUserASubject(t *testing.T, s Stores) {
	ctx := t.Context()
	errs := Race(8, func(i int) error {
		return s.Users.CreateUser(ctx, device.User{
			ID: device.UserID(fmt.Sprint("u", i)), OP: "corp", Subject: "s1", CreatedAt: Start,
		}, Admin)
	})
	OneWins(t, errs, device.ErrUserExists)
	err := s.Users.CreateUser(ctx, device.User{ID: "other", OP: "shop", Subject: "s1", CreatedAt: Start}, Admin)
	if err != nil {
		t.Errorf("the same subject at another OP: %v", err)
	}
	got, err := s.Users.User(ctx, "other")
	if want := (device.User{ID: "other", OP: "shop", Subject: "s1", CreatedAt: Start}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := s.Users.User(ctx, "nobody"); !errors.Is(err, device.ErrUnknownUser) {
		t.Errorf("got %v, want ErrUnknownUser", err)
	}
}

func usersListed(t *testing.T, s Stores) {
	for _, u := range []struct{ op, name string }{{"shop", "Bo"}, {"corp", "Cy"}, {"corp", "Al"}} {
		s.NewUser(t, u.op, u.name)
	}
	for op, want := range map[string][]string{"": {"Al", "Cy", "Bo"}, "corp": {"Al", "Cy"}, "none": nil} {
		users, err := s.Users.ListUsers(t.Context(), op)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, u := range users {
			names = append(names, u.Name)
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("users of %q: %s", op, diff)
		}
	}
}

func hintMeansOne(t *testing.T, s Stores) {
	ctx, h := t.Context(), device.Hint{Kind: "email", Value: "aiko@example.org"}
	a, b, elsewhere := s.NewUser(t, "corp", "A"), s.NewUser(t, "corp", "B"), s.NewUser(t, "shop", "C")
	if err := s.Users.AddHint(ctx, a, h, Admin); err != nil {
		t.Fatal(err)
	}
	if err := s.Users.AddHint(ctx, a, h, Admin); err != nil {
		t.Errorf("the same hint again: %v", err)
	}
	if err := s.Users.AddHint(ctx, b, h, Admin); !errors.Is(err, device.ErrHintTaken) {
		t.Errorf("got %v, want ErrHintTaken", err)
	}
	if err := s.Users.AddHint(ctx, elsewhere, h, Admin); err != nil {
		t.Errorf("the same hint at another OP: %v", err)
	}
	for _, test := range []struct {
		op   string
		hint device.Hint
		want device.UserID
	}{
		{"corp", h, a.ID},
		{"shop", h, elsewhere.ID},
		{"none", h, ""},
		{"corp", device.Hint{Kind: "username", Value: h.Value}, ""},
		{"corp", device.Hint{Kind: "email", Value: "bo@example.org"}, ""},
		{"corp", device.Hint{}, ""},
	} {
		got, err := s.Users.FindUser(ctx, device.Subject{OP: test.op, Hint: test.hint})
		if got.ID != test.want || (test.want == "") != errors.Is(err, device.ErrUnknownUser) {
			t.Errorf("%v at %s: got %q, %v, want %q", test.hint, test.op, got.ID, err, test.want)
		}
	}
}

func subjectWins(t *testing.T, s Stores) {
	ctx, h := t.Context(), device.Hint{Kind: "username", Value: "aiko"}
	a, b := s.NewUser(t, "corp", "A"), s.NewUser(t, "corp", "B")
	if err := s.Users.AddHint(ctx, a, h, Admin); err != nil {
		t.Fatal(err)
	}
	got, err := s.Users.FindUser(ctx, device.Subject{OP: "corp", Sub: b.Subject, Hint: h})
	if err != nil || got != b {
		t.Errorf("got %+v, %v, want %+v", got, err, b)
	}
	// A subject that nobody has must not fall back to who has the name today.
	_, err = s.Users.FindUser(ctx, device.Subject{OP: "corp", Sub: "gone", Hint: h})
	if !errors.Is(err, device.ErrUnknownUser) {
		t.Errorf("got %v, want ErrUnknownUser", err)
	}
}

// oddText: PostgreSQL cannot hold these, so whoever asks for them by a URL must
// hear that there is no such thing, not that Mitome is broken.
func oddText(t *testing.T, s Stores) {
	ctx := t.Context()
	for _, id := range []string{"a\x00b", "\xff"} {
		if _, err := s.Users.User(ctx, device.UserID(id)); !errors.Is(err, device.ErrUnknownUser) {
			t.Errorf("user %q: got %v, want ErrUnknownUser", id, err)
		}
		if _, err := s.Devices.Device(ctx, device.DeviceID(id)); !errors.Is(err, device.ErrDeviceNotFound) {
			t.Errorf("device %q: got %v, want ErrDeviceNotFound", id, err)
		}
		if _, err := s.Enrollments.Enrollment(ctx, device.EnrollmentID(id)); !errors.Is(err, device.ErrEnrollmentNotFound) {
			t.Errorf("enrollment %q: got %v, want ErrEnrollmentNotFound", id, err)
		}
		u := device.User{ID: "u1", OP: "corp", Subject: id, CreatedAt: Start}
		if err := s.Users.CreateUser(ctx, u, Admin); err == nil {
			t.Errorf("user with subject %q was stored", id)
		}
	}
}
