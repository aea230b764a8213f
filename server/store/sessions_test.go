package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

func TestSessionIsReadWithItsDevices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, s, ctx := timed(db), people(db), t.Context()
		want := session.Session{ID: "s1", JKT: "jkt", CreatedAt: approvaltest.Start, ExpiresAt: approvaltest.Start.Add(time.Hour)}
		if err := db.CreateSession(ctx, want); err != nil {
			t.Fatal(err)
		}
		if err := db.CreateSession(ctx, want); err == nil {
			t.Error("one id was given to two sessions")
		}
		got, err := db.Session(ctx, "s1")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("before any device: %v, %s", err, diff)
		}
		kept := s.NewDevice(t, s.NewUser(t, "corp", "A"), "s1", approvaltest.Start)
		revoked := s.NewDevice(t, s.NewUser(t, "shop", "A"), "s1", approvaltest.Start.Add(time.Second))
		s.NewDevice(t, s.NewUser(t, "corp", "B"), s.Session(t), approvaltest.Start)
		if err := db.RevokeDevice(ctx, revoked.ID, devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM session_devices WHERE device_id = $1`, revoked.ID); n != 0 {
			t.Error("a revoked device is still tied to its session")
		}
		// And were it tied, it would give no right.
		other := s.NewDevice(t, s.NewUser(t, "else", "A"), "s1", approvaltest.Start)
		if _, err := db.Raw().ExecContext(ctx, `UPDATE devices SET state = 'revoked' WHERE id = $1`, other.ID); err != nil {
			t.Fatal(err)
		}
		kept.Addresses = nil // a session says who may act, not where to send
		want.Devices = []device.Device{kept}
		got, err = db.Session(ctx, "s1")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("with devices: %v, %s", err, diff)
		}
		c.pass(time.Hour)
		for _, id := range []session.ID{"s1", "none", "", "\x00", "\xff"} {
			if _, err := db.Session(ctx, id); !errors.Is(err, session.ErrUnauthorized) {
				t.Errorf("%q: got %v, want ErrUnauthorized", id, err)
			}
		}
	})
}

// TestChangedSince: whoever holds sockets learns, in order, of each device that is
// revoked, each session that is over and each that stands for a device more, and
// hears of it again as long as he asks for that time.
func TestChangedSince(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, s, ctx := timed(db), people(db), t.Context()
		since := func(d time.Duration) []session.Change {
			got, err := db.ChangedSince(ctx, approvaltest.Start.Add(d))
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		u, id := s.NewUser(t, "corp", "A"), newSessionAt(t, db, c)
		first := s.NewDevice(t, u, id, approvaltest.Start)
		if got := since(0); len(got) != 0 {
			t.Errorf("the first device is no news: %v", got)
		}
		second := s.NewDevice(t, s.NewUser(t, "bank", "B"), id, approvaltest.Start)
		c.pass(time.Second)
		if err := db.RevokeDevice(ctx, first.ID, devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Second)
		for range 2 { // ending it again is no news
			if err := db.EndSession(ctx, session.ID(id), devicetest.Admin); err != nil {
				t.Fatal(err)
			}
			c.pass(time.Second)
		}
		all := []session.Change{{Session: session.ID(id), Device: second.ID}, {Device: first.ID}, {Session: session.ID(id)}}
		for d, want := range map[time.Duration][]session.Change{
			0: all, time.Second: all[1:], 2 * time.Second: all[2:], 3 * time.Second: nil,
		} {
			if diff := cmp.Diff(want, since(d)); diff != "" {
				t.Errorf("since %v: %s", d, diff)
			}
		}
		c.pass(2 * time.Hour)
		if _, err := db.Forget(ctx, 10); err != nil {
			t.Fatal(err)
		}
		if got := since(0); len(got) != 1 || got[0].Device != first.ID {
			t.Errorf("what nobody asks for was kept: %v", got)
		}
	})
}

func newSessionAt(t *testing.T, db *store.DB, c *clock) string {
	t.Helper()
	s := session.Session{ID: session.ID("s-" + c.Now().String()), ExpiresAt: c.Now().Add(time.Hour)}
	if err := db.CreateSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return string(s.ID)
}

func TestAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, ctx := people(db), t.Context()
		d := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), approvaltest.Start)
		want := d.Addresses[0]
		a, owner, err := db.Address(ctx, want.ID)
		if err != nil || !reflect.DeepEqual(a, want) || owner.ID != d.ID || owner.User != d.User {
			t.Errorf("got %v of %s, %v", a, owner.ID, err)
		}
		for range 2 {
			if err := db.RemoveAddress(ctx, want.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := db.Address(ctx, want.ID); !errors.Is(err, device.ErrDeviceNotFound) {
			t.Errorf("got %v, want ErrDeviceNotFound", err)
		}
		if got, err := db.Device(ctx, d.ID); err != nil || len(got.Addresses) != 0 {
			t.Errorf("got %d addresses, %v", len(got.Addresses), err)
		}
	})
}
