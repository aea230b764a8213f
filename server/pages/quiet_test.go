package pages_test

import (
	"context"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
)

// OwnHours implements pages.Quiet.
func (w *world) OwnHours(_ context.Context, who approval.Who) (out []approval.OwnHours, err error) {
	for _, d := range who.Devices {
		out = append(out, approval.OwnHours{
			User: device.User{ID: d.User, OP: "bank", Subject: "sub", Name: w.name}, Device: d, Hours: w.hours,
		})
	}
	return out, nil
}

// TestQuietPage: what can be done where there are quiet hours, where there are
// none, and on a device that cools.
func TestQuietPage(t *testing.T) {
	tokyo := approval.Hours{Zone: "Asia/Tokyo", From: 23*60 + 5, To: 6 * 60}
	for _, tt := range []struct {
		name    string
		hours   approval.Hours
		cooling bool
		want    []string
		not     []string
	}{
		{"none", approval.Hours{}, false, []string{"Alice", "Example Bank", "You have no quiet hours", `value="22:00"`}, []string{`data-act="clear"`}},
		{"some", tokyo, false, []string{"23:05 – 06:00", "Asia/Tokyo", `value="23:05"`, `data-act="clear"`}, []string{"You have no quiet hours"}},
		{"cooling", tokyo, true, []string{"This device is not active yet, so it"}, []string{`data-act="clear"`, "<input"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.hours = tt.hours
			if tt.cooling {
				w.session.Devices[0].State = device.Cooling
			}
			body := w.get(t, "/quiet").Body.String()
			in(t, body, tt.want...)
			for _, s := range tt.not {
				if strings.Contains(body, s) {
					t.Errorf("says %q:\n%s", s, body)
				}
			}
		})
	}
	w := newWorld(t)
	w.session.Devices = nil
	if rec := w.get(t, "/quiet"); rec.Code != 303 || rec.Header().Get("Location") != "/unlock?to=/quiet" {
		t.Errorf("without a device: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
}
