package pages_test

import (
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/device"
)

// TestShowCode: for whom a code can be shown, and that none stands in the page.
func TestShowCode(t *testing.T) {
	mine := device.Device{ID: "D1", User: "U1", Name: "Pixel 8", State: device.Active}
	cools := device.Device{ID: "D3", User: "U1", Name: "Pixel 8", State: device.Cooling}
	second := device.Device{ID: "D4", User: "U4", Name: "Pixel 8", State: device.Active}
	elsewhere := device.Device{ID: "D9", User: "U9", Name: "Pixel 8", State: device.Active} // at an OP that cannot read codes
	for _, tt := range []struct {
		name    string
		devices []device.Device
		status  int
		want    []string
		not     string
		link    bool // the first page leads to it
	}{
		{"one", []device.Device{mine}, 200, []string{`data-device="D1"`, "Unlock and show"}, "<fieldset", true},
		{"two", []device.Device{mine, second}, 200, []string{"For whom?", `value="D1" checked`, "Example Bank", `value="D4"`}, `data-device="`, true},
		{"one, and one elsewhere", []device.Device{elsewhere, mine}, 200, []string{`data-device="D1"`}, "Beth", true},
		{"one that cools", []device.Device{cools}, 200, []string{"not active yet"}, "Unlock and show", false},
		{"one that cools, and one that does not", []device.Device{cools, second}, 200, []string{`data-device="D4"`}, "not active yet", true},
		{"elsewhere alone", []device.Device{elsewhere}, 404, []string{"Nothing here"}, "Unlock and show", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.session.Devices = tt.devices
			rec := w.get(t, "/code")
			body := rec.Body.String()
			if rec.Code != tt.status {
				t.Errorf("got %d, want %d", rec.Code, tt.status)
			}
			in(t, body, tt.want...)
			if strings.Contains(body, tt.not) {
				t.Errorf("says %q:\n%s", tt.not, body)
			}
			if got := strings.Contains(w.get(t, "/").Body.String(), `href="/code"`); got != tt.link {
				t.Errorf("a link on the first page: %v, want %v", got, tt.link)
			}
		})
	}
}

// TestShowCodeToNobody: who has no session, or no device, is sent to the passkey
// and comes back.
func TestShowCodeToNobody(t *testing.T) {
	w := newWorld(t)
	w.session.Devices = nil
	if rec := w.get(t, "/code"); rec.Code != 303 || rec.Header().Get("Location") != "/unlock?to=/code" {
		t.Errorf("no device: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	w.known = false
	if rec := w.get(t, "/code"); rec.Code != 303 || rec.Header().Get("Location") != "/unlock?to=%2Fcode" {
		t.Errorf("no session: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
}
