package userapi_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
)

// reading is a store that counts how often a session is looked up, which is all
// that a call costs the database before it is let in.
type reading struct {
	*store.DB
	n *atomic.Int64
}

func (r reading) Session(ctx context.Context, id session.ID) (session.Session, error) {
	r.n.Add(1)
	return r.DB.Session(ctx, id)
}

// given opens p's socket, and closes it once it has brought a ticket.
func (p *phone) given() string {
	p.w.t.Helper()
	tickets := make(chan string, 10)
	conn, resp, err := p.dial(p.headers("GET", "/v1/socket"))
	if err != nil {
		p.w.t.Fatalf("%v: %v", err, resp)
	}
	defer conn.Close()
	go func() {
		defer close(tickets)
		for {
			var f frame
			if conn.ReadJSON(&f) != nil {
				return
			}
			if f.Type == "ticket" {
				tickets <- f.Ticket
			}
		}
	}()
	select {
	case ticket := <-tickets:
		return ticket
	case <-time.After(20 * time.Second):
		p.w.t.Fatal("no ticket came")
		return ""
	}
}

// heard wakes d until it is heard: a client knows a moment before the hub that its
// socket is open.
func (w *world) heard(d device.Device, kind push.Kind, key approval.RequestID) {
	w.t.Helper()
	w.eventually(func() bool { return w.wake(d, kind, key) == nil })
}

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// costs is how many looks at sessions f leads to.
func (w *world) costs(f func()) int64 {
	before := w.reads.Load()
	f()
	return w.reads.Load() - before
}

// TestSocketTicket: to connect costs one look at the database, and to connect
// again none, for an app and a browser alike. The socket is as good as the first.
func TestSocketTicket(t *testing.T) {
	for name, begin := range map[string]func(*world) *phone{"app": (*world).newPhone, "browser": (*world).newBrowser} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.hub.Origin = w.url
			p := begin(w)
			alice := p.pair("corp", "alice")
			var ticket string
			if n := w.costs(func() { ticket = p.given() }); n != 1 {
				t.Errorf("the first time: %d looks, want 1", n)
			}
			// On a machine so busy that the hub's own look is late, the first tries may
			// be sent to the database.
			w.eventually(func() bool { return w.costs(func() { p.answered(ticket) }) == 0 })
			frames, status := p.openWith(nil, ticket)
			r := w.ask(alice, "")
			w.heard(p.device, push.Show, r.ID)
			if f := <-frames; f.Key != string(r.ID) {
				t.Errorf("got %+v", f)
			}
			if strings.Contains(w.log.String(), ticket[:40]) {
				t.Error("the log holds the ticket")
			}
			p.do("DELETE", "/v1/session", nil).want(t, 204, nil)
			wantClosed(t, status, 4401)
		})
	}
}

// TestSocketTicketIsNoKey: a ticket opens nothing by itself. Whoever brings it
// must be whom it names, and may no more than the database would let him.
func TestSocketTicketIsNoKey(t *testing.T) {
	w := newWorld(t)
	p, other, unpaired := w.newPhone(), w.newPhone(), w.newPhone()
	p.pair("corp", "alice")
	bob := other.pair("corp", "bob")
	_, offer := w.offer("corp", "carol")
	unpaired.claim(offer)
	ticket := p.given()
	refused := func(name string, h http.Header, status int) {
		t.Helper()
		if _, resp, err := p.dial(h, ticket); err == nil || resp.StatusCode != status {
			t.Errorf("%s: got %v, want %d", name, err, status)
		}
	}
	refused("nobody", http.Header{}, 401)
	thief := w.newPhone()
	thief.token = p.token
	refused("the token and the ticket, but not the key", thief.headers("GET", "/v1/socket"), 401)
	refused("a proof for another call", p.headers("GET", "/v1/requests"), 401)
	refused("no device of its own", unpaired.headers("GET", "/v1/socket"), 403)
	replayed := p.headers("GET", "/v1/socket")
	if conn, _, err := p.dial(replayed, ticket); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	refused("a proof once more", replayed, 401)

	var frames <-chan frame
	if n := w.costs(func() { frames, _ = other.openWith(nil, ticket) }); n != 1 {
		t.Errorf("another's ticket: %d looks, want 1", n)
	}
	r := w.ask(bob, "")
	if err := w.wake(p.device, push.Show, r.ID); err == nil {
		t.Error("another's ticket made a socket of hers")
	}
	w.heard(other.device, push.Show, r.ID)
	if f := <-frames; f.Key != string(r.ID) {
		t.Errorf("got %+v", f)
	}
	if n := w.costs(func() { p.openWith(nil, ticket[:40]+"A"+ticket[41:]) }); n != 1 {
		t.Errorf("a forged one: %d looks, want 1", n)
	}
	w.advance(session.DefaultLife)
	refused("the session is over by our clock", p.headers("GET", "/v1/socket"), 401)
}

// TestSocketTicketOvertaken: who has signed out, or lost his device, does not come
// back by a ticket, and who has one device more hears of it.
func TestSocketTicketOvertaken(t *testing.T) {
	tests := map[string]struct {
		happen func(w *world, p *phone)
		status int
	}{
		"signed out": {func(_ *world, p *phone) { p.do("DELETE", "/v1/session", nil).want(p.w.t, 204, nil) }, 401},
		"revoked": {func(w *world, p *phone) {
			if err := w.devices.Revoke(w.t.Context(), p.device.ID, device.Actor{Kind: device.ActorAdmin}); err != nil {
				w.t.Fatal(err)
			}
		}, 403},
		"paired again": {func(w *world, p *phone) { p.pair("bank", "bob") }, 101},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.newPhone()
			p.pair("corp", "alice")
			ticket := p.given()
			tt.happen(w, p)
			// The word of it is on the bus, and in the next look at the latest.
			w.eventually(func() bool { return p.answered(ticket) == tt.status })
			if tt.status == 101 {
				p.openWith(nil, ticket)
				w.heard(p.device, push.Test, "")
			}
		})
	}
}

// answered is the status of a try to connect.
func (p *phone) answered(ticket string) int {
	conn, resp, err := p.dial(p.headers("GET", "/v1/socket"), ticket)
	if err == nil {
		conn.Close()
	}
	if resp == nil {
		p.w.t.Fatal(err)
	}
	return resp.StatusCode
}
