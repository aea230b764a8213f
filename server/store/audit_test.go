package store_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// words returns the log, oldest first.
func words(t *testing.T, db *store.DB) []audit.Word {
	t.Helper()
	rows, err := db.Raw().QueryContext(t.Context(), `SELECT word FROM audit ORDER BY at, id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []audit.Word
	for rows.Next() {
		var w audit.Word
		if err := rows.Scan(&w); err != nil {
			t.Fatal(err)
		}
		out = append(out, w)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEachChangeIsAudited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, ctx := all(db), t.Context()
		u := s.People.NewUser(t, "corp", "A")
		if err := db.AddHint(ctx, u, device.Hint{Kind: "username", Value: "aiko"}, devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		d := s.People.NewDevice(t, u, s.People.Session(t), approvaltest.Start)
		r := approvaltest.Request(u.ID)
		if _, err := db.CreateRequest(ctx, r, nil, device.Mitome); err != nil {
			t.Fatal(err)
		}
		r.Code.Tries++
		if err := db.ChargeCode(ctx, r, approvaltest.Start); err != nil {
			t.Fatal(err)
		}
		r.Version++
		r.State, r.Decision = approval.Denied, &approval.Decision{Verdict: approval.Deny, Reason: approval.ReasonNotMe, Device: d.ID}
		by := device.Actor{Kind: device.ActorDevice, ID: string(d.ID), IP: netip.MustParseAddr("192.0.2.1")}
		if err := db.UpdateRequest(ctx, approval.Change{Next: r, Effects: []approval.Effect{approval.Report{}}, By: by}); err != nil {
			t.Fatal(err)
		}
		s.EndReport(t, r.ID, approval.Reported, "")
		if err := db.RenameDevice(ctx, d.ID, "new", by); err != nil {
			t.Fatal(err)
		}
		if err := db.RevokeDevice(ctx, d.ID, by); err != nil {
			t.Fatal(err)
		}
		want := []audit.Word{
			audit.UserCreated, audit.HintAdded, audit.PairingOffered, audit.PairingClaimed, audit.PairingConfirmed, audit.PairingCompleted,
			audit.RequestReceived, audit.CodeTried, audit.RequestDenied, audit.ReportEnded, audit.DeviceRenamed, audit.DeviceRevoked,
		}
		if diff := cmp.Diff(want, words(t, db)); diff != "" {
			t.Error(diff)
		}
		n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND request_id = $2 AND user_id = $3 AND device_id = $4
			AND actor_kind = 'device' AND actor_id = $4 AND actor_ip = '192.0.2.1' AND detail LIKE '%not_started_by_user%'`,
			audit.RequestDenied, r.ID, u.ID, d.ID)
		if n != 1 {
			t.Error("the denial does not say who, what, whence and why")
		}
		if n := count(t, db, `SELECT COUNT(DISTINCT salt) FROM audit WHERE length(salt) = 16`); n != len(want) {
			t.Errorf("%d salts in %d rows", n, len(want))
		}
	})
}

func TestRefusalAtTheDoorIsAudited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, _, err := approval.Step(approvaltest.Request(""), approval.Refused{Reason: approval.ReasonUnknownUser}, approvaltest.Start)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.CreateRequest(t.Context(), r, nil, device.Mitome); err != nil {
			t.Fatal(err)
		}
		if got, want := words(t, db), []audit.Word{audit.RequestReceived, audit.RequestRefused}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestAuditIsOfTheTransaction: what did not happen is not in the log.
func TestAuditIsOfTheTransaction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, ctx := all(db), t.Context()
		u := s.People.NewUser(t, "corp", "A")
		r := approvaltest.Request(u.ID)
		if _, err := db.CreateRequest(ctx, r, nil, device.Mitome); err != nil {
			t.Fatal(err)
		}
		before := len(words(t, db))
		stale := r
		stale.Version, stale.State = 7, approval.Withdrawn
		again := approvaltest.Request(u.ID)
		again.RefHash = r.RefHash
		for what, err := range map[string]error{
			"stale update":   db.UpdateRequest(ctx, approval.Change{Next: stale}),
			"stale charge":   db.ChargeCode(ctx, stale, approvaltest.Start),
			"user twice":     db.CreateUser(ctx, u, devicetest.Admin),
			"unknown device": db.RevokeDevice(ctx, "none", devicetest.Admin),
			"repeated ask":   func() error { _, err := db.CreateRequest(ctx, again, nil, device.Mitome); return err }(),
		} {
			if err == nil {
				t.Errorf("%s: no error", what)
			}
		}
		if after := len(words(t, db)); after != before {
			t.Errorf("%d rows were written for what did not happen", after-before)
		}
	})
}
