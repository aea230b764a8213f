package main_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// TestKillInAFanOut ends Mitome with kill -9 while it asks a user's devices: some
// are asked, some services have taken the message and not yet said so, and some
// have not taken it. After a restart no device is left out, and one that is asked
// twice is asked under the same name, by which the second replaces the first.
func TestKillInAFanOut(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			testKillInAFanOut(t, newPushWorld(t, database))
		})
	}
}

func testKillInAFanOut(t *testing.T, w *pushWorld) {
	devices := append(w.reached(), w.reached()...)
	for _, d := range devices {
		d.heard("test", "test") // an address that is new is tried
	}
	untold := w.services.google.holds()
	w.services.apple.mutes()

	id := w.ask(map[string]any{"client_id": "kiosk", "expires_in": 300}) // longer than a dead worker's lease
	await(t, "the middle of the fan-out", patience, func() bool {
		there := untold.Load() >= 2
		for _, d := range devices {
			there = there && (d.channel == "fcm" || d.count("show", id) > 0)
		}
		return there
	})
	w.process.Kill()
	w.services.heal()
	w.start()

	// What was taken and never answered must come again.
	least := map[string]int{"webpush": 1, "fcm": 1, "apns": 2}
	const lease = 60 * time.Second // of the worker that was killed
	for _, d := range devices {
		await(t, d.name+" to be asked", lease+patience, func() bool { return d.count("show", id) >= least[d.channel] })
	}
	await(t, "all of it to be written down", patience, func() bool {
		left := len(devices)
		for _, one := range w.request(id).Deliveries {
			if one.Kind == "notify" && one.Channel != "websocket" && one.Outcome == "done" {
				left--
			}
		}
		return left == 0
	})
	for _, d := range devices {
		topics := map[string]bool{}
		for _, m := range d.messages() {
			if said, err := m.notice(); err == nil && said.Key == id {
				topics[m.topic] = true
			}
		}
		if len(topics) != 1 {
			t.Errorf("%s was asked under %d names, want one", d.name, len(topics))
		}
	}
}

// mutes has the vendor take messages and never say so.
func (v *vendor) mutes() {
	v.answers(func(_ http.ResponseWriter, r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		v.behind.ServeHTTP(httptest.NewRecorder(), r)
		v.mu.Lock()
		v.took = append(v.took, vendorCall{r.URL.Path, r.Header.Clone(), body})
		v.mu.Unlock()
		<-r.Context().Done()
		return true
	})
}

// holds has the vendor take nothing and say nothing, and counts what it is given.
func (v *vendor) holds() *atomic.Int32 {
	var n atomic.Int32
	v.answers(func(_ http.ResponseWriter, r *http.Request) bool {
		n.Add(1)
		<-r.Context().Done()
		return true
	})
	return &n
}
