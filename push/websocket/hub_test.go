package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/websocket"
)

// TestAlive: a peer that answers pings stays for hours, one that does not is
// gone within moments of a minute, and one that reads nothing at the first ping.
func TestAlive(t *testing.T) {
	tests := []struct {
		name       string
		m          manner
		atLeast    time.Duration
		notBeyond  time.Duration
		staysAlive bool
	}{
		{"answers", manner{}, 0, 0, true},
		{"no pong", manner{noPong: true}, time.Minute, 66 * time.Second, false},
		{"reads nothing", manner{deaf: true}, 25 * time.Second, 31 * time.Second, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, &bus{}, nil)
				n.connect(tt.m)
				if tt.staysAlive {
					time.Sleep(3 * time.Hour)
					if n.hub.Count() != 1 {
						t.Error("it was closed")
					}
					return
				}
				time.Sleep(tt.atLeast)
				if n.hub.Count() != 1 {
					t.Error("closed too early")
				}
				time.Sleep(tt.notBeyond - tt.atLeast)
				synctest.Wait()
				if n.hub.Count() != 0 {
					t.Error("still held")
				}
			})
		})
	}
}

// TestSlowClient: a client that takes no frame is closed and holds up nobody.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, &bus{}, nil)
		n.connect(manner{deaf: true})
		n.connect(manner{})
		if err := (websocket.Sender{Hub: n.hub}).Send(t.Context(), address("d1"), show("r1")); err != nil {
			t.Errorf("the other socket: %v", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n.hub.Count() != 1 {
			t.Errorf("%d sockets, want 1", n.hub.Count())
		}
	})
}

// TestSlowRound: those that read nothing, and so hold up the hub's clock, cost
// nobody else his socket.
func TestSlowRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, &bus{}, handing(&changes{}))
		var good []*peer
		for i := range 60 {
			n.client.Session, n.client.Devices = fmt.Sprint("s", i), []string{fmt.Sprint("d", i)}
			if deaf := i%10 < 3 && i < 50; deaf { // in the same slots as good ones
				n.connect(manner{deaf: true})
			} else {
				good = append(good, n.connect(manner{}))
			}
		}
		time.Sleep(3 * time.Minute)
		for _, p := range good {
			p.wantOpen(t)
		}
		if got := n.hub.Count(); got != len(good) {
			t.Errorf("%d sockets, want %d", got, len(good))
		}
	})
}

// changes is the list that a store would keep.
type changes struct {
	mu   sync.Mutex
	list []change
	down bool
}

type change struct {
	websocket.Change
	at time.Time
}

func (c *changes) since(_ context.Context, since time.Time) (out []websocket.Change, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, errors.New("database is down")
	}
	for _, one := range c.list {
		if !one.at.Before(since) {
			out = append(out, one.Change)
		}
	}
	return out, nil
}

func (c *changes) fail(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

func (c *changes) add(session, device string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, change{websocket.Change{Session: session, Device: device}, at})
}

func TestRevoked(t *testing.T) {
	tests := []struct {
		name   string
		revoke func(b *bus, c *changes)
		within time.Duration
	}{
		{"by the bus, at once", func(b *bus, _ *changes) { b.Publish(websocket.TopicRevoked, "d1") }, 0},
		{"by the poll, within a second", func(_ *bus, c *changes) { c.add("", "d1", time.Now()) }, time.Second},
		{"by a node whose clock is behind", func(_ *bus, c *changes) {
			c.add("", "d1", time.Now().Add(-20*time.Second))
		}, time.Second},
		{"while the database did not answer", func(_ *bus, c *changes) {
			c.fail(true)
			c.add("", "d1", time.Now())
			time.Sleep(5 * time.Minute)
			c.fail(false)
		}, 6 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, c := &bus{}, &changes{}
				n := start(t, b, func(h *websocket.Hub) { h.Changes = c.since })
				p := n.connect(manner{})
				time.Sleep(10 * time.Minute)
				p.wantOpen(t)
				began := time.Now()
				tt.revoke(b, c)
				p.wantClosed(t, websocket.CloseRevoked)
				if took := time.Since(began); took > tt.within {
					t.Errorf("took %v, want at most %v", took, tt.within)
				}
			})
		})
	}
}

// TestRevokedOneOfTwo: a browser that stands for two devices keeps its socket
// for the other one.
func TestRevokedOneOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bus{}
		n := start(t, b, func(h *websocket.Hub) { h.Alone = true })
		n.client.Devices = []string{"d1", "d2"}
		p := n.connect(manner{})
		b.Publish(websocket.TopicRevoked, "d1")
		time.Sleep(time.Second)
		p.wantOpen(t)
		s := websocket.Sender{Hub: n.hub}
		if err := s.Send(t.Context(), address("d1"), show("r1")); !errors.Is(err, push.ErrAbsent) {
			t.Errorf("the revoked device: got %v, want ErrAbsent", err)
		}
		if err := s.Send(t.Context(), address("d2"), show("r2")); err != nil {
			t.Errorf("the other device: %v", err)
		}
		b.Publish(websocket.TopicRevoked, "d2")
		p.wantClosed(t, websocket.CloseRevoked)
	})
}

// TestJoin: a session that pairs again hears of the new device on the socket
// that it has, on whichever node that is.
func TestJoin(t *testing.T) {
	b := &bus{}
	here, there := start(t, b, nil), start(t, b, nil)
	p := there.connect(manner{})
	here.hub.Join("s1", "d2")
	here.hub.Join("another session", "d3")
	s := websocket.Sender{Hub: here.hub}
	if err := s.Send(t.Context(), address("d2"), show("r2")); err != nil {
		t.Fatal(err)
	}
	if f := <-p.frames; f.Key != "r2" {
		t.Errorf("got %+v", f)
	}
	b.Publish(websocket.TopicRevoked, "d1")
	b.Publish(websocket.TopicRevoked, "d2")
	p.wantClosed(t, websocket.CloseRevoked)
}

// TestLeave: who signs out hears nothing more on any node, and others of the same
// device go on.
func TestLeave(t *testing.T) {
	b := &bus{}
	here, there := start(t, b, nil), start(t, b, nil)
	p := there.connect(manner{})
	there.client.Session = "s2" // another browser of the same device
	other := there.connect(manner{})
	here.hub.Leave("another session")
	here.hub.Leave("s1")
	p.wantClosed(t, websocket.CloseRevoked)
	if err := (websocket.Sender{Hub: here.hub}).Send(t.Context(), address("d1"), show("r1")); err != nil {
		t.Fatal(err)
	}
	if f := <-other.frames; f.Key != "r1" {
		t.Errorf("got %+v", f)
	}
	other.wantOpen(t)
}

func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, &bus{}, nil)
		n.client.Until = time.Now().Add(time.Hour)
		p := n.connect(manner{})
		time.Sleep(time.Hour - time.Second)
		p.wantOpen(t)
		time.Sleep(7 * time.Second)
		p.wantClosed(t, websocket.CloseRevoked)
	})
}

// TestStop: sockets are told to come back, and nobody new is let in.
func TestStop(t *testing.T) {
	n := start(t, &bus{}, nil)
	peers := []*peer{n.connect(manner{}), n.connect(manner{}), n.connect(manner{deaf: true})}
	n.stop()
	for _, p := range peers[:2] {
		p.wantClosed(t, gorilla.CloseGoingAway)
	}
	if n.hub.Count() != 0 {
		t.Errorf("%d sockets are left", n.hub.Count())
	}
	if _, err := n.dial(nil, websocket.Protocol); err == nil {
		t.Error("a stopped hub took a socket")
	}
	if err := <-n.errs; !errors.Is(err, websocket.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
}

// TestBounds: neither a node nor a session holds more sockets than it may.
func TestBounds(t *testing.T) {
	n := start(t, &bus{}, func(h *websocket.Hub) { h.Limit = 5 })
	var peers []*peer
	for range 4 {
		peers = append(peers, n.connect(manner{}))
	}
	n.connect(manner{})
	peers[0].wantClosed(t, gorilla.ClosePolicyViolation)
	eventually(t, func() bool { return n.hub.Count() == 4 })
	n.client = websocket.Client{Session: "s2", Devices: []string{"d2"}, Until: n.client.Until}
	fifth := n.connect(manner{})
	if _, err := n.dial(nil, websocket.Protocol); err == nil {
		t.Error("one more than the limit")
	}
	if err := <-n.errs; !errors.Is(err, websocket.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	fifth.conn.Close()
	eventually(t, func() bool { return n.hub.Count() == 4 })
	n.connect(manner{})
}
