package store_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

func TestDesk(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, ctx := timed(db), t.Context()
		u := people(db).NewUser(t, "corp", "A")
		want := session.Desk{
			ID: "d1", User: u.ID, OP: "corp", AuthTime: approvaltest.Start.Add(-time.Second),
			CreatedAt: approvaltest.Start, ExpiresAt: approvaltest.Start.Add(time.Minute),
		}
		open := want
		open.IP = netip.MustParseAddr("192.0.2.7")
		if err := db.CreateDesk(ctx, open); err != nil {
			t.Fatal(err)
		}
		if got, err := db.Desk(ctx, "d1"); err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND user_id = $2 AND actor_ip = '192.0.2.7'`, audit.DeskOpened, u.ID); n != 1 {
			t.Errorf("%d audit rows", n)
		}
		other := want
		other.ID = "d2"
		if err := db.CreateDesk(ctx, other); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := db.EndDesk(ctx, "d2"); err != nil {
				t.Fatal(err)
			}
		}
		c.pass(time.Minute)
		for _, id := range []session.ID{"d1", "d2", "none", "", "\x00"} {
			if _, err := db.Desk(ctx, id); !errors.Is(err, session.ErrUnauthorized) {
				t.Errorf("%q: got %v, want ErrUnauthorized", id, err)
			}
		}
	})
}

// signedIn has the passkey of d open a session.
func signedIn(t *testing.T, db *store.DB, id, before session.ID, d device.Device) error {
	t.Helper()
	creds, err := db.CredentialsOf(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	was := creds[0].SignCount
	return db.SignIn(t.Context(), session.SignIn{
		Session: session.Session{ID: id, CreatedAt: approvaltest.Start, ExpiresAt: approvaltest.Start.Add(time.Hour)}, Before: before,
		Device: d.ID, Used: device.CredentialUse{ID: creds[0].ID, Before: was, SignCount: was + 1}, By: devicetest.Admin,
	})
}

func deviceIDs(t *testing.T, db *store.DB, id session.ID) (out []device.DeviceID) {
	t.Helper()
	s, err := db.Session(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range s.Devices {
		out = append(out, d.ID)
	}
	slices.Sort(out)
	return out
}

func TestSignIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		timed(db)
		s, ctx := people(db), t.Context()
		alice, again := s.NewUser(t, "corp", "A"), s.NewUser(t, "bank", "A")
		phone := s.NewDevice(t, alice, s.Session(t), approvaltest.Start)
		laptop := s.NewDevice(t, alice, s.Session(t), approvaltest.Start)
		atBank := s.NewDevice(t, again, s.Session(t), approvaltest.Start)
		if err := signedIn(t, db, "s1", "", phone); err != nil {
			t.Fatal(err)
		}
		if s, err := db.Session(ctx, "s1"); err != nil || !s.Devices[0].UsedAt.Equal(approvaltest.Start) {
			t.Errorf("signed in by a device that was used at %v, %v", s.Devices[0].UsedAt, err)
		}
		if err := signedIn(t, db, "s2", "s1", atBank); err != nil {
			t.Fatal(err)
		}
		want := []device.DeviceID{phone.ID, atBank.ID}
		slices.Sort(want)
		if diff := cmp.Diff(want, deviceIDs(t, db, "s2")); diff != "" {
			t.Error("the devices of other users were not carried over:", diff)
		}
		if _, err := db.Session(ctx, "s1"); !errors.Is(err, session.ErrUnauthorized) {
			t.Errorf("the session before goes on: %v", err)
		}
		// Another device of the same user takes the first one's place, and
		// revokes nothing: both are hers.
		if err := signedIn(t, db, "s3", "s2", laptop); err != nil {
			t.Fatal(err)
		}
		want = []device.DeviceID{laptop.ID, atBank.ID}
		slices.Sort(want)
		if diff := cmp.Diff(want, deviceIDs(t, db, "s3")); diff != "" {
			t.Error(diff)
		}
		if d, err := db.Device(ctx, phone.ID); err != nil || d.State != device.Active {
			t.Errorf("phone is %s, %v", d.State, err)
		}
		// A counter that moved, and a device that is revoked, open nothing.
		creds, _ := db.CredentialsOf(ctx, phone.ID)
		for name, in := range map[string]session.SignIn{
			"counter moved": {Device: phone.ID, Used: device.CredentialUse{ID: creds[0].ID, Before: creds[0].SignCount + 5, SignCount: 99}},
			"no device":     {Device: "none", Used: device.CredentialUse{ID: creds[0].ID, Before: creds[0].SignCount, SignCount: 99}},
		} {
			in.Session, in.Before = session.Session{ID: "s4", ExpiresAt: approvaltest.Start.Add(time.Hour)}, "s3"
			if err := db.SignIn(ctx, in); !errors.Is(err, device.ErrPasskey) {
				t.Errorf("%s: got %v, want ErrPasskey", name, err)
			}
		}
		if err := db.RevokeDevice(ctx, phone.ID, devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		if err := signedIn(t, db, "s4", "s3", phone); !errors.Is(err, device.ErrPasskey) {
			t.Errorf("revoked: got %v, want ErrPasskey", err)
		}
		if got := deviceIDs(t, db, "s3"); len(got) != 2 {
			t.Error("a refused sign-in changed the session before")
		}
	})
}

func TestEndSession(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, ctx := people(db), t.Context()
		id := s.Session(t)
		d := s.NewDevice(t, s.NewUser(t, "corp", "A"), id, approvaltest.Start)
		for range 2 {
			if err := db.EndSession(ctx, session.ID(id), devicetest.Admin); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := db.Session(ctx, session.ID(id)); !errors.Is(err, session.ErrUnauthorized) {
			t.Errorf("got %v, want ErrUnauthorized", err)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM session_devices WHERE session_id = $1`, id); n != 0 {
			t.Error("a tie is left")
		}
		if d, err := db.Device(ctx, d.ID); err != nil || d.State != device.Active || len(d.Addresses) != 1 {
			t.Errorf("signing out harmed the device: %+v, %v", d, err)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND device_id = $2`, audit.SignedOut, d.ID); n != 1 {
			t.Errorf("%d audit rows", n)
		}
	})
}

// TestForget: what is over goes, in bounded steps, and nothing else does.
func TestForget(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, s, ctx := timed(db), people(db), t.Context()
		u := s.NewUser(t, "corp", "A")
		for i, id := range []session.ID{"a", "b", "c", "kept"} {
			ends := approvaltest.Start.Add(time.Minute)
			if i == 3 {
				ends = ends.Add(time.Microsecond)
			}
			if err := db.CreateSession(ctx, session.Session{ID: id, ExpiresAt: ends}); err != nil {
				t.Fatal(err)
			}
			if err := db.CreateDesk(ctx, session.Desk{ID: id, User: u.ID, ExpiresAt: ends}); err != nil {
				t.Fatal(err)
			}
			if err := db.SaveGesture(ctx, device.Gesture{ID: string(id), Nonce: []byte("n"), ExpiresAt: ends}); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := db.Forget(ctx, 2); n != 0 || err != nil {
			t.Errorf("too early: %d, %v", n, err)
		}
		c.pass(time.Minute)
		for _, want := range []int{2, 1, 0} {
			if n, err := db.Forget(ctx, 2); n != want || err != nil {
				t.Errorf("got %d, %v, want %d", n, err, want)
			}
		}
		for _, table := range []string{"sessions", "desk_sessions", "gestures"} {
			if n := count(t, db, `SELECT COUNT(*) FROM `+table+` WHERE id IN ('kept', 'a', 'b', 'c')`); n != 1 {
				t.Errorf("%s: %d rows are left", table, n)
			}
		}
	})
}

func TestEndedFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, ctx := all(db), t.Context()
		a, b, other := s.People.NewUser(t, "corp", "A"), s.People.NewUser(t, "bank", "A"), s.People.NewUser(t, "corp", "B")
		var want []approval.RequestID
		for i, u := range []device.User{a, b, other, a, a} {
			r := approvaltest.Request(u.ID)
			r.CreatedAt = approvaltest.Start.Add(time.Duration(i) * time.Second)
			if _, err := db.CreateRequest(ctx, r, nil, device.Mitome); err != nil {
				t.Fatal(err)
			}
			if i == 4 {
				continue // still pending
			}
			r.State, r.Decision = approval.Denied, &approval.Decision{Verdict: approval.Deny, At: r.CreatedAt}
			if err := db.UpdateRequest(ctx, approval.Change{Next: r, Effects: []approval.Effect{approval.Report{}}}); err != nil {
				t.Fatal(err)
			}
			if u.ID != other.ID {
				want = append([]approval.RequestID{r.ID}, want...)
			}
		}
		for limit, want := range map[int][]approval.RequestID{20: want, 2: want[:2]} {
			past, err := db.EndedFor(ctx, []device.UserID{a.ID, b.ID}, limit)
			var got []approval.RequestID
			for _, r := range past {
				got = append(got, r.ID)
				if r.Handle != "" || r.Decision == nil {
					t.Errorf("%s: handle %q, decision %v", r.ID, string(r.Handle), r.Decision)
				}
			}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v, %s", err, diff)
			}
		}
		if past, err := db.EndedFor(ctx, nil, 20); len(past) != 0 || err != nil {
			t.Errorf("of nobody: %d, %v", len(past), err)
		}
	})
}

func TestRefusedSignInIsAudited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		by := device.Actor{Kind: device.ActorOP, ID: "corp", IP: netip.MustParseAddr("192.0.2.7")}
		if err := db.RefuseSignIn(t.Context(), "corp", "stale", by); err != nil {
			t.Fatal(err)
		}
		n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND actor_ip = '192.0.2.7' AND detail LIKE '%stale%'`, audit.SignInRefused)
		if n != 1 {
			t.Errorf("%d rows", n)
		}
	})
}
