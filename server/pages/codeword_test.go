package pages_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// OwnCodes implements pages.Codes.
func (w *world) OwnCodes(_ context.Context, c device.Caller) (out []device.OwnCode, err error) {
	for _, d := range c.Devices {
		out = append(out, device.OwnCode{
			User: device.User{ID: d.User, OP: "bank", Subject: "sub", Name: w.name}, Device: d, SetAt: w.codeSet,
		})
	}
	return out, nil
}

// TestCodeWord: what can be done where there is a code, where there is none, and
// on a device that cools. No field has a name by which a browser would send it.
func TestCodeWord(t *testing.T) {
	for _, tt := range []struct {
		name    string
		set     time.Time
		cooling bool
		want    []string
		not     []string
	}{
		{"none", time.Time{}, false, []string{"Alice", "Example Bank", "You have no code word yet", "<form"}, []string{`data-act="clear"`}},
		{"one", now.Add(-time.Hour), false, []string{`datetime="2026-07-01T08:00:00Z"`, `data-act="clear"`}, []string{"You have no code word yet"}},
		{"cooling", now.Add(-time.Hour), true, []string{"This device is not active yet, so it"}, []string{`data-act="clear"`, "<input"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.codeSet = tt.set
			if tt.cooling {
				w.session.Devices[0].State = device.Cooling
			}
			body := w.get(t, "/code-word").Body.String()
			in(t, body, tt.want...)
			for _, s := range append(tt.not, ` name="`+"code") {
				if strings.Contains(body, s) {
					t.Errorf("says %q:\n%s", s, body)
				}
			}
			if field := strings.Index(body, "<input"); field >= 0 {
				if end := strings.Index(body[field:], ">"); strings.Contains(body[field:field+end], "name=") {
					t.Errorf("the field has a name: %s", body[field:field+end])
				}
			}
		})
	}
	w := newWorld(t)
	w.session.Devices = nil
	if rec := w.get(t, "/code-word"); rec.Code != 303 || rec.Header().Get("Location") != "/unlock?to=/code-word" {
		t.Errorf("without a device: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
}
