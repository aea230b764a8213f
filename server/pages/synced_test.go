package pages_test

import (
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/device"
)

// TestSyncedDevices: the list says which devices cannot approve everything, where
// something may be asked that they cannot.
func TestSyncedDevices(t *testing.T) {
	for name, tt := range map[string]struct {
		synced []device.DeviceID
		mall   bool // the second one is for another OP, whose clients take any passkey
		notes  int
	}{
		"none": {nil, false, 0}, "one": {[]device.DeviceID{"D2"}, false, 1}, "both": {[]device.DeviceID{"D1", "D2"}, false, 2},
		"where nobody minds": {[]device.DeviceID{"D1", "D2"}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.synced = map[device.DeviceID]bool{}
			for _, id := range tt.synced {
				w.synced[id] = true
			}
			if d := w.devices["D2"]; tt.mall {
				d.User = "U9"
				w.devices["D2"] = d
			}
			if n := strings.Count(w.get(t, "/devices").Body.String(), "data-synced"); n != tt.notes {
				t.Errorf("%d notes, want %d", n, tt.notes)
			}
		})
	}
}
