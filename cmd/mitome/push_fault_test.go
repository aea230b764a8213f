package main_test

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/push/apns/apnstest"
	"github.com/mitome-ciba/mitome/push/fcm/fcmtest"
	"github.com/mitome-ciba/mitome/server/adminapi"
)

// outages are ways in which all push services fail together.
var outages = []struct {
	name               string
	web, google, apple http.HandlerFunc
	outcome            string // of what nobody answers
	life               int    // of that, in seconds
}{
	{"500", status(500), fcmtest.Fail(500, "INTERNAL", "INTERNAL"), apnstest.Fail(500, "InternalServerError"), "late", 10},
	{"hang", hang, hang, hang, "late", 15}, // longer than one attempt may take, and shorter than two
	{"reset", reset, reset, reset, "late", 10},
	{"refused credentials", status(403), refuseGoogle, apnstest.Fail(403, "InvalidProviderToken"), "broken", 10},
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func reset(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// refuseGoogle is Google when the service account's key was deleted.
func refuseGoogle(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	fcmtest.Fail(403, "PERMISSION_DENIED", "")(w, r)
}

// fail has all services answer so, whatever comes.
func (s *pushServices) fail(web, google, apple http.HandlerFunc) {
	always := func(h http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool { h(w, r); return true }
	}
	s.web.Answer(always(web))
	s.google.answers(always(google))
	s.apple.answers(always(apple))
}

// heal has all services answer by themselves again.
func (s *pushServices) heal() {
	s.web.Answer(nil)
	s.google.answers(nil)
	s.apple.answers(nil)
}

// TestAllPushFails: a push service that fails costs nobody a request. Who has a
// page open hears of it, who opens one finds it, and it is decided as ever.
func TestAllPushFails(t *testing.T) {
	t.Parallel()
	for _, tt := range outages {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newPushWorld(t, "sqlite")
			all := w.devices("Page", "By hand")
			page, byHand, pushed := all[0], all[1], w.reached()
			page.opens()
			w.services.fail(tt.web, tt.google, tt.apple)

			unanswered := w.ask(map[string]any{"client_id": "kiosk", "expires_in": tt.life})
			id := w.ask(order)
			page.sees(unanswered, patience)
			page.sees(id, patience)
			byHand.finds(id)
			if _, err := byHand.Approve(id, order["user_code"].(string)); err != nil {
				t.Fatal(err)
			}
			w.told(id, "approved")
			page.seesNoMore(id)
			w.told(unanswered, "expired")
			w.ended(unanswered, pushed, tt.outcome)

			w.services.heal()
			again := w.ask(order)
			for _, d := range pushed { // so it still has its address
				d.heard("show", again)
			}
		})
	}
}

// reached are a device of each channel that is no socket.
func (w *pushWorld) reached() (all []*appPhone) {
	w.t.Helper()
	all = w.devices("webpush", "fcm", "apns")
	for _, d := range all {
		d.reachedBy(d.name, "en", true)
	}
	return all
}

// finds has a person open the app by herself.
func (d *appPhone) finds(id string) {
	d.w.t.Helper()
	list, err := d.List()
	if err != nil {
		d.w.t.Fatal(err)
	}
	for i := range list.Len() {
		if list.Get(i).ID == id {
			return
		}
	}
	d.w.t.Fatalf("%s does not find the request", d.name)
}

// ended checks how the pushes of a request that is over have ended: all of them,
// and not after it.
func (w *pushWorld) ended(id string, devices []*appPhone, outcome string) {
	w.t.Helper()
	const slack = 5 * time.Second // for writing it down on a busy machine
	for _, d := range devices {
		r, one := w.delivery(id, d)
		check(w.t, "asking "+d.name, one.Outcome, outcome)
		if late := one.EndedAt.Sub(r.ExpiresAt); late > slack {
			w.t.Errorf("%s: its push ended %v after the request", d.name, late)
		}
	}
}

// delivery waits until the asking of a device has ended.
func (w *pushWorld) delivery(id string, d *appPhone) (r adminapi.Request, one adminapi.Delivery) {
	w.t.Helper()
	await(w.t, "the push to "+d.name+" to end", patience, func() bool {
		r = w.request(id)
		i := slices.IndexFunc(r.Deliveries, d.asks)
		if i < 0 {
			return false
		}
		one = r.Deliveries[i]
		return one.Outcome != "waiting"
	})
	return r, one
}

// asks reports whether a delivery is the one by which d is asked.
func (d *appPhone) asks(one adminapi.Delivery) bool {
	return one.Kind == "notify" && one.Device == d.id && one.Channel == d.channel
}

// refusals are what a service says of one address.
var refusals = []refusal{
	{"404", "webpush", status(404), always, "gone", false},
	{"410", "webpush", status(410), always, "gone", false},
	{"413", "webpush", status(413), always, "unfit", true},
	{"429", "webpush", comeBack, 1, "done", true},
	{"503", "webpush", status(503), 1, "done", true},
	{"unregistered", "fcm", fcmtest.Fail(404, "NOT_FOUND", "UNREGISTERED"), always, "gone", false},
	{"no such project", "fcm", fcmtest.Fail(404, "NOT_FOUND", ""), always, "broken", true},
	{"410 of late", "apns", apnstest.Gone("Unregistered", time.Now().Add(time.Hour)), always, "gone", false},
	{"410 before it registered", "apns", apnstest.Gone("Unregistered", time.Now().Add(-time.Hour)), 1, "done", true},
	{"413", "apns", apnstest.Fail(413, "PayloadTooLarge"), always, "unfit", true},
	{"500", "apns", apnstest.Fail(500, "InternalServerError"), 2, "done", true},
}

type refusal struct {
	name, channel string
	answer        http.HandlerFunc
	times         int32 // that it answers so; then it takes what comes
	outcome       string
	keeps         bool // its address
}

const always = 1000

// TestPushRefused: what a service says of one address decides what becomes of
// that address, and of no other.
func TestPushRefused(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t, "sqlite")
	page := w.device("Page")
	page.opens()
	devices := map[string]*appPhone{}
	for _, d := range w.reached() {
		devices[d.channel] = d
	}
	for _, tt := range refusals {
		t.Run(tt.channel+", "+tt.name, func(t *testing.T) {
			w.t = t // what fails in here, fails here
			d := devices[tt.channel]
			w.spoiled(tt, func() {
				w.asksAndEnds(page, func(id string) {
					_, got := w.delivery(id, d)
					check(t, "the push", got.Outcome, tt.outcome)
					if took := got.EndedAt.Sub(got.CreatedAt); tt.name == "429" && took < comeBackAfter {
						t.Errorf("it came back after %v, want %v", took, comeBackAfter)
					}
				})
			})
			w.asksAndEnds(page, func(id string) {
				for _, other := range devices {
					if other != d || tt.keeps {
						other.heard("show", id)
					}
				}
				if kept := slices.ContainsFunc(w.request(id).Deliveries, d.asks); kept != tt.keeps {
					t.Errorf("its address is kept: %v, want %v", kept, tt.keeps)
				}
			})
			if !tt.keeps {
				d.reachedBy(tt.channel, "en", true) // as at the next start of the app
			}
		})
	}
	w.t = t
}

const comeBackAfter = 2 * time.Second

// comeBack is a service that has too much to do.
func comeBack(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "2")
	w.WriteHeader(http.StatusTooManyRequests)
}

// spoiled does what it is given while a service refuses what comes.
func (w *pushWorld) spoiled(r refusal, do func()) {
	w.t.Helper()
	var count atomic.Int32
	answer := func(rw http.ResponseWriter, req *http.Request) bool {
		if count.Add(1) > r.times {
			return false
		}
		r.answer(rw, req)
		return true
	}
	switch r.channel {
	case "webpush":
		w.services.web.Answer(answer)
	case "fcm":
		w.services.google.answers(answer)
	case "apns":
		w.services.apple.answers(answer)
	}
	do()
	w.services.heal()
	if count.Load() == 0 {
		w.t.Errorf("nothing came to %s", r.channel)
	}
}

// asksAndEnds is one request: page hears of it, do looks, and page says no.
func (w *pushWorld) asksAndEnds(page *appPhone, do func(id string)) {
	w.t.Helper()
	id := w.ask(order)
	page.sees(id, patience)
	do(id)
	if _, err := page.Deny(id, false); err != nil {
		w.t.Fatal(err)
	}
	w.told(id, "denied")
	await(w.t, "all that is to be sent to be sent", patience, func() bool {
		return !slices.ContainsFunc(w.request(id).Deliveries, func(d adminapi.Delivery) bool { return d.Outcome == "waiting" })
	})
}
