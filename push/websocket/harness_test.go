package websocket_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/mitome-ciba/mitome/push/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bus joins the nodes of one test. Deaf, it loses everything.
type bus struct {
	mu   sync.Mutex
	subs map[string]map[int]func(string)
	next int
	deaf bool
	said []string // topics, in order
}

func (b *bus) Publish(topic, payload string) {
	b.mu.Lock()
	b.said = append(b.said, topic)
	var fns []func(string)
	for _, fn := range b.subs[topic] {
		if !b.deaf {
			fns = append(fns, fn)
		}
	}
	b.mu.Unlock()
	for _, fn := range fns {
		fn(payload)
	}
}

func (b *bus) Subscribe(topic string, fn func(string)) (cancel func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs == nil {
		b.subs = map[string]map[int]func(string){}
	}
	if b.subs[topic] == nil {
		b.subs[topic] = map[int]func(string){}
	}
	n := b.next
	b.next++
	b.subs[topic][n] = fn
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.subs[topic], n)
	}
}

func (b *bus) count(topic string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.said {
		if s == topic {
			n++
		}
	}
	return n
}

// pipes is a listener whose connections are in memory, so that a node can live
// in a synctest bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.IPAddr{} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// node is one Mitome with a hub.
type node struct {
	t      *testing.T
	hub    *websocket.Hub
	pipes  *pipes
	stop   func() // ends the hub, in order
	client websocket.Client
	errs   chan error // what Accept came to
}

// start runs a node whose callers are all authenticated as n.client.
func start(t *testing.T, b *bus, set func(*websocket.Hub)) *node {
	t.Helper()
	n := &node{
		t: t, pipes: &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}, errs: make(chan error, 100),
		client: websocket.Client{Session: "s1", Devices: []string{"d1"}, Until: time.Now().Add(24 * time.Hour)},
		hub: &websocket.Hub{
			Bus: b, Origin: "https://mitome.test", Log: slog.New(slog.DiscardHandler),
			Changes: func(context.Context, time.Time) ([]websocket.Change, error) { return nil, nil },
		},
	}
	if set != nil {
		set(n.hub)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.hub.Run(ctx) }()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := n.hub.Accept(w, r, n.client)
		n.errs <- err
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
		}
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(n.pipes) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { n.stop(); srv.Close(); <-served })
	eventually(t, func() bool { return n.hub.Running() })
	return n
}

// heard is one frame as a client sees it.
type heard struct {
	Type   string `json:"type"`
	ID     string `json:"id"`
	Key    string `json:"key"`
	Ticket string `json:"ticket"`
}

// peer is a client.
type peer struct {
	conn   *gorilla.Conn
	frames chan heard
	ended  chan int // the close status; 0 for a connection that just broke
}

// manner is how a peer behaves.
type manner struct {
	mute   bool // does not acknowledge
	noPong bool
	deaf   bool // does not even read
}

func (n *node) dial(header http.Header, protocols ...string) (*gorilla.Conn, error) {
	d := gorilla.Dialer{NetDialContext: n.pipes.dial, Subprotocols: protocols, HandshakeTimeout: 5 * time.Second}
	conn, resp, err := d.Dial("ws://mitome.test/v1/socket", header)
	if resp != nil && resp.Body != nil {
		resp.Body.Close()
	}
	return conn, err
}

func (n *node) connect(m manner) *peer {
	n.t.Helper()
	conn, err := n.dial(nil, websocket.Protocol)
	if err != nil {
		n.t.Fatal(err)
	}
	if err := <-n.errs; err != nil {
		n.t.Fatal(err)
	}
	p := &peer{conn: conn, frames: make(chan heard, 1000), ended: make(chan int, 1)}
	n.t.Cleanup(func() { conn.Close() })
	if m.noPong {
		conn.SetPingHandler(func(string) error { return nil })
	}
	if !m.deaf {
		go p.read(m)
	}
	return p
}

func (p *peer) read(m manner) {
	defer p.conn.Close()
	for {
		var f heard
		if err := p.conn.ReadJSON(&f); err != nil {
			var closed *gorilla.CloseError
			if errors.As(err, &closed) && closed.Code != gorilla.CloseAbnormalClosure {
				p.ended <- closed.Code
			} else {
				p.ended <- 0
			}
			return
		}
		p.frames <- f
		if !m.mute {
			_ = p.conn.WriteJSON(map[string]string{"type": "ack", "id": f.ID})
		}
	}
}

// wantClosed waits for the end of a connection and its status.
func (p *peer) wantClosed(t *testing.T, code int) {
	t.Helper()
	select {
	case got := <-p.ended:
		if got != code {
			t.Errorf("closed with %d, want %d", got, code)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("still open, want closed with %d", code)
	}
}

// wantOpen checks that nothing closed the connection.
func (p *peer) wantOpen(t *testing.T) {
	t.Helper()
	select {
	case got := <-p.ended:
		t.Fatalf("closed with %d", got)
	default:
	}
}

// eventually waits for a condition; a bubble's clock makes that free.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it never came about")
		}
	}
}

// long is a text of n bytes.
func long(n int) string { return strings.Repeat("x", n) }
