package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// showCode has a session show a code as device d, good for a minute.
func showCode(t *testing.T, db *store.DB, d device.DeviceID, s session.ID) device.KeptHint {
	t.Helper()
	creds, err := db.CredentialsOf(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	g := device.HintGrant{
		Session: string(s), Device: d, ExpiresAt: now.Add(time.Minute),
		Used: device.CredentialUse{ID: creds[0].ID, Before: creds[0].SignCount, SignCount: creds[0].SignCount + 1},
	}
	if err := db.GrantHints(t.Context(), g, devicetest.Admin); err != nil {
		t.Fatal(err)
	}
	h := device.KeptHint{
		Kind: device.HintShown, Value: "31415926535897932384", Device: d, OP: "corp", CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	if err := db.KeepHintToken(t.Context(), h, string(s), 1); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestCodesAreAudited: who unlocked them, which OP read one, and who came in vain.
func TestCodesAreAudited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := all(db)
		held := newSession(t, db)
		u := s.People.NewUser(t, "corp", "A")
		d := s.People.NewDevice(t, u, string(held), time.Now())
		before := words(t, db)
		h := showCode(t, db, d.ID, held)
		use := device.HintUse{
			Kind: h.Kind, Value: h.Value, OP: "corp", ClientID: "till", For: []byte("r"), At: time.Now(),
			By: device.Actor{Kind: device.ActorOP, ID: "corp"},
		}
		for range 2 { // again for the same: it is one reading
			if _, err := db.SpendHintToken(t.Context(), use, nil); err != nil {
				t.Fatal(err)
			}
		}
		use.For = nil
		if _, err := db.SpendHintToken(t.Context(), use, nil); err == nil {
			t.Fatal("it was read twice")
		}
		want := append(before, audit.CodesUnlocked, audit.CodeRead, audit.CodeRefused)
		if diff := cmp.Diff(want, words(t, db)); diff != "" {
			t.Error(diff)
		}
		for _, word := range want[len(before)+1:] {
			n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND user_id = $2 AND device_id = $3
				AND actor_kind = 'op' AND actor_id = 'corp' AND detail LIKE '%till%'`, word, u.ID, d.ID)
			if n != 1 {
				t.Errorf("%s does not say who, whose and for whom", word)
			}
		}
	})
}

// TestCodesAreForgotten: an hour after their end it is as if they had never been.
func TestCodesAreForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := all(db)
		held := newSession(t, db)
		d := s.People.NewDevice(t, s.People.NewUser(t, "corp", "A"), string(held), time.Now())
		h := showCode(t, db, d.ID, held)
		left := func(at time.Time) [2]int {
			t.Helper()
			db.Now = func() time.Time { return at }
			if _, err := db.Forget(t.Context(), 10); err != nil {
				t.Fatal(err)
			}
			return [2]int{count(t, db, `SELECT COUNT(*) FROM hint_grants`), count(t, db, `SELECT COUNT(*) FROM hint_tokens`)}
		}
		for _, tt := range []struct {
			at   time.Time
			want [2]int
		}{
			{h.ExpiresAt.Add(-time.Second), [2]int{1, 1}},
			{h.ExpiresAt, [2]int{0, 1}},
			{h.ExpiresAt.Add(time.Hour - time.Second), [2]int{0, 1}},
			{h.ExpiresAt.Add(time.Hour), [2]int{0, 0}},
		} {
			if got := left(tt.at); got != tt.want {
				t.Errorf("at %v: %v grants and codes, want %v", tt.at, got, tt.want)
			}
		}
	})
}
