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

// TestLifeOfADeviceIsAudited: how a device came to be active or was stopped, and
// who said so.
func TestLifeOfADeviceIsAudited(t *testing.T) {
	older := func(s devicetest.Stores, t *testing.T, u device.User) device.Actor {
		d := s.NewDevice(t, u, s.Session(t), devicetest.Start)
		return device.Actor{Kind: device.ActorDevice, ID: string(d.ID), IP: netip.MustParseAddr("192.0.2.1")}
	}
	tests := []struct {
		name string
		do   func(db *store.DB, t *testing.T, d device.DeviceID, by device.Actor) error
		by   *device.Actor // nil: the older device
		want audit.Word
	}{
		{"confirmed", func(db *store.DB, t *testing.T, d device.DeviceID, by device.Actor) error {
			return db.ActivateDevice(t.Context(), d, by)
		}, nil, audit.DeviceConfirmed},
		{"in time", func(db *store.DB, t *testing.T, d device.DeviceID, by device.Actor) error {
			return db.ActivateDevice(t.Context(), d, by)
		}, &device.Mitome, audit.DeviceActivated},
		{"by an administrator", func(db *store.DB, t *testing.T, d device.DeviceID, by device.Actor) error {
			return db.ActivateDevice(t.Context(), d, by)
		}, &devicetest.Admin, audit.DeviceActivated},
		{"cancelled", func(db *store.DB, t *testing.T, d device.DeviceID, by device.Actor) error {
			return db.CancelDevice(t.Context(), d, by)
		}, nil, audit.DeviceCancelled},
		{"lost", func(db *store.DB, t *testing.T, d device.DeviceID, by device.Actor) error {
			creds, err := db.CredentialsOf(t.Context(), device.DeviceID(by.ID))
			if err != nil {
				return err
			}
			return db.LoseDevice(t.Context(), d, device.CredentialUse{ID: creds[0].ID, Before: 1, SignCount: 2}, by)
		}, nil, audit.DeviceLost},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, tt := range tests {
			s := people(db)
			u := s.NewUser(t, "corp", tt.name)
			by := older(s, t, u)
			if tt.by != nil {
				by = *tt.by
			}
			d := s.NewCooling(t, u, s.Session(t), devicetest.Start)
			if err := tt.do(db, t, d.ID, by); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			for _, word := range []audit.Word{audit.DeviceCooling, tt.want} {
				if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND device_id = $2 AND user_id = $3`, word, d.ID, u.ID); n != 1 {
					t.Errorf("%s: %d rows of %s", tt.name, n, word)
				}
			}
			n := count(t, db, `SELECT COUNT(*) FROM audit WHERE device_id = $1 AND word = $2 AND actor_kind = $3 AND actor_id = $4`,
				d.ID, tt.want, by.Kind, by.ID)
			if n != 1 {
				t.Errorf("%s: the log does not say who", tt.name)
			}
			if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE device_id = $1 AND word = $2`, d.ID, audit.DeviceRevoked); n != 0 {
				t.Errorf("%s: it is called a revocation besides", tt.name)
			}
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
			"stale update":    db.UpdateRequest(ctx, approval.Change{Next: stale}),
			"stale charge":    db.ChargeCode(ctx, stale, approvaltest.Start),
			"user twice":      db.CreateUser(ctx, u, devicetest.Admin),
			"unknown device":  db.RevokeDevice(ctx, "none", devicetest.Admin),
			"no cooling one":  db.CancelDevice(ctx, "none", devicetest.Admin),
			"nothing to warm": db.ActivateDevice(ctx, "none", devicetest.Admin),
			"no passkey":      db.LoseDevice(ctx, "none", device.CredentialUse{ID: "none"}, devicetest.Admin),
			"repeated ask":    func() error { _, err := db.CreateRequest(ctx, again, nil, device.Mitome); return err }(),
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
