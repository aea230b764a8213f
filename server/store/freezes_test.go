package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// TestLocks: the first lock stands, is written down and told once; an unlock too.
func TestLocks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, u := t.Context(), people(db).NewUser(t, "corp", "A")
		second := device.Actor{Kind: device.ActorAdmin, ID: "second"}
		for _, by := range []device.Actor{devicetest.Admin, second} {
			if err := db.LockUser(ctx, device.LockChange{User: u.ID}, by); err != nil {
				t.Fatal(err)
			}
		}
		at, by, err := db.LockOf(ctx, u.ID)
		if err != nil || at.IsZero() || by.ID != devicetest.Admin.ID {
			t.Errorf("locked at %v by %v, %v", at, by, err)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM outbox WHERE kind = 'lock_signal' AND subject = $1`, u.ID); n != 2 {
			t.Errorf("%d signals, want one for each way", n)
		}
		for range 2 {
			if err := db.UnlockUser(ctx, u.ID, second); err != nil {
				t.Fatal(err)
			}
		}
		if at, _, err := db.LockOf(ctx, u.ID); !at.IsZero() || err != nil {
			t.Errorf("still locked at %v, %v", at, err)
		}
		want := []audit.Word{audit.UserCreated, audit.UserLocked, audit.UserUnlocked}
		if diff := cmp.Diff(want, words(t, db)); diff != "" {
			t.Error(diff)
		}
		for name, err := range map[string]error{
			"lock":   db.LockUser(ctx, device.LockChange{User: "nobody"}, second),
			"unlock": db.UnlockUser(ctx, "nobody", second),
		} {
			if !errors.Is(err, device.ErrUnknownUser) {
				t.Errorf("%s nobody: %v", name, err)
			}
		}
		if at, _, err := db.LockOf(ctx, "nobody"); !at.IsZero() || err != nil {
			t.Errorf("nobody is locked at %v, %v", at, err)
		}
	})
}

// TestBars: whom a freeze and a lock keep from whom, until when; and that what is
// over is swept.
func TestBars(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		now := devicetest.Start
		db.Now = func() time.Time { return now }
		u, other := people(db).NewUser(t, "corp", "A"), people(db).NewUser(t, "corp", "B")
		bar := func(u device.UserID, client string) approval.Bar {
			b, err := db.BarOf(ctx, u, client, now)
			if err != nil {
				t.Fatal(err)
			}
			if _, same, err := db.Standing(ctx, u, client, now); err != nil || same != b {
				t.Errorf("with where she stands: %q, %v, want %q", same, err, b)
			}
			return b
		}
		frozen := func(until time.Time) {
			r, err := db.CreateRequest(ctx, approvaltest.Request(u.ID), nil, devicetest.Admin)
			if err != nil {
				t.Fatal(err)
			}
			r.State, r.Decision = approval.Denied, &approval.Decision{Verdict: approval.Deny, Reason: approval.ReasonNotMe, At: now}
			err = db.UpdateRequest(ctx, approval.Change{Next: r, Freeze: &approval.Freeze{
				User: u.ID, ClientID: "shop", Request: r.ID, At: now, Until: until,
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		frozen(now.Add(time.Minute))
		frozen(now.Add(time.Second)) // the later end stands
		now = now.Add(30 * time.Second)
		for _, tt := range []struct {
			user   device.UserID
			client string
			want   approval.Bar
		}{{u.ID, "shop", approval.BarFrozen}, {u.ID, "bank", ""}, {u.ID, "", ""}, {other.ID, "shop", ""}, {"", "shop", ""}} {
			if got := bar(tt.user, tt.client); got != tt.want {
				t.Errorf("%q asks %q: %q, want %q", tt.client, tt.user, got, tt.want)
			}
		}
		if err := db.LockUser(ctx, device.LockChange{User: u.ID}, devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		if a, b := bar(u.ID, "shop"), bar(u.ID, "bank"); a != approval.BarLocked || b != approval.BarLocked {
			t.Errorf("locked: %q and %q", a, b)
		}
		if err := db.UnlockUser(ctx, u.ID, devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		// An administrator who lets her be asked again means every client.
		if got := bar(u.ID, "shop"); got != approval.NotBarred {
			t.Errorf("after it: %q", got)
		}
		frozen(now.Add(time.Minute))
		now = now.Add(time.Minute)
		if got := bar(u.ID, "shop"); got != approval.NotBarred {
			t.Errorf("after its time: %q", got)
		}
		if n, err := db.Forget(ctx, 10); n != 1 || err != nil {
			t.Errorf("forgot %d, %v", n, err)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM freezes`); n != 0 {
			t.Errorf("%d freezes are left", n)
		}
	})
}
