package phone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// How a socket is kept.
const (
	subprotocol  = "mitome.v1"
	maxFrame     = 4 << 10
	readTimeout  = 90 * time.Second // without a word, not even a ping: the line is dead
	writeTimeout = 10 * time.Second
	steady       = 30 * time.Second // a connection that lived so long was a good one
	firstWait    = time.Second      // before the first reconnect, at most
	longestWait  = 16 * time.Second
	ticketMark   = "ticket." // begins the sub-protocol as which a ticket is shown
	closeRevoked = 4401      // the server's word that the last device was revoked
)

// Handler is told what [Phone.Listen] hears, one call at a time. It must return
// soon: while it works, nothing else is heard.
type Handler interface {
	// Show: r waits for an answer. It may come more than once for one request.
	Show(r *Request)
	// Clear: the request has ended; take it off the screen.
	Clear(id string)
	// Test: the server tried whether it is heard.
	Test()
	// Online says whether the phone hears anything at all, and if not, why not.
	Online(online bool, reason string)
}

// DeviceWatcher is told when the user's devices change, one call at a time, as a
// [Handler] is. It is an interface of its own, so that an app that lists no
// devices need not have it.
type DeviceWatcher interface {
	// DevicesChanged: device id is new, or was confirmed, or is no more; ask
	// [Phone.Devices]. It is called with nothing after each connect, because a
	// change may have been missed.
	DevicesChanged(id string)
}

// WatchDevices has w told of changes while the phone listens; nobody if w is nil.
func (p *Phone) WatchDevices(w DeviceWatcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watcher = w
}

func (p *Phone) devicesChanged(id string) {
	p.mu.Lock()
	w := p.watcher
	p.mu.Unlock()
	if w != nil {
		w.DevicesChanged(id)
	}
}

// Listen tells h of requests as they come and go, until [Phone.Close], when it
// returns nothing. It reconnects by itself, and after each connect asks for what
// waits, so that nothing is missed in between. It returns [ErrRevoked] when this
// phone stands for no device any more, and a *Problem when the server will not
// have it.
func (p *Phone) Listen(h Handler) error {
	known := map[string]bool{} // what h shows
	for failures := 0; ; failures++ {
		began := time.Now()
		err := p.listenOnce(h, known)
		if p.ctx.Err() != nil {
			return nil
		}
		h.Online(false, err.Error())
		if websocket.IsCloseError(err, closeRevoked) {
			return ErrRevoked
		}
		if errors.Is(err, ErrNotPaired) || !retryable(err) {
			return err
		}
		if time.Since(began) >= p.steady {
			failures = 0
		}
		if !p.pause(p.wait(failures)) {
			return nil
		}
	}
}

// backoff is how long to wait before reconnect n in a row, from 0: at most 1, 2,
// 4, 8, 16 seconds, and anywhere below that, so that all phones do not come back
// at once after the server was away.
func backoff(n int, random float64) time.Duration {
	return time.Duration(random * float64(min(firstWait<<min(n, 10), longestWait)))
}

// listenOnce is one connection, from dial to error.
func (p *Phone) listenOnce(h Handler, known map[string]bool) error {
	conn, err := p.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(p.ctx, func() { conn.Close() })() // Close ends a read
	// First the socket, then the list: the other way round, what comes between
	// the two would be neither on the list nor heard.
	if err := p.resync(h, known); err != nil {
		return err
	}
	h.Online(true, "")
	p.devicesChanged("")
	for {
		var f frame
		if err := conn.ReadJSON(&f); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
			return err
		}
		if err := p.hear(conn, f, h, known); err != nil {
			return err
		}
	}
}

// frame is one message on the socket, either way.
type frame struct {
	Type string `json:"type"`          // show, clear, device, test; ack from the phone
	ID   string `json:"id"`            // of the frame, for the ack
	Key  string `json:"key,omitempty"` // the request's id, or the device's

	Ticket secret `json:"ticket,omitempty"` // with which the server need not look up who connects again, for a minute
}

// connect opens the socket, with the same two headers as any call, and the ticket
// that the last one left behind.
func (p *Phone) connect() (*websocket.Conn, error) {
	const path = "/v1/socket"
	token := p.token()
	if token == "" {
		return nil, ErrNotPaired
	}
	headers, err := p.headers(token, http.MethodGet, path)
	if err != nil {
		return nil, err
	}
	d := websocket.Dialer{
		NetDialContext: dial, Proxy: proxy, HandshakeTimeout: callTimeout,
		Subprotocols: []string{subprotocol}, ReadBufferSize: 1024, WriteBufferSize: 1024,
	}
	if t := p.lastTicket(); t != "" {
		d.Subprotocols = append(d.Subprotocols, ticketMark+string(t))
	}
	conn, resp, err := d.DialContext(p.ctx, "ws"+strings.TrimPrefix(p.server, "http")+path, headers)
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			body, _ := io.ReadAll(resp.Body) // gorilla keeps at most 1 KiB
			return nil, problem(resp.StatusCode, body)
		}
		return nil, fmt.Errorf("open socket: %w", err)
	}
	if conn.Subprotocol() != subprotocol {
		conn.Close()
		return nil, errors.New("phone: server does not speak " + subprotocol)
	}
	conn.SetReadLimit(maxFrame)
	pong := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		if err := conn.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
			return err
		}
		return pong(data)
	})
	return conn, conn.SetReadDeadline(time.Now().Add(readTimeout))
}

// keepTicket keeps the newest ticket. How long it is good, the server knows.
func (p *Phone) keepTicket(t secret) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ticket = t
}

func (p *Phone) lastTicket() secret {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ticket
}

// resync brings what h shows in line with what waits.
func (p *Phone) resync(h Handler, known map[string]bool) error {
	l, err := p.List()
	if err != nil {
		return err
	}
	waits := map[string]bool{}
	for _, r := range l.all {
		waits[r.ID] = true
		if !known[r.ID] {
			known[r.ID] = true
			h.Show(r)
		}
	}
	for id := range known {
		if !waits[id] {
			delete(known, id)
			h.Clear(id)
		}
	}
	return nil
}

// hear acts on one frame. The ack goes first: it says that the frame was heard,
// and a failure from here on ends the connection, so the next one asks again.
func (p *Phone) hear(conn *websocket.Conn, f frame, h Handler, known map[string]bool) error {
	if f.Type == "ticket" {
		p.keepTicket(f.Ticket)
		return nil
	}
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if err := conn.WriteJSON(frame{Type: "ack", ID: f.ID}); err != nil {
		return err
	}
	switch f.Type {
	case "show":
		return p.heardShow(f.Key, h, known)
	case "clear":
		p.forget(f.Key)
		delete(known, f.Key)
		h.Clear(f.Key)
	case "device":
		p.devicesChanged(f.Key)
	case "test":
		h.Test()
	}
	return nil // a type unknown here is from a newer server, and not for us
}

// heardShow fetches the request that a frame names. It may have ended meanwhile.
func (p *Phone) heardShow(id string, h Handler, known map[string]bool) error {
	r, err := p.Show(id)
	gone := false
	if problem := ProblemOf(err); problem != nil {
		gone = problem.Status == http.StatusNotFound || problem.Status == http.StatusGone
	}
	switch {
	case err != nil && !gone:
		return err
	case gone || r.State != Pending:
		if known[id] {
			delete(known, id)
			h.Clear(id)
		}
	default:
		known[id] = true
		h.Show(r)
	}
	return nil
}

// forget takes a request's view from those that may be approved.
func (p *Phone) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.shown, id)
}
