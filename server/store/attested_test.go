package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// TestAttestedDevices: those that proved what they are, and are not revoked.
func TestAttestedDevices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, s := t.Context(), all(db)
		var ids []device.DeviceID
		for _, name := range []string{"kept", "unproved", "revoked"} {
			u := s.People.NewUser(t, "corp", name)
			ids = append(ids, s.People.NewDevice(t, u, string(newSession(t, db)), time.Now()).ID)
		}
		if _, err := db.Raw().ExecContext(ctx, `UPDATE credentials SET attested_at = 0 WHERE device_id = $1`, ids[1]); err != nil {
			t.Fatal(err)
		}
		if err := db.RevokeDevice(ctx, ids[2], devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		got, err := db.AttestedDevices(ctx)
		d, _ := db.Device(ctx, ids[0])
		want := []store.AttestedDevice{{ID: d.ID, Name: d.Name, User: d.User, Model: "a security key", AAGUID: make([]byte, 16)}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
	})
}
