package devicetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/device"
)

func enrollmentKept(t *testing.T, s Stores) {
	ctx := t.Context()
	want := s.offer(t, s.NewUser(t, "corp", "A"), Start.Add(time.Minute))
	got, err := s.Enrollments.Enrollment(ctx, want.ID)
	if diff := cmp.Diff(want, got, cmp.Comparer(sameActor)); err != nil || diff != "" {
		t.Errorf("by id: %v, %s", err, diff)
	}
	got, err = s.Enrollments.EnrollmentBySecret(ctx, want.SecretHash)
	if diff := cmp.Diff(want, got, cmp.Comparer(sameActor)); err != nil || diff != "" {
		t.Errorf("by secret: %v, %s", err, diff)
	}
	if _, err := s.Enrollments.EnrollmentBySecret(ctx, []byte("other")); !errors.Is(err, device.ErrEnrollmentNotFound) {
		t.Errorf("got %v, want ErrEnrollmentNotFound", err)
	}
	again := want
	again.ID = "another"
	if err := s.Enrollments.CreateEnrollment(ctx, again); err == nil {
		t.Error("one secret was stored for two enrollments")
	}
}

func sameActor(a, b device.Actor) bool { return a == b }

func claimedOnce(t *testing.T, s Stores) {
	ctx := t.Context()
	e := s.offer(t, s.NewUser(t, "corp", "A"), Start.Add(time.Minute))
	errs := Race(8, func(i int) error {
		next, err := e.Step(device.ClaimedBy{Session: fmt.Sprint("s", i), DeviceName: "phone", MatchCode: fmt.Sprint(i)}, Start)
		if err != nil {
			return err
		}
		return s.Enrollments.UpdateEnrollment(ctx, next, Admin)
	})
	OneWins(t, errs, device.ErrEnrollmentChanged)
	winner := slices.Index(errs, nil)
	got, err := s.Enrollments.Enrollment(ctx, e.ID)
	if err != nil || got.Session != fmt.Sprint("s", winner) || got.State != device.Claimed || got.Version != 1 {
		t.Errorf("got %+v, %v, want claimed by s%d at version 1", got, err, winner)
	}
}

func completedOnce(t *testing.T, s Stores) {
	ctx := t.Context()
	u, session := s.NewUser(t, "corp", "A"), s.Session(t)
	e := s.confirmed(t, u, session)
	errs := Race(8, func(int) error {
		return s.Enrollments.CompleteEnrollment(ctx, finish(e, Start), Admin)
	})
	OneWins(t, errs, device.ErrEnrollmentChanged)
	devices, err := s.Devices.DevicesOf(ctx, u.ID)
	if err != nil || len(devices) != 1 {
		t.Errorf("got %d devices, %v, want 1", len(devices), err)
	}
	if got := s.SessionDevices(t, session); len(got) != 1 || got[0].ID != devices[0].ID || got[0].User != u.ID {
		t.Errorf("the session stands for %+v, want the new device", got)
	}
}

func completingIsWhole(t *testing.T, s Stores) {
	ctx := t.Context()
	u, session := s.NewUser(t, "corp", "A"), s.Session(t)
	taken := finish(s.confirmed(t, u, session), Start)
	if err := s.Enrollments.CompleteEnrollment(ctx, taken, Admin); err != nil {
		t.Fatal(err)
	}
	other, elsewhere := s.NewUser(t, "corp", "B"), s.Session(t)
	e := s.confirmed(t, other, elsewhere)
	next := finish(e, Start)
	next.Passkey.WebAuthnID = taken.Passkey.WebAuthnID // WebAuthn §7.1 step 26
	if err := s.Enrollments.CompleteEnrollment(ctx, next, Admin); !errors.Is(err, device.ErrPasskey) {
		t.Errorf("a passkey that is registered already: got %v, want ErrPasskey", err)
	}
	if devices, err := s.Devices.DevicesOf(ctx, other.ID); err != nil || len(devices) != 0 {
		t.Errorf("a refused pairing left %d devices, %v", len(devices), err)
	}
	if got, err := s.Enrollments.Enrollment(ctx, e.ID); err != nil || got.State != device.Confirmed {
		t.Errorf("a refused pairing is %s, %v, want confirmed", got.State, err)
	}
	if got := s.SessionDevices(t, elsewhere); len(got) != 0 {
		t.Errorf("a refused pairing gave its session %d devices", len(got))
	}
	creds, err := s.Devices.CredentialsOf(ctx, taken.Device.ID)
	if diff := cmp.Diff([]device.Credential{taken.Passkey}, creds); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
}

func enrollmentsDue(t *testing.T, s Stores) {
	ctx, u := t.Context(), s.NewUser(t, "corp", "A")
	late := s.offer(t, u, Start.Add(3*time.Second))
	early := s.offer(t, u, Start.Add(time.Second))
	s.offer(t, u, Start.Add(time.Hour))
	over := s.offer(t, u, Start.Add(time.Second))
	over.State = device.Cancelled
	if err := s.Enrollments.UpdateEnrollment(ctx, over, Admin); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		now   time.Time
		limit int
		want  []device.EnrollmentID
	}{
		{Start.Add(time.Minute), 10, []device.EnrollmentID{early.ID, late.ID}},
		{Start.Add(time.Minute), 1, []device.EnrollmentID{early.ID}},
		{Start.Add(time.Second), 10, []device.EnrollmentID{early.ID}}, // at ExpiresAt it is over
		{Start, 10, nil},
	} {
		due, err := s.Enrollments.DueEnrollments(ctx, test.now, test.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []device.EnrollmentID
		for _, e := range due {
			got = append(got, e.ID)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("due at %v, limit %d: %s", test.now, test.limit, diff)
		}
	}
}

func ceremonyOnce(t *testing.T, s Stores) {
	ctx := t.Context()
	e := s.confirmed(t, s.NewUser(t, "corp", "A"), s.Session(t))
	for _, data := range []string{"first", "second"} {
		if err := s.Ceremonies.SaveCeremony(ctx, e.ID, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	errs := Race(8, func(int) error {
		got, err := s.Ceremonies.TakeCeremony(ctx, e.ID)
		if err == nil && string(got) != "second" {
			t.Errorf("got %q, want the second", got)
		}
		return err
	})
	OneWins(t, errs, device.ErrPasskey)
}

func ceremonyEnds(t *testing.T, s Stores) {
	ctx := t.Context()
	e := s.confirmed(t, s.NewUser(t, "corp", "A"), s.Session(t))
	if err := s.Ceremonies.SaveCeremony(ctx, e.ID, []byte("data")); err != nil {
		t.Fatal(err)
	}
	e.State = device.Cancelled
	if err := s.Enrollments.UpdateEnrollment(ctx, e, Admin); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ceremonies.TakeCeremony(ctx, e.ID); !errors.Is(err, device.ErrPasskey) {
		t.Errorf("got %v, want ErrPasskey", err)
	}
}

func devicesListed(t *testing.T, s Stores) {
	ctx, u := t.Context(), s.NewUser(t, "corp", "A")
	second := s.NewDevice(t, u, s.Session(t), Start.Add(time.Hour))
	oldest := s.NewDevice(t, u, s.Session(t), Start)
	s.NewDevice(t, s.NewUser(t, "corp", "B"), s.Session(t), Start)
	got, err := s.Devices.DevicesOf(ctx, u.ID)
	if diff := cmp.Diff([]device.Device{oldest, second}, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	one, err := s.Devices.Device(ctx, second.ID)
	if diff := cmp.Diff(second, one); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	if none, err := s.Devices.DevicesOf(ctx, ""); err != nil || len(none) != 0 {
		t.Errorf("nobody has %d devices, %v", len(none), err)
	}
}

func deviceRenamed(t *testing.T, s Stores) {
	ctx := t.Context()
	d := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), Start)
	if err := s.Devices.RenameDevice(ctx, d.ID, "work phone", Admin); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Devices.Device(ctx, d.ID); err != nil || got.Name != "work phone" {
		t.Errorf("got %q, %v", got.Name, err)
	}
	if err := s.Devices.RenameDevice(ctx, "none", "x", Admin); !errors.Is(err, device.ErrDeviceNotFound) {
		t.Errorf("got %v, want ErrDeviceNotFound", err)
	}
}

func revoking(t *testing.T, s Stores) {
	ctx, u, session := t.Context(), s.NewUser(t, "corp", "A"), s.Session(t)
	d := s.NewDevice(t, u, session, Start)
	for range 2 {
		if err := s.Devices.RevokeDevice(ctx, d.ID, Admin); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Devices.Device(ctx, d.ID)
	if err != nil || got.State != device.Revoked || got.RevokedAt.IsZero() || len(got.Addresses) != 0 {
		t.Errorf("got %+v, %v, want revoked, without addresses", got, err)
	}
	if got := s.SessionDevices(t, session); len(got) != 0 {
		t.Errorf("the session still stands for %d devices", len(got))
	}
	if got, err := s.Devices.DevicesOf(ctx, u.ID); err != nil || len(got) != 1 {
		t.Errorf("got %d devices, %v, want the revoked one listed", len(got), err)
	}
	if err := s.Devices.RevokeDevice(ctx, "none", Admin); !errors.Is(err, device.ErrDeviceNotFound) {
		t.Errorf("got %v, want ErrDeviceNotFound", err)
	}
}

func oneDeviceASession(t *testing.T, s Stores) {
	session, a, b := s.Session(t), s.NewUser(t, "corp", "A"), s.NewUser(t, "shop", "A")
	first := s.NewDevice(t, a, session, Start)
	again := s.NewDevice(t, a, session, Start.Add(time.Hour))
	other := s.NewDevice(t, b, session, Start.Add(2*time.Hour))
	var got []device.DeviceID
	for _, d := range s.SessionDevices(t, session) {
		got = append(got, d.ID)
	}
	if diff := cmp.Diff([]device.DeviceID{again.ID, other.ID}, got); diff != "" {
		t.Error(diff)
	}
	// Nobody can act by the first any more, so it must not count as a device
	// that a request could be put to.
	if d, err := s.Devices.Device(t.Context(), first.ID); err != nil || d.State != device.Revoked {
		t.Errorf("the phone's earlier device: got %s, %v, want revoked", d.State, err)
	}
}
