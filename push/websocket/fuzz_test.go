package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/push/websocket"
)

// line is a connection whose peer has said everything that it will.
type line struct {
	net.Conn
	in     io.Reader
	mu     sync.Mutex
	out    bytes.Buffer
	closed chan struct{}
	once   sync.Once
}

func (l *line) Read(b []byte) (int, error) { return l.in.Read(b) }

func (l *line) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(b)
}

func (l *line) Close() error                     { l.once.Do(func() { close(l.closed) }); return nil }
func (l *line) SetDeadline(time.Time) error      { return nil }
func (l *line) SetReadDeadline(time.Time) error  { return nil }
func (l *line) SetWriteDeadline(time.Time) error { return nil }

// written is what the server said after the handshake.
func (l *line) written() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, after, _ := bytes.Cut(l.out.Bytes(), []byte("\r\n\r\n"))
	return bytes.Clone(after)
}

// hijacked is a response that gives its connection away.
type hijacked struct {
	*httptest.ResponseRecorder
	line *line
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.line, bufio.NewReadWriter(bufio.NewReader(bytes.NewReader(nil)), bufio.NewWriterSize(h.line, 0)), nil
}

// clientFrame is one frame of a client, of at most 125 bytes.
func clientFrame(head byte, payload string) []byte {
	out := []byte{head, 0x80 | byte(len(payload)), 1, 2, 3, 4}
	for i := range len(payload) {
		out = append(out, payload[i]^byte(1+i%4))
	}
	return out
}

// FuzzFrames: whatever a client sends, its socket ends when it does, and what we
// say to it are whole frames of a server.
func FuzzFrames(f *testing.F) {
	ack := clientFrame(0x81, `{"type":"ack","id":"1"}`)
	for _, b := range [][]byte{
		{}, ack, append(clientFrame(0x01, `{"type":`), clientFrame(0x80, `"ack","id":"1"}`)...), clientFrame(0x89, "ping"), clientFrame(0x8a, "pong"),
		clientFrame(0x88, "\x03\xe8bye"), clientFrame(0x88, "\x03"), clientFrame(0x88, "\x03\xed"), clientFrame(0x82, "binary"), clientFrame(0xc1, "reserved"),
		clientFrame(0x83, "opcode"), clientFrame(0x09, "ping in pieces"), {0x81, 0x7e, 0xff, 0xff}, {0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 1}, {0x81, 0xfe, 0x02, 0x00, 1, 2, 3, 4},
		{0x81, 0x05, 'h', 'e', 'l', 'l', 'o'}, bytes.Repeat(clientFrame(0x8a, ""), 200), ack[:5],
	} {
		f.Add(b, 1)
		f.Add(b, len(b))
	}
	hub := &websocket.Hub{
		Bus: &bus{}, Origin: "https://mitome.test", Log: slog.New(slog.DiscardHandler), Alone: true,
		Changes: func(context.Context, time.Time) ([]websocket.Change, error) { return nil, nil },
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- hub.Run(ctx) }()
	f.Cleanup(func() { cancel(); <-ended })
	f.Fuzz(func(t *testing.T, sent []byte, piece int) {
		eventually(t, hub.Running)
		l := &line{in: pieces(sent, piece), closed: make(chan struct{})}
		r := httptest.NewRequest(http.MethodGet, "/v1/socket", nil)
		for name, v := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-Websocket-Protocol": websocket.Protocol,
		} {
			r.Header.Set(name, v)
		}
		c := websocket.Client{Session: "s1", Devices: []string{"d1"}, Until: time.Now().Add(time.Hour)}
		if err := hub.Accept(hijacked{httptest.NewRecorder(), l}, r, c); err != nil {
			t.Fatal(err)
		}
		select {
		case <-l.closed:
		case <-time.After(30 * time.Second):
			t.Fatal("the socket is still open")
		}
		eventually(t, func() bool { return hub.Count() == 0 })
		whole(t, l.written())
	})
}

// pieces reads b in reads of n bytes, as a network may.
func pieces(b []byte, n int) io.Reader {
	if n <= 0 || n >= len(b) {
		return bytes.NewReader(b)
	}
	return io.MultiReader(bytes.NewReader(b[:n]), pieces(b[n:], n))
}

// whole checks that b is frames of a server, each of which is short.
func whole(t *testing.T, b []byte) {
	t.Helper()
	for len(b) > 0 {
		if len(b) < 2 || b[0]&0xf0 != 0x80 || b[1]&0x80 != 0 {
			t.Fatalf("said %x", b)
		}
		n, at := int(b[1]), 2
		if n == 126 && len(b) >= 4 {
			n, at = int(b[2])<<8|int(b[3]), 4
		}
		if n > 512 || len(b) < at+n {
			t.Fatalf("said %x", b)
		}
		b = b[at+n:]
	}
}

// FuzzTicket: no ticket opens anything that was not made with our key, and one
// that was opens what it says.
func FuzzTicket(f *testing.F) {
	now := time.Now()
	for _, s := range []string{body(now, now.Add(time.Hour)), "{}", "null", `{"s":"s1"}`, `{"s":"s1","d":[""],"u":9223372036854775807,"i":-1}`} {
		f.Add(s, "")
		f.Add(s, made([]byte("another key"), s))
	}
	hub := &websocket.Hub{Bus: &bus{}, Log: slog.New(slog.DiscardHandler), TicketKey: ticketKey}
	present := func(text string) (websocket.Client, bool) {
		r := httptest.NewRequest(http.MethodGet, "/v1/socket", nil)
		r.Header.Set("Sec-WebSocket-Protocol", websocket.Protocol+", ticket."+text)
		return hub.Redeem(r)
	}
	f.Fuzz(func(t *testing.T, body, forged string) {
		if c, ok := present(forged); ok {
			t.Fatalf("%q is a ticket of %q", forged, c.Session)
		}
		// The hub does not run, so it vouches for nobody.
		if c, ok := present(made(ticketKey, body)); ok {
			t.Fatalf("%q is a ticket of %q", body, c.Session)
		}
	})
}
