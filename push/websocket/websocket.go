// Package websocket is the push channel of devices that are connected: a sender
// like the others, and the hub that holds this node's sockets.
//
// A frame says that something happened to a request or to the user's devices, and
// never what: the device then asks for the pending ones, as it does whenever it connects. So a frame
// that is lost costs time and nothing else.
//
//	server: {"type":"show"|"clear"|"test","id":"…","key":"<request id>"}
//	        {"type":"device","id":"…","key":"<device id>"}
//	        {"type":"ticket","ticket":"…"}, which is not acknowledged
//	client: {"type":"ack","id":"…"}
//
// # Why
//
// Send publishes on a bus and does not look up which node holds the socket: a
// table of who is where would be written on every connect and be wrong after
// every crash. Who holds the socket answers; silence means that nobody does.
//
// When a node is restarted, or a proxy, all of its clients come back within
// seconds, and each would cost a look at the database. So a client is given a
// ticket, a minute's word of ours about its session, and brings it when it
// connects again, on whichever node. A ticket goes with every ping and not only
// with the last word of a node, because a node that is killed has none. It comes
// beside the ping and not in its place: a ping is answered by the browser
// itself, also for a page that is asleep.
//
// A ticket replaces the look alone. Whoever brings one still shows the token of
// the session that it names and what goes with that, so a ticket that is stolen
// is worth nothing. What changed since it was issued each node knows: twice a
// second it asks for what changed of late, once for all of its clients. While it
// cannot ask, it neither takes tickets nor gives any. Those looks, not the bus,
// are what this rests on: a word on the bus may be lost, and only comes sooner.
//
// An idle socket is one goroutine that reads and two entries in lists: it has no
// writer goroutine, no timer and no write buffer, because most sockets say
// nothing for days and there may be a hundred thousand of them. The library
// shakes hands and writes; reading is our own, because the library waits half a
// dozen calls deep, which takes twice the stack (seen: 4,106 bytes a socket, and
// 2,049 now) and a larger buffer.
package websocket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/push"
)

// patience is how long a Send waits for a client to acknowledge.
const patience = 2 * time.Second

// maxName bounds a target and a key, which travel on the bus.
const maxName = 128

// Sender is push.Sender over a hub's bus.
type Sender struct{ Hub *Hub }

// Channel implements push.Sender.
func (Sender) Channel() push.Channel { return push.WebSocket }

// Check implements push.Sender: the target is a device id.
func (Sender) Check(a push.Address) error {
	target := string(a.Target)
	if a.Channel != push.WebSocket || target == "" || len(target) > maxName ||
		strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("websocket: not the address of a device")
	}
	return nil
}

// Send implements push.Sender. Nil means that a client acknowledged, on
// whichever node; push.ErrAbsent that none did.
func (s Sender) Send(ctx context.Context, a push.Address, m push.Message) error {
	if err := s.Check(a); err != nil {
		return fmt.Errorf("%w: %w", push.ErrGone, err)
	}
	switch m.Kind {
	case push.Show, push.Clear, push.Test, push.Devices:
	default:
		return fmt.Errorf("%w: kind %q", push.ErrUnfit, m.Kind)
	}
	if len(m.Key) > maxName {
		return fmt.Errorf("%w: key of %d bytes", push.ErrUnfit, len(m.Key))
	}
	return s.Hub.send(ctx, frame{
		Type: string(m.Kind), ID: rand.Text(), Key: m.Key, Device: string(a.Target),
	})
}

// send publishes f and waits for its acknowledgement.
func (h *Hub) send(ctx context.Context, f frame) error {
	if err := ctx.Err(); err != nil {
		return push.Later(0, err)
	}
	done, ok := h.expect(f.ID)
	if !ok {
		return push.Later(0, errors.New("websocket: hub is not running"))
	}
	defer h.forget(f.ID)
	if h.Alone && !h.holds(f.Device) {
		return push.ErrAbsent
	}
	h.publish(topicFrame, f)
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-done:
		return nil
	case <-t.C:
		return push.ErrAbsent
	case <-ctx.Done():
		// Too little time was left to hear from anybody; if we are stopping, the
		// message goes out again elsewhere.
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return push.ErrAbsent
		}
		return push.Later(0, ctx.Err())
	}
}

func (h *Hub) expect(id string) (<-chan struct{}, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running {
		return nil, false
	}
	done := make(chan struct{})
	h.waiting[id] = done
	return done, true
}

func (h *Hub) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting, id)
}

// acked is called when a client of this node acknowledged a frame, whichever
// node had sent it.
func (h *Hub) acked(id string) {
	h.observe(Acked)
	if !h.arrived(id) && !h.Alone {
		h.Bus.Publish(topicAck, id)
	}
}

func (h *Hub) onAck(id string) { h.arrived(id) }

// arrived ends the wait for a frame's acknowledgement, if it was sent from here.
func (h *Hub) arrived(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	done, ok := h.waiting[id]
	if ok {
		delete(h.waiting, id)
		close(done)
	}
	return ok
}
