package pages_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// TestUnattestedDevices: the list says which devices cannot approve what asks for
// an authenticator that is known, and trusted still.
func TestUnattestedDevices(t *testing.T) {
	known := device.Attested{At: time.Now(), Model: "Model T"}
	revoked := known
	revoked.Against = "REVOKED"
	for name, tt := range map[string]struct {
		first, second device.Attested
		notes         int
	}{
		"both known": {known, known, 0}, "one": {known, device.Attested{}, 1}, "one revoked": {revoked, known, 1}, "none": {revoked, device.Attested{}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.attested = map[device.DeviceID]device.Attested{"D1": tt.first, "D2": tt.second}
			if n := strings.Count(w.get(t, "/devices").Body.String(), "data-unattested"); n != tt.notes {
				t.Errorf("%d notes, want %d", n, tt.notes)
			}
		})
	}
}
