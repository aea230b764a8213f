package approval_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// due is to how many sockets and to how many other addresses something is to be
// sent now; those jobs are claimed.
func (w *world) due(t *testing.T, socket func(push.AddressID) bool) (sockets, others int, jobs []outbox.Job) {
	t.Helper()
	jobs, err := w.db.ClaimJobs(t.Context(), 100, time.Minute)
	fatal(t, err)
	for _, j := range jobs {
		switch {
		case j.Kind == "test" || j.Kind == "report":
		case socket(push.AddressID(j.Target)):
			sockets++
		default:
			others++
		}
	}
	return sockets, others, jobs
}

// TestTheSocketComesFirst: a device that has a socket and may be woken otherwise is
// pushed to a moment later, and without a socket at once; one that was not pushed
// to is not told of the end.
func TestTheSocketComesFirst(t *testing.T) {
	for name, tt := range map[string]struct {
		wait          time.Duration
		pushes        int // addresses of the first phone beside its socket
		atOnce, later int // that are pushed to, without a word from the socket
	}{
		"a socket alone":       {time.Second, 0, 0, 0},
		"a socket and a push":  {time.Second, 1, 0, 1},
		"a socket and three":   {2 * time.Second, 3, 0, 3},
		"all at once, if told": {0, 2, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, policy.Rules{})
			w.WaitForSocket = tt.wait
			u := w.user(t, "aiko")
			p := w.pair(t, u)
			for i := range tt.pushes {
				a := devicetest.Subscription("https://push.example/"+string(rune('a'+i)), w.now)
				_, err := w.db.AddAddress(t.Context(), device.NewAddress{Device: p.ID, Address: a, Most: 5}, admin)
				fatal(t, err)
			}
			d, err := w.db.Device(t.Context(), p.ID)
			fatal(t, err)
			socket := func(id push.AddressID) bool {
				return slices.ContainsFunc(d.Addresses, func(a push.Address) bool { return a.ID == id && a.Channel == push.WebSocket })
			}
			w.due(t, socket) // what new addresses are sent by themselves

			r := w.accept(t, w.asks("aiko"))
			sockets, others, jobs := w.due(t, socket)
			if sockets != 1 || others != tt.atOnce {
				t.Errorf("at once: %d sockets and %d others, want 1 and %d", sockets, others, tt.atOnce)
			}
			for _, j := range jobs {
				if leads := tt.later > 0 && socket(push.AddressID(j.Target)); j.Leads != leads {
					t.Errorf("leads: %v, want %v", j.Leads, leads)
				}
			}
			w.now = w.now.Add(tt.wait - time.Microsecond)
			if _, others, _ := w.due(t, socket); others != 0 && tt.wait > 0 {
				t.Errorf("%d are pushed to too early", others)
			}
			if tt.pushes > 1 {
				w.now = w.now.Add(time.Microsecond)
				if _, others, _ := w.due(t, socket); others != tt.later {
					t.Errorf("later: %d, want %d", others, tt.later)
				}
			}
			_, err = w.Decide(t.Context(), no(r.ID, p))
			fatal(t, err)
			cleared := tt.atOnce
			if tt.pushes > 1 {
				cleared += tt.later
			}
			if sockets, others, _ = w.due(t, socket); sockets != 1 || others != cleared {
				t.Errorf("cleared: %d sockets and %d others, want 1 and %d", sockets, others, cleared)
			}
		})
	}
}

// TestADeviceWithoutASocketDoesNotWait: its pushes are all that it has.
func TestADeviceWithoutASocketDoesNotWait(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.WaitForSocket = time.Second
	u := w.user(t, "aiko")
	p := w.pair(t, u)
	d, err := w.db.Device(t.Context(), p.ID)
	fatal(t, err)
	fatal(t, w.db.RemoveAddress(t.Context(), d.Addresses[0].ID))
	a := devicetest.Subscription("https://push.example/a", w.now)
	_, err = w.db.AddAddress(t.Context(), device.NewAddress{Device: p.ID, Address: a, Most: 5}, admin)
	fatal(t, err)
	none := func(push.AddressID) bool { return false }
	w.due(t, none)
	r := w.accept(t, w.asks("aiko"))
	if _, others, jobs := w.due(t, none); others != 1 || jobs[0].Subject != string(r.ID) {
		t.Errorf("%d are pushed to at once, want 1", others)
	}
}

// TestAShortLifeIsNotSpentOnWaiting: a push waits for a quarter of the time that the
// user has, at most.
func TestAShortLifeIsNotSpentOnWaiting(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.WaitForSocket = 10 * time.Second
	p := w.pair(t, w.user(t, "aiko"))
	a := devicetest.Subscription("https://push.example/a", w.now)
	_, err := w.db.AddAddress(t.Context(), device.NewAddress{Device: p.ID, Address: a, Most: 5}, admin)
	fatal(t, err)
	ask := w.asks("aiko")
	ask.ExpiresAt = w.now.Add(12 * time.Second)
	w.accept(t, ask)
	socket := func(id push.AddressID) bool { return id != a.ID }
	w.now = w.now.Add(3*time.Second - time.Microsecond)
	if sockets, others, _ := w.due(t, socket); sockets != 1 || others != 0 {
		t.Errorf("%d sockets and %d others are due, want the socket", sockets, others)
	}
	w.now = w.now.Add(time.Microsecond)
	if _, others, _ := w.due(t, socket); others != 1 {
		t.Errorf("%d are pushed to, want 1", others)
	}
}
