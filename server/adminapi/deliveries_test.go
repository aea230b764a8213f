package adminapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// TestDeliveries: an operator reads what became of each message, also where the
// device is no more, and nothing of where it led.
func TestDeliveries(t *testing.T) {
	w := newWorld(t)
	r := w.ask(w.user("corp", "s-1", "Aiko"), "1",
		approval.Notify{Address: "address-1", Channel: push.WebSocket, Device: "d1", Leads: true},
		approval.Notify{Address: "address-2", Channel: push.WebPush, Device: "d1", Wait: time.Minute},
		approval.Notify{Address: "address-3", Channel: push.FCM, Device: "d2"})
	jobs, err := w.db.ClaimJobs(t.Context(), 10, time.Minute)
	if err != nil || len(jobs) != 2 {
		t.Fatalf("claimed %d jobs, %v", len(jobs), err)
	}
	for _, j := range jobs {
		if j.Leads {
			err = w.db.FinishJob(t.Context(), j, outbox.Done, "")
		} else {
			err = w.db.RetryJob(t.Context(), j, time.Now().Add(time.Minute), "fcm: answer 503")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.client.Request(t.Context(), string(r.ID))
	if err != nil || len(got.Deliveries) != 3 {
		t.Fatalf("got %+v, %v", got.Deliveries, err)
	}
	for i, want := range []struct {
		channel, device, outcome, cause string
		attempts                        int
		ended                           bool
	}{
		{"websocket", "d1", "done", "", 1, true},
		{"webpush", "d1", "moot", "an open page showed it", 0, true},
		{"fcm", "d2", "waiting", "fcm: answer 503", 1, false},
	} {
		d := got.Deliveries[i]
		if d.Kind != "notify" || d.Channel != want.channel || d.Device != want.device || d.Outcome != want.outcome ||
			d.Cause != want.cause || d.Attempts != want.attempts || d.EndedAt.IsZero() == want.ended || d.CreatedAt.IsZero() {
			t.Errorf("got %+v, want %+v", d, want)
		}
	}
	for _, path := range []string{"/v1/requests", "/v1/requests/" + string(r.ID)} {
		if _, body := w.call("GET", path, "", "Bearer "+token); strings.Contains(body, "address") {
			t.Errorf("%s tells an address: %s", path, body)
		}
	}
}
