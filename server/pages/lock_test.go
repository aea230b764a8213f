package pages_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// OwnLocks implements pages.Locks.
func (w *world) OwnLocks(_ context.Context, c device.Caller) ([]device.OwnLock, error) {
	var out []device.OwnLock
	for _, d := range c.Devices {
		out = append(out, device.OwnLock{User: device.User{ID: d.User, OP: "bank", Name: w.name}, Device: d, At: w.locked})
	}
	return out, nil
}

// TestLockPage: what can be done where nothing is stopped, where everything is, and
// on a device that is not active yet.
func TestLockPage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*world)
		want   string
		button bool
	}{
		{"open", func(*world) {}, "Services can ask you.", true},
		{"locked", func(w *world) { w.locked = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC) }, `datetime="2026-01-02T03:04:00Z"`, false},
		{"cooling", func(w *world) { w.session.Devices[0].State = device.Cooling }, "not active yet", false},
	} {
		w := newWorld(t)
		tt.change(w)
		body := w.get(t, "/lock").Body.String()
		in(t, body, "Example Bank", tt.want)
		if strings.Contains(body, `data-act="lock"`) != tt.button {
			t.Errorf("%s: there is a button: %v", tt.name, !tt.button)
		}
	}
	w := newWorld(t)
	w.session.Devices = nil
	if rec := w.get(t, "/lock"); rec.Code != 303 || rec.Header().Get("Location") != "/unlock?to=/lock" {
		t.Errorf("without a device: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
}
