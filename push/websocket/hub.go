package websocket

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// The hub's measures.
const (
	tick         = 500 * time.Millisecond
	pingEvery    = 25 * time.Second // below the minute after which most proxies drop what is silent
	deadAfter    = 60 * time.Second // two pings unanswered, and some patience
	slots        = 10               // each socket is looked at every slots ticks
	writers      = 8
	queueLen     = 1024
	perSession   = 4
	defaultLimit = 200_000
)

// The refusals of Accept.
var (
	// ErrUpgrade: the call is not a WebSocket handshake of ours, or comes from a
	// page of another origin.
	ErrUpgrade = errors.New("websocket: not a handshake of this protocol")
	// ErrFull: this node is stopping, or holds as many sockets as it may.
	ErrFull = errors.New("websocket: no room for another socket")
)

// Event is something worth counting.
type Event string

// The events that Hub.Observe hears.
const (
	Opened   Event = "opened"
	Closed   Event = "closed"
	Sent     Event = "sent"     // a frame was written to a socket
	Acked    Event = "acked"    // and the client said so
	Dropped  Event = "dropped"  // a frame found no room in the queue
	Redeemed Event = "redeemed" // a ticket was good in place of the database
)

// Hub holds the sockets of one node. Its exported fields are set before Run and
// not changed after.
type Hub struct {
	Bus Bus
	// Changes returns what changed at or after since. It is asked twice a second,
	// so that a revocation closes sockets within a second even where the bus is
	// down, and so that tickets need not be looked up one by one.
	Changes   func(ctx context.Context, since time.Time) ([]Change, error)
	TicketKey []byte // makes and checks tickets, the same on every node; empty: there are none
	Origin    string // the one web origin whose pages may connect; apps send none
	Alone     bool   // there is no other node: who has no socket here has none
	Limit     int    // sockets at once; 200,000 if zero
	Log       *slog.Logger
	Observe   func(Event) // may be nil

	mu       sync.Mutex
	running  bool
	total    int
	devices  index
	sessions index
	wheel    [slots]map[*socket]struct{}
	next     int                      // the slot of the next socket
	waiting  map[string]chan struct{} // frames sent from here, by id
	looked   time.Time                // when the last look that succeeded began
	recent   map[string]news          // by session or device: what changed of late
	readers  sync.WaitGroup

	seed   maphash.Seed
	queues [writers]chan order
}

// order is something to be done to the sockets of one device, or session.
type order struct {
	frame  frame
	revoke bool
	leave  string // the session that is over
}

// Run serves until ctx ends; then every socket is told to go elsewhere and
// closed.
func (h *Hub) Run(ctx context.Context) error {
	h.open()
	defer h.shut()
	for topic, fn := range map[string]func(string){
		topicFrame: h.onFrame, topicAck: h.onAck, topicJoin: h.onJoin,
		topicLeave: h.onLeave, TopicRevoked: h.onRevoked,
	} {
		defer h.Bus.Subscribe(topic, fn)()
	}
	h.begin()
	g, ctx := errgroup.WithContext(ctx)
	for _, q := range h.queues {
		g.Go(func() error { return h.write(ctx, q) })
	}
	g.Go(func() error { return h.keepTime(ctx) })
	g.Go(func() error { return h.watchChanges(ctx) })
	return g.Wait()
}

func (h *Hub) open() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seed = maphash.MakeSeed()
	h.devices, h.sessions = index{}, index{}
	h.waiting, h.recent = map[string]chan struct{}{}, map[string]news{}
	for i := range h.wheel {
		h.wheel[i] = map[*socket]struct{}{}
	}
	for i := range h.queues {
		h.queues[i] = make(chan order, queueLen)
	}
}

// begin lets callers in, now that this node hears the bus.
func (h *Hub) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = true
}

// shut closes every socket and waits until their readers are gone.
func (h *Hub) shut() {
	h.mu.Lock()
	h.running = false
	var all []*socket
	for _, slot := range h.wheel {
		all = slices.AppendSeq(all, maps.Keys(slot))
	}
	h.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(4 * writers) // a socket that takes nothing must not hold up the others
	for _, s := range all {
		g.Go(func() error {
			s.offer(time.Now()) // whoever goes, goes all at once, and comes back so
			s.close(closeGoingAway, "restarting")
			return nil
		})
	}
	_ = g.Wait()
	h.readers.Wait()
}

// Running reports whether Run is serving, for readiness.
func (h *Hub) Running() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}

// Count returns how many sockets this node holds.
func (h *Hub) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total
}

// Present returns how many devices have a socket on this node.
func (h *Hub) Present() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.devices)
}

// Join lets the sockets of a session hear of one device more, on every node: a
// browser that pairs with a second OP need not connect again.
func (h *Hub) Join(session, device string) {
	h.publish(topicJoin, joined{session, device})
}

// joined is what Join publishes.
type joined struct {
	Session string `json:"session"`
	Device  string `json:"device"`
}

func (h *Hub) onJoin(payload string) {
	var j joined
	if json.Unmarshal([]byte(payload), &j) == nil {
		h.note(Change(j))
		h.join(j.Session, j.Device)
	}
}

// join carries that out.
func (h *Hub) join(session, device string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sessions[session] {
		if !slices.Contains(s.devices, device) {
			s.devices = append(s.devices, device)
			h.devices.add(device, s)
		}
	}
}

// Leave closes a session's sockets, on every node: its user has signed out.
func (h *Hub) Leave(session string) { h.Bus.Publish(topicLeave, session) }

func (h *Hub) onLeave(session string) {
	h.note(Change{Session: session})
	h.enqueue(order{leave: session})
}

func (h *Hub) onRevoked(device string) {
	h.note(Change{Device: device})
	h.enqueue(order{frame: frame{Device: device}, revoke: true})
}

// leave carries that out.
func (h *Hub) leave(session string) {
	h.mu.Lock()
	held := slices.Clone(h.sessions[session])
	for _, s := range held {
		for _, d := range s.devices {
			h.devices.remove(d, s)
		}
		s.devices = nil
	}
	h.mu.Unlock()
	for _, s := range held {
		s.close(CloseRevoked, "signed out")
	}
}

// onFrame hands a frame to the writer of its device, if it has a socket here.
func (h *Hub) onFrame(payload string) {
	var f frame
	if json.Unmarshal([]byte(payload), &f) == nil && h.holds(f.Device) {
		h.enqueue(order{frame: f})
	}
}

func (h *Hub) holds(device string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.devices[device]) > 0
}

// enqueue hands o to the one writer of its device, so that a clear never
// overtakes the show before it. The bus must not wait for a slow phone, so what
// finds no room is dropped: a frame is then not acknowledged, and a revocation
// is found by the next look.
func (h *Hub) enqueue(o order) {
	select {
	case h.queues[maphash.String(h.seed, o.frame.Device+o.leave)%writers] <- o:
	default:
		h.observe(Dropped)
	}
}

// write carries out one writer's orders.
func (h *Hub) write(ctx context.Context, q <-chan order) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-q:
			switch {
			case o.leave != "":
				h.leave(o.leave)
			case o.revoke:
				h.revoke(o.frame.Device)
			default:
				h.deliver(o.frame)
			}
		}
	}
}

func (h *Hub) deliver(f frame) {
	h.mu.Lock()
	held := slices.Clone(h.devices[f.Device])
	h.mu.Unlock()
	for _, s := range held {
		if s.send(f) {
			h.observe(Sent)
		}
	}
}

// revoke takes a device off every socket, and closes those that stand for no
// other.
func (h *Hub) revoke(device string) {
	h.mu.Lock()
	var bare []*socket
	for _, s := range h.devices[device] {
		s.devices = slices.DeleteFunc(s.devices, func(d string) bool { return d == device })
		if len(s.devices) == 0 {
			bare = append(bare, s)
		}
	}
	delete(h.devices, device)
	h.mu.Unlock()
	for _, s := range bare {
		s.close(CloseRevoked, "device revoked")
	}
}

// keepTime is the one clock of all sockets: each tick it looks at a slot of
// them, pings those whose time has come and closes those that are dead.
func (h *Hub) keepTime(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	for slot := 0; ; slot = (slot + 1) % slots {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		h.mu.Lock()
		due := slices.Collect(maps.Keys(h.wheel[slot]))
		h.mu.Unlock()
		for _, s := range due {
			s.tend(time.Now()) // each by the time of its turn: there may be thousands before it, and writing has a deadline
		}
	}
}

func (h *Hub) observe(e Event) {
	if h.Observe != nil {
		h.Observe(e)
	}
}

func (h *Hub) publish(topic string, v any) {
	payload, err := json.Marshal(v)
	if err != nil { // three strings
		panic(err)
	}
	h.Bus.Publish(topic, string(payload))
}

// index finds sockets by a name. Most names have one socket, so it is lists and
// no sets.
type index map[string][]*socket

func (x index) add(name string, s *socket) { x[name] = append(x[name], s) }

// remove leaves no empty list behind.
func (x index) remove(name string, s *socket) {
	left := slices.DeleteFunc(x[name], func(other *socket) bool { return other == s })
	if x[name] = left; len(left) == 0 {
		delete(x, name)
	}
}
