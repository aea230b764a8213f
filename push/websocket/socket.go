package websocket

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Protocol is the sub-protocol that both sides must name in the handshake.
const Protocol = "mitome.v1"

// CloseRevoked is the status with which a socket is closed because its session
// is over or has no device left. Connecting again is then of no use.
const CloseRevoked = 4401

// The other statuses (RFC 6455 §7.4.1).
const (
	closeGoingAway = websocket.CloseGoingAway
	closePolicy    = websocket.ClosePolicyViolation
	closeData      = websocket.CloseUnsupportedData
	closeProtocol  = websocket.CloseProtocolError
	closeTooBig    = websocket.CloseMessageTooBig
)

// What one socket may cost. Frames are of a few dozen bytes, and what a client
// sends is acknowledgements, pongs and pings.
const (
	bufferBytes   = 512
	maxFrameBytes = 512
	maxControl    = 125 // RFC 6455 §5.5
	handshakeTime = 5 * time.Second
	frameTime     = 500 * time.Millisecond
	// pingTime is short: a ping of two bytes waits only if the peer has left
	// tens of kilobytes unread.
	pingTime   = 500 * time.Millisecond
	maxPerMin  = 120 // frames of any kind that a client may send in a minute
	unanswered = 8   // frames whose acknowledgement is still taken
)

// frame is what travels between nodes; the client sees all but the device.
type frame struct {
	Type   string `json:"type"`
	ID     string `json:"id"`
	Key    string `json:"key,omitempty"`
	Device string `json:"device,omitempty"`
}

// Client is who wants a socket.
type Client struct {
	Session string
	Proof   string    // the key by which the session proves itself, if it must; a ticket gives it back
	Devices []string  // that the session stands for, at least one
	Until   time.Time // when the session ends
}

// socket is one connection.
type socket struct {
	hub     *Hub
	conn    *websocket.Conn
	client  Client   // but for its devices
	devices []string // guarded by the hub's mutex
	slot    int
	opened  time.Time

	seen    atomic.Int64 // when the peer was last heard, in Unix nanoseconds
	pinged  atomic.Int64
	offered bool // it was given a ticket; of the hub's clock alone

	write sync.Mutex
	sent  []string // ids of the latest frames; guarded by write

	first  [firstBytes]byte // this and the rest: of the reader alone
	minute time.Time
	heard  int
	once   sync.Once
}

// upgrader is the same for all: small buffers, and a write buffer only while
// something is written, because most sockets are idle for days.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: handshakeTime,
	ReadBufferSize:   1, // which is as little as there can be; zero would keep the 4 KB of net/http
	WriteBufferSize:  bufferBytes,
	WriteBufferPool:  &sync.Pool{},
	Subprotocols:     []string{Protocol},
	CheckOrigin:      func(*http.Request) bool { return true }, // Accept has
	Error:            func(http.ResponseWriter, *http.Request, int, error) {},
}

// Accept upgrades an authenticated call to a socket and returns at once. When
// it returns an error before the upgrade, nothing was written.
func (h *Hub) Accept(w http.ResponseWriter, r *http.Request, c Client) error {
	origin := r.Header.Get("Origin")
	if !websocket.IsWebSocketUpgrade(r) || !slices.Contains(websocket.Subprotocols(r), Protocol) ||
		origin != "" && origin != h.Origin {
		return ErrUpgrade
	}
	if !h.reserve() {
		return ErrFull
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		h.release()
		return ErrUpgrade
	}
	s := &socket{hub: h, conn: conn, client: c, devices: slices.Clone(c.Devices), opened: time.Now()}
	s.client.Devices = nil
	s.seen.Store(s.opened.UnixNano())
	s.pinged.Store(s.opened.UnixNano())
	oldest, ok := h.register(s)
	if !ok {
		h.release()
		s.close(closeGoingAway, "restarting")
		return nil
	}
	h.observe(Opened)
	if oldest != nil {
		oldest.close(closePolicy, "too many sockets")
	}
	go s.wait() // the hub's own; [Hub.Run] waits for it
	return nil
}

// reserve takes room for one socket before the handshake, which takes time.
func (h *Hub) reserve() bool {
	limit := h.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running || h.total >= limit {
		return false
	}
	h.total++
	return true
}

func (h *Hub) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total--
}

// register puts s where frames, pings and revocations find it. If its session
// has too many sockets it returns the oldest, to be closed: a phone that lost
// its network connects anew before the old socket is known to be dead.
func (h *Hub) register(s *socket) (oldest *socket, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running {
		return nil, false
	}
	if mine := h.sessions[s.client.Session]; len(mine) >= perSession {
		for _, other := range mine {
			if oldest == nil || other.opened.Before(oldest.opened) {
				oldest = other
			}
		}
	}
	for _, d := range s.devices {
		h.devices.add(d, s)
	}
	h.sessions.add(s.client.Session, s)
	s.slot, h.next = h.next, (h.next+1)%slots
	h.wheel[s.slot][s] = struct{}{}
	h.readers.Add(1)
	return oldest, true
}

// unregister forgets s.
func (h *Hub) unregister(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range s.devices {
		h.devices.remove(d, s)
	}
	h.sessions.remove(s.client.Session, s)
	delete(h.wheel[s.slot], s)
	h.total--
}

// send writes f, and reports whether it went out. A client that does not take
// it in time is closed: it asks for what is pending when it is back.
func (s *socket) send(f frame) bool {
	f.Device = ""
	body, err := json.Marshal(f)
	if err != nil {
		return false
	}
	s.write.Lock()
	s.sent = append(s.sent, f.ID)
	if len(s.sent) > unanswered {
		s.sent = slices.Delete(s.sent, 0, 1)
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(frameTime))
	err = s.conn.WriteMessage(websocket.TextMessage, body)
	s.write.Unlock()
	if err != nil {
		_ = s.conn.Close()
	}
	return err == nil
}

// takeAck reports whether id was sent on this socket and not acknowledged yet,
// so that a client can make the bus carry nothing that we did not say.
func (s *socket) takeAck(id string) bool {
	s.write.Lock()
	defer s.write.Unlock()
	i := slices.Index(s.sent, id)
	if i < 0 {
		return false
	}
	s.sent = slices.Delete(s.sent, i, i+1)
	return true
}

// tend pings the peer if it is time, and closes what is dead or over.
func (s *socket) tend(now time.Time) {
	switch {
	case !now.Before(s.client.Until):
		s.close(CloseRevoked, "session is over")
	case now.Sub(time.Unix(0, s.seen.Load())) >= deadAfter:
		_ = s.conn.Close()
	case now.Sub(time.Unix(0, s.pinged.Load())) >= pingEvery:
		s.pinged.Store(now.UnixNano())
		if s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(pingTime)) != nil {
			_ = s.conn.Close()
			return
		}
		s.offer(now)
	case !s.offered:
		s.offer(now)
	}
}

// offer gives the client a ticket. It is not acknowledged: a client that lost it
// connects by way of the database.
func (s *socket) offer(now time.Time) {
	text := s.hub.ticketFor(s, now)
	if text == "" {
		return
	}
	body, err := json.Marshal(map[string]string{"type": "ticket", "ticket": text})
	if err != nil {
		return
	}
	s.offered = true
	s.write.Lock()
	defer s.write.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(pingTime))
	if s.conn.WriteMessage(websocket.TextMessage, body) != nil {
		_ = s.conn.Close()
	}
}

// close says why, if the peer still takes it, and ends the connection; the
// reader then does the rest.
func (s *socket) close(code int, why string) {
	s.once.Do(func() {
		_ = s.conn.WriteControl(websocket.CloseMessage,
			websocket.FormatCloseMessage(code, why), time.Now().Add(pingTime))
		_ = s.conn.Close()
	})
}
