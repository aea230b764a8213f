package userapi_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/websocket"
)

// frame is what a socket says.
type frame struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Key  string `json:"key"`

	Ticket string `json:"ticket"`
}

// open opens p's socket. Frames are acknowledged as they come; the channel of
// their words is closed at the end, and then the status is there.
func (p *phone) open() (frames <-chan frame, status <-chan int) {
	p.w.t.Helper()
	return p.openWith(nil)
}

// openWith opens it with tickets, if it has any, and hands on those it is given.
func (p *phone) openWith(given chan<- string, tickets ...string) (frames <-chan frame, status <-chan int) {
	p.w.t.Helper()
	conn, resp, err := p.dial(p.headers("GET", "/v1/socket"), tickets...)
	if err != nil {
		p.w.t.Fatalf("%v: %v", err, resp)
	}
	// What does not come is missed, and not waited for until the whole run is over.
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		p.w.t.Fatal(err)
	}
	out, end := make(chan frame, 100), make(chan int, 1)
	p.w.t.Cleanup(func() { conn.Close(); <-end })
	go func() {
		defer close(end)
		defer close(out)
		for {
			var f frame
			if err := conn.ReadJSON(&f); err != nil {
				var closed *gorilla.CloseError
				if errors.As(err, &closed) {
					end <- closed.Code
				}
				return
			}
			if f.Type == "ticket" {
				if given != nil {
					given <- f.Ticket
				}
				continue
			}
			_ = conn.WriteJSON(frame{Type: "ack", ID: f.ID})
			out <- f
		}
	}()
	return out, end
}

func (p *phone) dial(h http.Header, tickets ...string) (*gorilla.Conn, *http.Response, error) {
	d := gorilla.Dialer{Subprotocols: []string{websocket.Protocol}, HandshakeTimeout: 5 * time.Second}
	for _, ticket := range tickets {
		d.Subprotocols = append(d.Subprotocols, "ticket."+ticket)
	}
	conn, resp, err := d.DialContext(p.w.t.Context(), "ws"+strings.TrimPrefix(p.w.url, "http")+"/v1/socket", h)
	if resp != nil {
		resp.Body.Close()
	}
	return conn, resp, err
}

func wantClosed(t *testing.T, status <-chan int, want int) {
	t.Helper()
	select {
	case got := <-status:
		if got != want {
			t.Errorf("closed with %d, want %d", got, want)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("still open")
	}
}

// TestSocket: a request appears and disappears, and one that came before the
// socket is on the list.
func TestSocket(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	alice := p.pair("corp", "alice")
	early := w.ask(alice, "")
	if err := w.wake(p.device, push.Show, early.ID); !errors.Is(err, push.ErrAbsent) {
		t.Errorf("before the socket: got %v, want ErrAbsent", err)
	}
	frames, _ := p.open()
	if got := p.list(); !slices.Equal(got, []string{string(early.ID)}) {
		t.Errorf("a late one must find what waits: %v", got)
	}
	r := w.ask(alice, "")
	if err := w.wake(p.device, push.Show, r.ID); err != nil {
		t.Fatal(err)
	}
	if f := <-frames; f.Type != "show" || f.Key != string(r.ID) {
		t.Errorf("got %+v", f)
	}
	p.approve(r.ID, "corp", "").want(t, 200, nil)
	if err := w.wake(p.device, push.Clear, r.ID); err != nil {
		t.Fatal(err)
	}
	if f := <-frames; f.Type != "clear" || f.Key != string(r.ID) {
		t.Errorf("got %+v", f)
	}
}

// TestSocketRevoked: the socket is closed within a second of the revocation, and
// does not open again.
func TestSocketRevoked(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	p.pair("corp", "alice")
	_, status := p.open()
	began := time.Now()
	if err := w.devices.Revoke(t.Context(), p.device.ID, device.Actor{Kind: device.ActorAdmin}); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, status, websocket.CloseRevoked)
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
	if _, resp, err := p.dial(p.headers("GET", "/v1/socket")); err == nil || resp.StatusCode != 403 {
		t.Errorf("it opened again: %v", err)
	}
}

// TestSocketJoins: a second pairing is heard of on the socket of the first.
func TestSocketJoins(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	p.pair("corp", "alice")
	first := p.device
	frames, status := p.open()
	r := w.ask(p.pair("bank", "bob"), "")
	// Pairing told the hub by the bus, which takes a moment.
	w.eventually(func() bool { return w.wake(p.device, push.Show, r.ID) == nil })
	if f := <-frames; f.Key != string(r.ID) {
		t.Errorf("got %+v", f)
	}
	for _, d := range []device.Device{first, p.device} {
		select {
		case code := <-status:
			t.Fatalf("closed with %d while a device was left", code)
		default:
		}
		if err := w.devices.Revoke(t.Context(), d.ID, device.Actor{Kind: device.ActorAdmin}); err != nil {
			t.Fatal(err)
		}
	}
	wantClosed(t, status, websocket.CloseRevoked)
}

// TestSocketHandshake: what is refused is told as a problem, before any upgrade.
func TestSocketHandshake(t *testing.T) {
	w := newWorld(t)
	p, unpaired := w.newPhone(), w.newPhone()
	p.pair("corp", "alice")
	_, offer := w.offer("corp", "bob")
	unpaired.claim(offer)
	tests := []struct {
		name   string
		header func() http.Header
		status int
	}{
		{"nobody", func() http.Header { return http.Header{} }, 401},
		{"proof for another call", func() http.Header { return p.headers("GET", "/v1/requests") }, 401},
		{"token in the query is no token", func() http.Header { return http.Header{"DPoP": {p.proof("GET", "/v1/socket", p.token)}} }, 401},
		{"a page of another origin", func() http.Header {
			h := p.headers("GET", "/v1/socket")
			h.Set("Origin", "https://evil.test")
			return h
		}, 400},
		{"no device yet", func() http.Header { return unpaired.headers("GET", "/v1/socket") }, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, resp, err := p.dial(tt.header())
			if err == nil || resp.StatusCode != tt.status || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("got %v %v, want %d", err, resp.Status, tt.status)
			}
		})
	}
	p.do("GET", "/v1/socket", nil).wantProblem(t, 400, "invalid_request") // no upgrade at all
	if n := w.hub.Count(); n != 0 {
		t.Errorf("%d sockets", n)
	}
}
