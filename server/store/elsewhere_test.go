package store_test

import (
	"errors"
	"testing"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// TestMoveAddress: where a device was reached is where its next message goes, with
// the key and the time of its own registration, and it has no address twice.
func TestMoveAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, people := t.Context(), all(db).People
		u := people.NewUser(t, "corp", "A")
		mine := people.NewDevice(t, u, people.Session(t), devicetest.Start)
		add := func(target push.Target) push.Address {
			t.Helper()
			a := devicetest.Subscription("", devicetest.Start)
			a.Channel, a.Target = push.APNs, target
			id, err := db.AddAddress(ctx, device.NewAddress{Device: mine.ID, Address: a, Most: 5}, devicetest.Admin)
			if err != nil {
				t.Fatal(err)
			}
			a.ID = id
			return a
		}
		at := func(a push.Address) push.Target {
			t.Helper()
			got, _, err := db.Address(ctx, a.ID)
			if errors.Is(err, device.ErrDeviceNotFound) {
				return ""
			}
			if err != nil || !got.Since.Equal(a.Since) || got.Key.IsZero() {
				t.Errorf("read %v since %v, %v", got.Channel, got.Since, err)
			}
			return got.Target
		}
		move := func(a push.Address, to push.Target) {
			t.Helper()
			if err := db.MoveAddress(ctx, a, to); err != nil {
				t.Fatal(err)
			}
		}
		a := add("production:aa")
		move(a, "sandbox:aa")
		if got := at(a); got != "sandbox:aa" {
			t.Errorf("it is at %q", string(got))
		}
		move(a, "sandbox:bb") // said of the address as it was: the news is old
		if got := at(a); got != "sandbox:aa" {
			t.Errorf("old news moved it to %q", string(got))
		}
		if again := add("sandbox:aa"); again.ID != a.ID {
			t.Error("the device's own word for the same target made another address")
		}
		twice := add("production:aa") // the app says what it believes, at each start
		move(twice, "sandbox:aa")
		if got := at(twice); got != "" || at(a) != "sandbox:aa" {
			t.Errorf("the device is reached at %q and at %q", string(got), string(at(a)))
		}
		move(twice, "sandbox:aa") // gone already
	})
}
