package device_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// family is a user with an active device, a cooling one, and a stranger.
type family struct {
	*world
	user                   device.User
	active, spare, cooling device.Device
	stranger               device.Device
	key, coolingKey        *devicetest.Authenticator // of active and cooling
}

func newFamily(t *testing.T) *family {
	t.Helper()
	f := &family{world: newWorld(t)}
	f.user = f.world.user(t, "s-1")
	f.active, f.key = f.pairedBy(t, f.user, f.session(t, "active"), admin)
	f.spare, _ = f.pairedBy(t, f.user, f.session(t, "spare"), admin)
	f.cooling, f.coolingKey = f.pairedBy(t, f.user, f.session(t, "cooling"), desk(f.user))
	f.stranger, _ = f.pairedBy(t, f.world.user(t, "s-2"), f.session(t, "stranger"), admin)
	return f
}

// TestOwnDevices: what each kind of caller can do to each kind of device, and
// what is left of it.
func TestOwnDevices(t *testing.T) {
	type do func(f *family, ctx context.Context, c device.Caller, id device.DeviceID) error
	var (
		rename do = func(f *family, ctx context.Context, c device.Caller, id device.DeviceID) error {
			return f.RenameOwn(ctx, c, id, "other name")
		}
		revoke do = func(f *family, ctx context.Context, c device.Caller, id device.DeviceID) error {
			return f.RevokeOwn(ctx, c, id)
		}
		confirm do = func(f *family, ctx context.Context, c device.Caller, id device.DeviceID) error {
			return f.ConfirmDevice(ctx, c, id)
		}
		cancel do = func(f *family, ctx context.Context, c device.Caller, id device.DeviceID) error {
			return f.CancelDevice(ctx, c, id)
		}
		lose do = func(f *family, ctx context.Context, c device.Caller, id device.DeviceID) error {
			_, err := f.LostChallenge(ctx, c, id)
			return err
		}
	)
	active := func(f *family) device.Device { return f.active }
	spare := func(f *family) device.Device { return f.spare }
	cooling := func(f *family) device.Device { return f.cooling }
	stranger := func(f *family) device.Device { return f.stranger }
	const a, c, r = device.Active, device.Cooling, device.Revoked
	tests := []struct {
		name   string
		by, to func(*family) device.Device
		do     do
		want   error
		left   device.State
	}{
		{"renames itself", active, active, rename, nil, a},
		{"renames another", active, spare, rename, nil, a},
		{"revokes itself", active, active, revoke, nil, r},
		{"revokes another active one", active, spare, revoke, device.ErrNotAllowed, a},
		{"revokes a cooling one", active, cooling, revoke, nil, r},
		{"cancels a cooling one", active, cooling, cancel, nil, r},
		{"cancels an active one", active, spare, cancel, device.ErrNotAllowed, a},
		{"confirms a cooling one", active, cooling, confirm, nil, a},
		{"confirms what is active already", active, spare, confirm, nil, a},
		{"confirms itself", active, active, confirm, device.ErrNotAllowed, a},
		{"begins to lose another", active, spare, lose, nil, a},
		{"loses itself", active, active, lose, device.ErrNotAllowed, a},
		{"cooling, renames itself", cooling, cooling, rename, nil, c},
		{"cooling, renames another", cooling, active, rename, device.ErrCooling, a},
		{"cooling, revokes itself", cooling, cooling, revoke, nil, r},
		{"cooling, revokes another", cooling, active, revoke, device.ErrCooling, a},
		{"cooling, confirms itself", cooling, cooling, confirm, device.ErrNotAllowed, c},
		{"cooling, confirms another", cooling, active, confirm, device.ErrCooling, a},
		{"cooling, loses another", cooling, active, lose, device.ErrCooling, a},
		{"stranger, renames", stranger, active, rename, device.ErrDeviceNotFound, a},
		{"stranger, revokes", stranger, active, revoke, device.ErrDeviceNotFound, a},
		{"stranger, confirms", stranger, cooling, confirm, device.ErrDeviceNotFound, c},
		{"stranger, confirms an active one", stranger, active, confirm, device.ErrDeviceNotFound, a},
		{"stranger, cancels", stranger, cooling, cancel, device.ErrDeviceNotFound, c},
		{"stranger, loses", stranger, active, lose, device.ErrDeviceNotFound, a},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFamily(t)
			to := tt.to(f)
			if err := tt.do(f, t.Context(), f.callerOf(t, tt.by(f)), to.ID); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if got := f.stateOf(t, to); got != tt.left {
				t.Errorf("it is %s, want %s", got, tt.left)
			}
			if name := f.nameOf(t, to); (name == "other name") != (tt.want == nil && strings.Contains(tt.name, "rename")) {
				t.Errorf("it is called %q", name)
			}
		})
	}
}

func (w *world) nameOf(t *testing.T, d device.Device) string {
	t.Helper()
	now, err := w.Device(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	return now.Name
}

func TestOwnDevicesAreOfTheCallersUsers(t *testing.T) {
	f := newFamily(t)
	gone, _ := f.pairedBy(t, f.user, f.session(t, "gone"), admin)
	if err := f.Revoke(t.Context(), gone.ID, admin); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		caller device.Caller
		want   []device.Device
	}{
		{"an active one", f.callerOf(t, f.active), []device.Device{f.active, f.spare, f.cooling}},
		{"a cooling one sees itself too", f.callerOf(t, f.cooling), []device.Device{f.active, f.spare, f.cooling}},
		{"two users in one browser", f.callerOf(t, f.stranger, f.spare), []device.Device{f.stranger, f.active, f.spare, f.cooling}},
		{"nobody", device.Caller{}, nil},
	} {
		devices, err := f.OwnDevices(t.Context(), tt.caller)
		var got, want []device.DeviceID
		for _, d := range devices {
			got = append(got, d.ID)
		}
		for _, d := range tt.want {
			want = append(want, d.ID)
		}
		slices.Sort(got) // those of one moment have no order
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, want)
		}
	}
}

// TestCoolingEndsByItself: not a moment early, once, and only where nobody said
// no.
func TestCoolingEndsByItself(t *testing.T) {
	f := newFamily(t)
	f.CoolingOff = time.Hour
	soon, _ := f.pairedBy(t, f.user, f.session(t, "soon"), desk(f.user))
	cancelled, _ := f.pairedBy(t, f.user, f.session(t, "cancelled"), desk(f.user))
	if err := f.CancelDevice(t.Context(), f.callerOf(t, f.active), cancelled.ID); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after         time.Duration
		activated     int
		soon, cooling device.State
	}{
		{time.Hour - time.Microsecond, 0, device.Cooling, device.Cooling},
		{time.Microsecond, 1, device.Active, device.Cooling},
		{0, 0, device.Active, device.Cooling},
		{device.DefaultCoolingOff, 1, device.Active, device.Active},
	} {
		f.now = f.now.Add(step.after)
		n, err := f.ActivateDue(t.Context(), 10)
		if err != nil || n != step.activated || f.stateOf(t, soon) != step.soon || f.stateOf(t, f.cooling) != step.cooling {
			t.Errorf("got %d, %v, %s and %s; want %+v", n, err, f.stateOf(t, soon), f.stateOf(t, f.cooling), step)
		}
	}
	if got := f.stateOf(t, cancelled); got != device.Revoked {
		t.Errorf("the cancelled one is %s", got)
	}
}

// hasty is a lifecycle in which somebody says no just after the sweeper has
// looked.
type hasty struct {
	device.Lifecycle
	cancel device.DeviceID
}

func (h hasty) DueDevices(ctx context.Context, now time.Time, limit int) ([]device.Device, error) {
	due, err := h.Lifecycle.DueDevices(ctx, now, limit)
	return due, errors.Join(err, h.Lifecycle.CancelDevice(ctx, h.cancel, admin))
}

func TestCoolingEndsWhileItIsCancelled(t *testing.T) {
	f := newFamily(t)
	other, _ := f.pairedBy(t, f.user, f.session(t, "other"), desk(f.user))
	f.now = f.now.Add(device.DefaultCoolingOff)
	f.Lifecycle = hasty{f.db, f.cooling.ID}
	n, err := f.ActivateDue(t.Context(), 10)
	if err != nil || n != 1 || f.stateOf(t, f.cooling) != device.Revoked || f.stateOf(t, other) != device.Active {
		t.Errorf("got %d, %v, %s and %s; want the other one activated", n, err, f.stateOf(t, f.cooling), f.stateOf(t, other))
	}
}

func TestAdministratorActivates(t *testing.T) {
	f := newFamily(t)
	for range 2 {
		if err := f.Activate(t.Context(), f.cooling.ID, admin); err != nil || f.stateOf(t, f.cooling) != device.Active {
			t.Errorf("got %v, %s", err, f.stateOf(t, f.cooling))
		}
	}
	if err := f.Revoke(t.Context(), f.spare.ID, admin); err != nil {
		t.Fatal(err)
	}
	if err := f.Activate(t.Context(), f.spare.ID, admin); !errors.Is(err, device.ErrDeviceChanged) {
		t.Errorf("a revoked one: got %v, want %v", err, device.ErrDeviceChanged)
	}
	if err := f.Activate(t.Context(), "none", admin); !errors.Is(err, device.ErrDeviceNotFound) {
		t.Errorf("got %v, want %v", err, device.ErrDeviceNotFound)
	}
}
