package pages_test

import (
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// TestDoubtful: the list says of a device, and of this one in its own words, that
// notifications may not arrive there.
func TestDoubtful(t *testing.T) {
	const here, there = "Notifications may not arrive at this device. Try it", "Notifications may not arrive at this device. Open Mitome"
	for id, want := range map[device.DeviceID]string{"": "", "D1": here, "D2": there} {
		w := newWorld(t)
		if d, ok := w.devices[id]; ok {
			d.Addresses = []push.Address{{Channel: push.WebPush, Doubtful: now}}
			w.devices[id] = d
		}
		body := w.get(t, "/devices").Body.String()
		if n := strings.Count(body, "data-doubtful"); (n == 1) != (want != "") || n > 1 || !strings.Contains(body, want) {
			t.Errorf("device %q is doubtful: %d notes, want %q", id, n, want)
		}
	}
}
