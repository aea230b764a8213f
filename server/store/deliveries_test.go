package store_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// The addresses of a device with a socket, a browser and an app.
func asked(d device.DeviceID) []approval.Effect {
	return []approval.Effect{
		approval.Notify{Address: push.AddressID(d + " socket"), Channel: push.WebSocket, Device: d, Leads: true},
		approval.Notify{Address: push.AddressID(d + " browser"), Channel: push.WebPush, Device: d, Wait: time.Second},
		approval.Notify{Address: push.AddressID(d + " app"), Channel: push.FCM, Device: d, Wait: time.Second},
	}
}

// taken claims what is due, by target.
func taken(t testing.TB, db *store.DB) map[string]outbox.Job {
	t.Helper()
	jobs, err := db.ClaimJobs(t.Context(), 100, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]outbox.Job{}
	for _, j := range jobs {
		out[j.Target] = j
	}
	return out
}

func wantTaken(t testing.TB, db *store.DB, want ...string) map[string]outbox.Job {
	t.Helper()
	jobs := taken(t, db)
	var got []string
	for target := range jobs {
		got = append(got, target)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("due are %q, want %q", got, want)
	}
	return jobs
}

func end(t testing.TB, db *store.DB, j outbox.Job, o outbox.Outcome) {
	t.Helper()
	if err := db.FinishJob(t.Context(), j, o, ""); err != nil {
		t.Fatal(err)
	}
}

// became is what stands of a request's deliveries, one word each.
func became(t testing.TB, db *store.DB, id approval.RequestID) string {
	t.Helper()
	all, err := db.Deliveries(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range all {
		out = append(out, d.Kind+" "+string(d.Device)+" "+string(d.Channel)+": "+cmp.Or(d.Outcome, "waits"))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func wantBecame(t testing.TB, db *store.DB, id approval.RequestID, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := became(t, db, id); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// TestAnOpenPageIsEnough: what an open page showed is not pushed to its device, and
// to every other device all the same.
func TestAnOpenPageIsEnough(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db)
		id := enqueue(t, db, append(asked("d1"), asked("d2")...)...)
		other := enqueue(t, db, asked("d1")[1:]...)
		sockets := wantTaken(t, db, "d1 socket", "d2 socket")
		end(t, db, sockets["d1 socket"], outbox.Done)
		wantBecame(t, db, id, "notify d1 websocket: done", "notify d1 webpush: moot", "notify d1 fcm: moot",
			"notify d2 websocket: waits", "notify d2 webpush: waits", "notify d2 fcm: waits")
		wantBecame(t, db, other, "notify d1 webpush: waits", "notify d1 fcm: waits")
		c.pass(time.Second - time.Microsecond)
		wantTaken(t, db)
		c.pass(time.Microsecond)
		wantTaken(t, db, "d2 browser", "d2 app", "d1 browser", "d1 app") // d1's are the other request's
	})
}

// TestNoPageIsOpen: pushes leave as soon as it is known that nobody has a page
// open, and the worker is woken for them.
func TestNoPageIsOpen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		timed(db)
		id := enqueue(t, db, append(asked("d1"), asked("d2")...)...)
		sockets := wantTaken(t, db, "d1 socket", "d2 socket")
		<-db.Wake()
		end(t, db, sockets["d2 socket"], "absent")
		select {
		case <-db.Wake():
		default:
			t.Error("nobody is woken")
		}
		wantTaken(t, db, "d2 browser", "d2 app")
		wantBecame(t, db, id, "notify d1 websocket: waits", "notify d1 webpush: waits", "notify d1 fcm: waits",
			"notify d2 websocket: absent", "notify d2 webpush: waits", "notify d2 fcm: waits")
	})
}

// TestAPageIsLate: what is being sent when the page says that it shows the request
// is left alone; what is to be tried again is not.
func TestAPageIsLate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db)
		id := enqueue(t, db, asked("d1")...)
		socket := wantTaken(t, db, "d1 socket")["d1 socket"]
		c.pass(time.Second)
		pushes := wantTaken(t, db, "d1 browser", "d1 app")
		if err := db.RetryJob(t.Context(), pushes["d1 app"], c.Now().Add(time.Second), "hung up"); err != nil {
			t.Fatal(err)
		}
		end(t, db, socket, outbox.Done)
		end(t, db, pushes["d1 browser"], outbox.Done)
		wantBecame(t, db, id, "notify d1 websocket: done", "notify d1 webpush: done", "notify d1 fcm: moot")
		r, err := db.Request(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		got, err := db.DeliveredTo(t.Context(), r)
		if err != nil || len(got) != 2 || got["websocket"] != 1 || got["webpush"] != 1 {
			t.Errorf("delivered to %v, %v", got, err)
		}
		r.Decision = &approval.Decision{Verdict: approval.Deny, At: c.Now().Add(-time.Microsecond)}
		if got, err := db.DeliveredTo(t.Context(), r); err != nil || got != nil {
			t.Errorf("delivered to %v before it was answered, %v", got, err)
		}
		withdraw(t, db, id, "d1") // the one that was tried again may have arrived
		wantTaken(t, db, "d1 socket", "d1 browser", "d1 app")
	})
}

// TestALaterTryStaysLater: when nobody has a page open, a push that has failed
// already keeps to its time.
func TestALaterTryStaysLater(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db)
		enqueue(t, db, asked("d1")...)
		socket := wantTaken(t, db, "d1 socket")["d1 socket"]
		c.pass(time.Second)
		pushes := wantTaken(t, db, "d1 browser", "d1 app")
		if err := db.RetryJob(t.Context(), pushes["d1 app"], c.Now().Add(time.Minute), "slow down"); err != nil {
			t.Fatal(err)
		}
		end(t, db, socket, "absent")
		wantTaken(t, db)
	})
}

// withdraw ends a request of which d's three addresses are to be told.
func withdraw(t testing.TB, db *store.DB, id approval.RequestID, d device.DeviceID) {
	t.Helper()
	r, err := db.Request(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	r.State = approval.Withdrawn
	var effects []approval.Effect
	for _, e := range asked(d) {
		n := e.(approval.Notify)
		effects = append(effects, approval.Clear{Address: n.Address, Channel: n.Channel, Device: n.Device})
	}
	if err := db.UpdateRequest(t.Context(), approval.Change{Next: r, Effects: effects, By: device.Mitome}); err != nil {
		t.Fatal(err)
	}
}

// TestClearsFollowWhatWasSent: a question is taken back where it may be, and is not
// put any more where it is not.
func TestClearsFollowWhatWasSent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db)
		id := enqueue(t, db, asked("d1")...)
		wantTaken(t, db, "d1 socket")
		withdraw(t, db, id, "d1")
		wantTaken(t, db, "d1 socket")
		wantBecame(t, db, id, "notify d1 websocket: waits", "notify d1 webpush: moot", "notify d1 fcm: moot", "clear d1 websocket: waits")

		id = enqueue(t, db, asked("d1")...)
		c.pass(time.Second)
		jobs := wantTaken(t, db, "d1 socket", "d1 browser", "d1 app")
		end(t, db, jobs["d1 browser"], outbox.Done) // and the app's is being sent
		withdraw(t, db, id, "d1")
		wantTaken(t, db, "d1 socket", "d1 browser", "d1 app")
	})
}

// TestClaimedWhileItEnds: whatever was claimed while the request came to its end is
// cleared, because it may be shown.
func TestClaimedWhileItEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db)
		for range 30 {
			id := enqueue(t, db, asked("d1")...)
			socket := wantTaken(t, db, "d1 socket")
			c.pass(time.Second)
			var jobs map[string]outbox.Job
			devicetest.Race(2, func(i int) error {
				if i == 0 {
					jobs = taken(t, db)
				} else {
					withdraw(t, db, id, "d1")
				}
				return nil
			})
			later := taken(t, db)
			for _, target := range []string{"d1 browser", "d1 app"} {
				switch got := [2]string{jobs[target].Kind, later[target].Kind}; got {
				case [2]string{}, [2]string{"notify", "clear"}:
				default: // asked and never cleared, or cleared and never asked
					t.Fatalf("%s: claimed were %q", target, got)
				}
			}
			end(t, db, socket["d1 socket"], outbox.Done)
			for _, j := range []map[string]outbox.Job{jobs, later} {
				for _, j := range j {
					end(t, db, j, outbox.Done)
				}
			}
		}
	})
}

// TestDeliveriesOutliveTheirAddress: an operator who asks why nothing arrived is
// told, though the address is dead and gone.
func TestDeliveriesOutliveTheirAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db)
		s := people(db)
		d := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), c.Now())
		a := devicetest.Subscription("https://push.example/1", c.Now())
		if _, err := db.AddAddress(t.Context(), device.NewAddress{Device: d.ID, Address: a, Most: 5}, device.Mitome); err != nil {
			t.Fatal(err)
		}
		taken(t, db) // what a new address is sent by itself
		id := enqueue(t, db, approval.Notify{Address: a.ID, Channel: a.Channel, Device: d.ID})
		c.pass(time.Second)
		j := wantTaken(t, db, string(a.ID))[string(a.ID)]
		if err := db.FinishJob(t.Context(), j, "gone", "webpush: answer 410"); err != nil {
			t.Fatal(err)
		}
		if err := db.RemoveAddress(t.Context(), a.ID); err != nil {
			t.Fatal(err)
		}
		got, err := db.Deliveries(t.Context(), id)
		want := approval.Delivery{
			Kind: "notify", Channel: push.WebPush, Device: d.ID, DeviceName: d.Name, Outcome: "gone", Cause: "webpush: answer 410",
			Attempts: 1, Created: approvaltest.Start, Ended: approvaltest.Start.Add(time.Second),
		}
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		r, err := db.Request(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := db.DeliveredTo(t.Context(), r); err != nil || n != nil {
			t.Errorf("delivered to %v, %v", n, err)
		}
	})
}
