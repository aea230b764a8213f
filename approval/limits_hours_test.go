package approval_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

func TestQuietHours(t *testing.T) {
	const h = 60
	night := approval.Hours{Zone: "Europe/Berlin", From: 22 * h, To: 7 * h}
	for _, tt := range []struct {
		hours approval.Hours
		at    string
		want  bool
	}{
		{approval.Hours{}, "2026-01-01T03:00:00Z", false},
		{night, "2026-01-10T20:59:59Z", false}, // 21:59:59 in winter
		{night, "2026-01-10T21:00:00Z", true},
		{night, "2026-01-11T05:59:59Z", true},
		{night, "2026-01-11T06:00:00Z", false},
		{night, "2026-07-10T19:59:59Z", false}, // 21:59:59 in summer
		{night, "2026-07-10T20:00:00Z", true},
		{night, "2026-07-11T05:00:00Z", false},
		{approval.Hours{Zone: "Asia/Tokyo", From: 9 * h, To: 12*h + 30}, "2026-01-10T00:00:00Z", true},
		{approval.Hours{Zone: "Asia/Tokyo", From: 9 * h, To: 12*h + 30}, "2026-01-10T03:29:00Z", true},
		{approval.Hours{Zone: "Asia/Tokyo", From: 9 * h, To: 12*h + 30}, "2026-01-10T03:30:00Z", false},
	} {
		at, err := time.Parse(time.RFC3339, tt.at)
		fatal(t, err)
		if got := tt.hours.Hold(at); got != tt.want {
			t.Errorf("%v at %s: got %v", tt.hours, tt.at, got)
		}
	}
}

func TestQuietHoursCheck(t *testing.T) {
	for _, h := range []approval.Hours{{}, {Zone: "Asia/Tokyo", From: 1, To: 2}, {Zone: "UTC", From: 1439, To: 0}} {
		if err := h.Check(); err != nil {
			t.Errorf("%v: %v", h, err)
		}
	}
	for _, h := range []approval.Hours{
		{Zone: "Asia/Tokyo", From: 60, To: 60}, {Zone: "Asia/Tokyo", From: -1, To: 60}, {Zone: "Asia/Tokyo", To: 1440},
		{Zone: "Nowhere/Town", To: 1}, {Zone: "", To: 1}, {Zone: "Local", To: 1}, {Zone: "../../etc/passwd", To: 1},
	} {
		if err := h.Check(); !errors.Is(err, approval.ErrHours) {
			t.Errorf("%v: got %v, want ErrHours", h, err)
		}
	}
}

// TestQuietHoursAreTheUsersOwn: a device that is cooling off may be a stranger's, and
// keeps nobody from being woken; nor does one that is not the caller's.
func TestQuietHoursAreTheUsersOwn(t *testing.T) {
	w := limitedWorld(t, storetest.SQLite(t), policy.DefaultLimits())
	u := w.user(t, "aiko")
	p, fresh := w.pair(t, u), w.coolingPhone(t, u)
	night := approval.Hours{Zone: "Asia/Tokyo", From: 22 * 60, To: 6 * 60}
	is(t, "a device that cools off", w.SetOwnHours(t.Context(), who(fresh), fresh.ID, night), device.ErrCooling)
	is(t, "another's device", w.SetOwnHours(t.Context(), who(fresh), p.ID, night), device.ErrDeviceNotFound)
	is(t, "her own", w.SetOwnHours(t.Context(), who(p), p.ID, night), nil)
	if h, err := w.db.HoursOf(t.Context(), u.ID); err != nil || h != night {
		t.Errorf("got %+v, %v", h, err)
	}
}
