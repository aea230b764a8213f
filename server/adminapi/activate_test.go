package adminapi_test

import (
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// TestActivate: an administrator sees that a device cools and until when, and can
// end that, which the log tells by name.
func TestActivate(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.client
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	d := w.begun(w.user("corp", "s-1", "Aiko"), device.Cooling, until)
	list, err := c.Devices(ctx, string(d.User))
	if err != nil || len(list) != 1 || list[0].State != "cooling" || list[0].ActiveAt == nil || !list[0].ActiveAt.Equal(until) {
		t.Fatalf("got %+v, %v", list, err)
	}
	for range 2 { // twice is no error
		got, err := c.ActivateDevice(ctx, string(d.ID))
		if err != nil || got.State != "active" || got.ActiveAt != nil {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	_, err = c.ActivateDevice(ctx, "none")
	w.want(err, "device_not_found")
	if _, err := c.RevokeDevice(ctx, string(d.ID)); err != nil {
		t.Fatal(err)
	}
	_, err = c.ActivateDevice(ctx, string(d.ID))
	w.want(err, "device_changed")
}
