package devicetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// NewCooling pairs a device with u that cools until then.
func (s Stores) NewCooling(t testing.TB, u device.User, session string, until time.Time) device.Device {
	t.Helper()
	c := s.cooling(t, u, session, until)
	if err := s.Enrollments.CompleteEnrollment(t.Context(), c, Admin); err != nil {
		t.Fatal(err)
	}
	return c.Device
}

func (s Stores) cooling(t testing.TB, u device.User, session string, until time.Time) device.Completion {
	t.Helper()
	c := finish(s.confirmed(t, u, session), Start)
	c.Device.State, c.Device.ActiveAt, c.Had = device.Cooling, until, s.had(t, u)
	return c
}

// bys is what an older device does.
func bys(d device.Device) device.Actor {
	return device.Actor{Kind: device.ActorDevice, ID: string(d.ID)}
}

func coolingKept(t *testing.T, s Stores) {
	ctx, u, session := t.Context(), s.NewUser(t, "corp", "A"), s.Session(t)
	want := s.NewCooling(t, u, session, Start.Add(time.Hour))
	got, err := s.Devices.Device(ctx, want.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	if got := s.SessionDevices(t, session); len(got) != 1 || got[0].State != device.Cooling || got[0].MayApprove() {
		t.Errorf("the session stands for %+v, want a device that may not approve", got)
	}
	if d, err := s.Lifecycle.DeviceOfSession(ctx, session, u.ID); err != nil || d.ID != want.ID || d.State != device.Cooling {
		t.Errorf("device of session: got %+v, %v", d, err)
	}
	if _, err := s.Lifecycle.DeviceOfSession(ctx, session, s.NewUser(t, "corp", "B").ID); !errors.Is(err, device.ErrDeviceNotFound) {
		t.Errorf("another user's device of the session: got %v, want ErrDeviceNotFound", err)
	}
	if err := s.Devices.RevokeDevice(ctx, want.ID, Admin); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Devices.Device(ctx, want.ID); err != nil || got.State != device.Revoked || !got.ActiveAt.IsZero() || len(got.Addresses) != 0 {
		t.Errorf("got %+v, %v, want it revoked", got, err)
	}
	for session, u := range map[string]device.UserID{session: u.ID, "none": u.ID, s.Session(t): u.ID} {
		if _, err := s.Lifecycle.DeviceOfSession(ctx, session, u); !errors.Is(err, device.ErrDeviceNotFound) {
			t.Errorf("device of session: got %v, want ErrDeviceNotFound", err)
		}
	}
}

func devicesCounted(t *testing.T, s Stores) {
	ctx := t.Context()
	var u device.User
	for range 4 { // a race that is lost only now and then
		u = s.NewUser(t, "corp", "A")
		var first []device.Completion
		for range 8 {
			first = append(first, finish(s.confirmed(t, u, s.Session(t)), Start))
		}
		errs := Race(len(first), func(i int) error { return s.Enrollments.CompleteEnrollment(ctx, first[i], Admin) })
		OneWins(t, errs, device.ErrEnrollmentChanged) // each was decided on as the first
		if n := s.had(t, u); n != 1 {
			t.Errorf("got %d devices, want 1", n)
		}
	}
	s.NewDevice(t, s.NewUser(t, "corp", "B"), s.Session(t), Start)
	c := s.cooling(t, u, s.Session(t), Start)
	c.Had++
	if err := s.Enrollments.CompleteEnrollment(ctx, c, Admin); !errors.Is(err, device.ErrEnrollmentChanged) {
		t.Errorf("got %v, want ErrEnrollmentChanged", err)
	}
}

func coolingEndsOnce(t *testing.T, s Stores) {
	ctx, u := t.Context(), s.NewUser(t, "corp", "A")
	d := s.NewCooling(t, u, s.Session(t), Start)
	errs := Race(8, func(i int) error {
		if i%2 == 0 {
			return s.Lifecycle.CancelDevice(ctx, d.ID, Admin)
		}
		return s.Lifecycle.ActivateDevice(ctx, d.ID, Admin)
	})
	OneWins(t, errs, device.ErrDeviceChanged)
	got, err := s.Devices.Device(ctx, d.ID)
	if err != nil || got.State == device.Cooling || !got.ActiveAt.IsZero() || (got.State == device.Revoked) != (len(got.Addresses) == 0) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func coolingOnly(t *testing.T, s Stores) {
	ctx, u := t.Context(), s.NewUser(t, "corp", "A")
	active, gone := s.NewDevice(t, u, s.Session(t), Start), s.NewCooling(t, u, s.Session(t), Start)
	if err := s.Devices.RevokeDevice(ctx, gone.ID, Admin); err != nil {
		t.Fatal(err)
	}
	for _, id := range []device.DeviceID{active.ID, gone.ID, "none"} {
		if err := s.Lifecycle.ActivateDevice(ctx, id, Admin); !errors.Is(err, device.ErrDeviceChanged) {
			t.Errorf("activate: got %v, want ErrDeviceChanged", err)
		}
		if err := s.Lifecycle.CancelDevice(ctx, id, Admin); !errors.Is(err, device.ErrDeviceChanged) {
			t.Errorf("cancel: got %v, want ErrDeviceChanged", err)
		}
	}
	if got, err := s.Devices.Device(ctx, active.ID); err != nil || got.State != device.Active {
		t.Errorf("the active one is %s, %v", got.State, err)
	}
	if got, err := s.Devices.Device(ctx, gone.ID); err != nil || got.State != device.Revoked {
		t.Errorf("the revoked one is %s, %v", got.State, err)
	}
}

func coolingDue(t *testing.T, s Stores) {
	ctx, u := t.Context(), s.NewUser(t, "corp", "A")
	late := s.NewCooling(t, u, s.Session(t), Start.Add(3*time.Second))
	early := s.NewCooling(t, u, s.Session(t), Start.Add(time.Second))
	s.NewCooling(t, u, s.Session(t), Start.Add(time.Hour))
	s.NewDevice(t, u, s.Session(t), Start)
	over := s.NewCooling(t, u, s.Session(t), Start.Add(time.Second))
	if err := s.Lifecycle.CancelDevice(ctx, over.ID, Admin); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		now   time.Time
		limit int
		want  []device.DeviceID
	}{
		{Start.Add(time.Minute), 10, []device.DeviceID{early.ID, late.ID}},
		{Start.Add(time.Minute), 1, []device.DeviceID{early.ID}},
		{Start.Add(time.Second), 10, []device.DeviceID{early.ID}}, // at ActiveAt the wait is over
		{Start, 10, nil},
	} {
		due, err := s.Lifecycle.DueDevices(ctx, test.now, test.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []device.DeviceID
		for _, d := range due {
			got = append(got, d.ID)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("due at %v, limit %d: %s", test.now, test.limit, diff)
		}
	}
}

func losing(t *testing.T, s Stores) {
	ctx, u, session := t.Context(), s.NewUser(t, "corp", "A"), s.Session(t)
	by, lost, kept := s.NewDevice(t, u, s.Session(t), Start), s.NewDevice(t, u, session, Start), s.NewDevice(t, u, s.Session(t), Start)
	creds, err := s.Devices.CredentialsOf(ctx, by.ID)
	if err != nil {
		t.Fatal(err)
	}
	use := device.CredentialUse{ID: creds[0].ID, Before: creds[0].SignCount, SignCount: creds[0].SignCount + 1, BackedUp: true}
	if err := s.Lifecycle.LoseDevice(ctx, lost.ID, use, bys(by)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Devices.Device(ctx, lost.ID); err != nil || got.State != device.Revoked {
		t.Errorf("got %s, %v, want revoked", got.State, err)
	}
	if got := s.SessionDevices(t, session); len(got) != 0 {
		t.Errorf("the lost device's session still stands for %d devices", len(got))
	}
	if creds, err = s.Devices.CredentialsOf(ctx, by.ID); err != nil || creds[0].SignCount != use.SignCount || !creds[0].BackedUp {
		t.Errorf("the passkey is %+v, %v, want it moved", creds[0], err)
	}
	// The same signature once more, for another device.
	if err := s.Lifecycle.LoseDevice(ctx, kept.ID, use, bys(by)); !errors.Is(err, device.ErrDeviceChanged) {
		t.Errorf("got %v, want ErrDeviceChanged", err)
	}
	if got, err := s.Devices.Device(ctx, kept.ID); err != nil || got.State != device.Active {
		t.Errorf("got %s, %v, want it as it was", got.State, err)
	}
}

func activeAreTold(t *testing.T, s Stores) {
	ctx, u := t.Context(), s.NewUser(t, "corp", "A")
	old := s.NewDevice(t, u, s.Session(t), Start)
	s.NewDevice(t, s.NewUser(t, "corp", "B"), s.Session(t), Start) // a stranger, who hears nothing
	told := func(what string, d device.Device, want ...device.Device) {
		t.Helper()
		var ids []push.AddressID
		for _, w := range want {
			ids = append(ids, w.Addresses[0].ID)
		}
		if diff := cmp.Diff(ids, s.Told(t, d.ID)); diff != "" {
			t.Errorf("%s (-want +got): %s", what, diff)
		}
	}
	told("the first", old)
	next := s.NewCooling(t, u, s.Session(t), Start.Add(time.Hour))
	told("a new one cools", next, old)
	second := s.NewCooling(t, u, s.Session(t), Start.Add(time.Hour))
	told("another new one: not to the one that cools", second, old)
	if err := s.Lifecycle.CancelDevice(ctx, second.ID, bys(old)); err != nil {
		t.Fatal(err)
	}
	told("it is cancelled", second, old, old)
	third := s.NewCooling(t, u, s.Session(t), Start.Add(time.Hour))
	if err := s.Lifecycle.ActivateDevice(ctx, third.ID, bys(old)); err != nil {
		t.Fatal(err)
	}
	if got := s.Told(t, third.ID); len(got) != 3 { // the old one twice, and now itself
		t.Errorf("told %d addresses of a device that is active now, want 3", len(got))
	}
}
