package websocket_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	gorilla "github.com/gorilla/websocket"

	"github.com/mitome-ciba/mitome/push/websocket"
)

var ticketKey = []byte("the key that all nodes have")

// handing has a hub hand out tickets, and learn of changes from c.
func handing(c *changes) func(*websocket.Hub) {
	return func(h *websocket.Hub) { h.TicketKey, h.Changes = ticketKey, c.since }
}

// ticket waits for the next one that p is given.
func (p *peer) ticket(t *testing.T) string {
	t.Helper()
	for {
		select {
		case f := <-p.frames:
			if f.Type == "ticket" {
				return f.Ticket
			}
		case <-time.After(time.Minute):
			t.Fatal("no ticket came")
		}
	}
}

// redeem presents a ticket as a client does that connects.
func (n *node) redeem(ticket string) (websocket.Client, bool) {
	r := httptest.NewRequest("GET", "/v1/socket", nil)
	r.Header.Set("Sec-WebSocket-Protocol", websocket.Protocol+", ticket."+ticket)
	return n.hub.Redeem(r)
}

// made is a ticket of whoever knows key.
func made(key []byte, body string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(append(m.Sum(nil), body...))
}

// body is what a ticket for session s1 says.
func body(issued, until time.Time) string {
	return fmt.Sprintf(`{"s":"s1","p":"k1","d":["d1"],"u":%d,"i":%d}`, until.UnixMilli(), issued.UnixMilli())
}

// TestTicket: what one node hands out another one takes, for a minute, and a
// client always has one that will last through its first five tries.
func TestTicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c := &bus{}, &changes{}
		here, there := start(t, b, handing(c)), start(t, b, handing(c))
		here.client.Proof, here.client.Devices = "k1", []string{"d1", "d2"}
		p := here.connect(manner{})
		began := time.Now()
		got := p.ticket(t)
		time.Sleep(time.Second) // both have looked
		if took := time.Since(began); took > 7*time.Second {
			t.Errorf("the first one came after %v", took)
		}
		who, ok := there.redeem(got)
		want := here.client
		want.Until = time.UnixMilli(want.Until.UnixMilli())
		if diff := cmp.Diff(want, who); !ok || diff != "" {
			t.Errorf("%v %s", ok, diff)
		}
		for range 20 {
			began = time.Now()
			got = p.ticket(t)
			if gap := time.Since(began); gap > 30*time.Second {
				t.Fatalf("none for %v", gap)
			}
		}
		time.Sleep(time.Minute - time.Second)
		if _, ok := there.redeem(got); !ok {
			t.Error("refused within its minute")
		}
		time.Sleep(time.Second)
		if _, ok := there.redeem(got); ok {
			t.Error("taken after its minute")
		}
	})
}

// TestTicketForged: nothing is taken but what a node made, as it made it.
func TestTicketForged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, &bus{}, handing(&changes{}))
		time.Sleep(time.Minute)
		now := time.Now()
		good := made(ticketKey, body(now, now.Add(time.Hour)))
		if who, ok := n.redeem(good); !ok || who.Session != "s1" || who.Proof != "k1" {
			t.Fatalf("the genuine one: %v, %v", who, ok)
		}
		for name, text := range map[string]string{
			"of another key":  made([]byte("guessed"), body(now, now.Add(time.Hour))),
			"of no key":       made(nil, body(now, now.Add(time.Hour))),
			"another body":    good[:50] + "A" + good[51:],
			"cut":             good[:len(good)-4],
			"the hash alone":  good[:43],
			"short":           "AAAA",
			"empty":           "",
			"no base64":       good[:60] + "!",
			"not canonical":   good + "=",
			"much":            made(ticketKey, strings.Replace(body(now, now.Add(time.Hour)), "k1", long(2000), 1)),
			"for nobody":      made(ticketKey, strings.Replace(body(now, now.Add(time.Hour)), "s1", "", 1)),
			"for no device":   made(ticketKey, strings.Replace(body(now, now.Add(time.Hour)), `"d1"`, "", 1)),
			"not of our form": made(ticketKey, "s1"),
			"too old":         made(ticketKey, body(now.Add(-time.Minute), now.Add(time.Hour))),
			"from the future": made(ticketKey, body(now.Add(6*time.Second), now.Add(time.Hour))),
			"session is over": made(ticketKey, body(now, now)),
		} {
			if who, ok := n.redeem(text); ok {
				t.Errorf("%s: taken as %v", name, who)
			}
		}
		if _, ok := n.redeem(made(ticketKey, body(now.Add(4*time.Second), now.Add(time.Hour)))); !ok {
			t.Error("refused because the other node's clock is ahead a little")
		}
	})
}

// TestTicketOvertaken: what happened since it was issued makes it void, on nodes
// that the bus does not reach, too; and so does not knowing what happened.
func TestTicketOvertaken(t *testing.T) {
	tests := []struct {
		name   string
		deaf   bool // the bus loses everything
		happen func(h *websocket.Hub, b *bus, c *changes)
		after  time.Duration
	}{
		{"device revoked, by the bus", false, func(_ *websocket.Hub, b *bus, _ *changes) { b.Publish(websocket.TopicRevoked, "d2") }, 0},
		{"device revoked, by the look", true, func(_ *websocket.Hub, _ *bus, c *changes) { c.add("", "d2", time.Now()) }, time.Second},
		{"signed out, by the bus", false, func(h *websocket.Hub, _ *bus, _ *changes) { h.Leave("s1") }, 0},
		{"signed out, by the look", true, func(_ *websocket.Hub, _ *bus, c *changes) { c.add("s1", "", time.Now()) }, time.Second},
		{"joined, by the bus", false, func(h *websocket.Hub, _ *bus, _ *changes) { h.Join("s1", "d3") }, 0},
		{"joined, by the look", true, func(_ *websocket.Hub, _ *bus, c *changes) { c.add("s1", "d3", time.Now()) }, time.Second},
		{"known by a clock that is behind", true, func(_ *websocket.Hub, _ *bus, c *changes) {
			c.add("", "d2", time.Now().Add(-30*time.Second))
		}, time.Second},
		{"database is down", true, func(_ *websocket.Hub, _ *bus, c *changes) { c.fail(true) }, 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, c := &bus{deaf: tt.deaf}, &changes{}
				here, there := start(t, b, handing(c)), start(t, b, handing(c))
				here.client.Devices = []string{"d1", "d2"}
				p := here.connect(manner{})
				ticket := p.ticket(t)
				time.Sleep(time.Second) // both have looked
				if _, ok := there.redeem(ticket); !ok {
					t.Fatal("refused before anything happened")
				}
				tt.happen(here.hub, b, c)
				time.Sleep(tt.after)
				for wait := time.Duration(0); wait <= 50*time.Second; wait += time.Second {
					if _, ok := there.redeem(ticket); ok {
						t.Fatalf("taken %v after", tt.after+wait)
					}
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// TestTicketOnlyIfSure: a node that does not know what changed takes no ticket
// and gives none, be it that it has just begun, that it is over, or that it is
// to have none.
func TestTicketOnlyIfSure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &changes{}
		c.fail(true)
		n := start(t, &bus{}, handing(c))
		p := n.connect(manner{})
		time.Sleep(time.Minute)
		fresh := func() string { return made(ticketKey, body(time.Now(), time.Now().Add(time.Hour))) }
		if _, ok := n.redeem(fresh()); ok || len(p.frames) != 0 {
			t.Errorf("taken: %v, given: %d", ok, len(p.frames))
		}
		c.fail(false)
		p.ticket(t)
		if _, ok := n.redeem(fresh()); !ok {
			t.Error("refused though it knows")
		}
		without := start(t, &bus{}, func(h *websocket.Hub) { h.Changes = c.since })
		other := without.connect(manner{})
		time.Sleep(time.Minute)
		if _, ok := without.redeem(made(nil, body(time.Now(), time.Now().Add(time.Hour)))); ok || len(other.frames) != 0 {
			t.Errorf("without a key: taken %v, given %d", ok, len(other.frames))
		}
		n.stop()
		if _, ok := n.redeem(fresh()); ok {
			t.Error("taken by a node that has ended")
		}
	})
}

// TestTicketAtTheEnd: a node that stops gives everybody a fresh one.
func TestTicketAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c := &bus{}, &changes{}
		here, there := start(t, b, handing(c)), start(t, b, handing(c))
		p := here.connect(manner{})
		p.ticket(t)
		time.Sleep(20 * time.Second)
		here.stop()
		last := p.ticket(t)
		p.wantClosed(t, gorilla.CloseGoingAway)
		time.Sleep(59 * time.Second)
		if _, ok := there.redeem(last); !ok {
			t.Error("it does not last a minute")
		}
	})
}

// TestTicketFollows: a ticket speaks of the devices of the moment, and of none if
// there are too many to stand in a header.
func TestTicketFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c := &bus{deaf: true}, &changes{} // the looks alone must do
		n := start(t, b, handing(c))
		n.client.Devices = []string{"d1", "d2"}
		p := n.connect(manner{})
		time.Sleep(10 * time.Second)
		c.add("s1", "d3", time.Now())
		c.add("", "d2", time.Now().Add(time.Microsecond))
		time.Sleep(time.Second)
		for len(p.frames) > 0 {
			<-p.frames
		}
		who, ok := n.redeem(p.ticket(t))
		if diff := cmp.Diff([]string{"d1", "d3"}, who.Devices); !ok || diff != "" {
			t.Errorf("%v %s", ok, diff)
		}
		c.add("s1", long(1000), time.Now())
		time.Sleep(time.Second)
		for len(p.frames) > 0 {
			<-p.frames
		}
		time.Sleep(time.Minute)
		if len(p.frames) != 0 {
			t.Error("a ticket too long for a header was given")
		}
	})
}

// TestLookEnds: a session that is over loses its sockets, and one that stands for
// a device more hears of it, though the bus lost the word.
func TestLookEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &changes{}
		n := start(t, &bus{deaf: true}, func(h *websocket.Hub) { h.Changes = c.since })
		p := n.connect(manner{})
		c.add("s1", "d2", time.Now())
		time.Sleep(time.Second)
		if n.hub.Present() != 2 {
			t.Errorf("%d devices are there, want 2", n.hub.Present())
		}
		c.add("", "d2", time.Now())
		time.Sleep(time.Second) // each look finds both, that it came and that it went
		if n.hub.Present() != 1 {
			t.Errorf("%d devices are there, want 1", n.hub.Present())
		}
		c.add("s1", "", time.Now())
		p.wantClosed(t, websocket.CloseRevoked)
		synctest.Wait()
		if n.hub.Present() != 0 || n.hub.Count() != 0 {
			t.Errorf("%d devices, %d sockets are left", n.hub.Present(), n.hub.Count())
		}
	})
}
