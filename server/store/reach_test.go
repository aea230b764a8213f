package store_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// TestEachRemovalIsAudited: wherever an address goes, the log says which channel
// of which device it was and why, and not where it led.
func TestEachRemovalIsAudited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, people := t.Context(), all(db).People
		u := people.NewUser(t, "corp", "A")
		a, b := people.NewDevice(t, u, people.Session(t), devicetest.Start), people.NewDevice(t, u, people.Session(t), devicetest.Start)
		add := func(d device.Device, target string, most int) (n device.NewAddress) {
			t.Helper()
			n = device.NewAddress{Device: d.ID, Address: devicetest.Subscription(target, devicetest.Start), Most: most}
			if _, err := db.AddAddress(ctx, n, devicetest.Admin); err != nil {
				t.Fatal(err)
			}
			return n
		}
		gone := add(a, "https://push.example/gone", 5)
		for range 2 { // twice is no error, and one removal
			if err := db.RemoveAddress(ctx, gone.Address.ID); err != nil {
				t.Fatal(err)
			}
		}
		add(a, "https://push.example/moves", 5)
		add(b, "https://push.example/moves", 5)
		add(b, "https://push.example/crowds", 1)
		dropped := add(a, "https://push.example/dropped", 5)
		if err := db.DropAddress(ctx, a.ID, dropped.Address.ID, devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"gone " + string(a.ID) + " mitome", "taken over " + string(a.ID) + " admin",
			"too many " + string(b.ID) + " admin", "dropped " + string(a.ID) + " admin",
		}
		if diff := cmp.Diff(want, removals(t, db, u.ID)); diff != "" {
			t.Errorf("removals (-want +got):\n%s", diff)
		}
	})
}

// removals reads the log: why, of which device, by whom.
func removals(t *testing.T, db *store.DB, u device.UserID) (out []string) {
	t.Helper()
	rows, err := db.Raw().QueryContext(t.Context(), `SELECT detail, device_id, actor_kind FROM audit
		WHERE word = 'device.address_removed' AND user_id = '`+string(u)+`' ORDER BY at, id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var detail, d, kind string
		if err := rows.Scan(&detail, &d, &kind); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(detail, `"channel":"webpush"`) || strings.Contains(detail, "push.example") {
			t.Errorf("it says %s", detail)
		}
		_, reason, _ := strings.Cut(detail, `"reason":"`)
		reason, _, _ = strings.Cut(reason, `"`)
		out = append(out, reason+" "+d+" "+kind)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
