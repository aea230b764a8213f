package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// TestUserCodesAreAudited: that a code was set, locked and taken away is written
// down with who did it, once each, and never the code. What changed nothing is not.
func TestUserCodesAreAudited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, u := t.Context(), people(db).NewUser(t, "corp", "A")
		svc := &device.Service{Users: db, UserCodes: db, CodeKeys: seal.New(), Now: time.Now}
		op := device.Actor{Kind: device.ActorOP, ID: "corp/prod"}
		if err := svc.ClearUserCode(ctx, u.ID, devicetest.Admin); err != nil { // there is none
			t.Fatal(err)
		}
		if err := svc.SetUserCode(ctx, u.ID, "KTPX7731", devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		for range 7 { // two more than lock it
			err := svc.VerifyUserCode(ctx, device.CodeTry{
				Subject: device.Subject{OP: "corp", Sub: u.Subject}, Client: "till", Code: "GUESS4711",
			}, op)
			if err == nil {
				t.Fatal("a wrong code was right")
			}
		}
		if err := svc.ClearUserCode(ctx, u.ID, devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		want := []audit.Word{audit.UserCreated, audit.UserCodeSet, audit.UserCodeLocked, audit.UserCodeCleared}
		if diff := cmp.Diff(want, words(t, db)); diff != "" {
			t.Error(diff)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND user_id = $2 AND actor_id = 'corp/prod' AND detail LIKE '%till%'`,
			audit.UserCodeLocked, u.ID); n != 1 {
			t.Error("the lock does not say whose code, by which OP and client")
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE detail LIKE '%7731%' OR detail LIKE '%4711%'`); n != 0 {
			t.Error("a code stands in the audit log")
		}
	})
}
