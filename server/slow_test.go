package server

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are in memory, so that what takes a
// minute is over at once in a bubble of synctest.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestSlowClients: a peer that is slow, on purpose or not, holds its connection
// for as long as the bounds say and no longer.
func TestSlowClients(t *testing.T) {
	cert, key, _ := selfSigned(t)
	tests := []struct {
		name  string
		tls   bool
		drip  []string // sent one a second
		again string   // and then this, one a second, for ever
		deaf  bool     // reads nothing of the answer
		want  time.Duration
		says  string // stands in what is answered
	}{
		{name: "says nothing", want: readHeaderTimeout},
		{name: "half a line", drip: []string{"GET / HT"}, want: readHeaderTimeout},
		{name: "a header each second", drip: []string{"GET / HTTP/1.1\r\n"}, again: "X-A: b\r\n", want: readHeaderTimeout},
		{name: "half a handshake", tls: true, drip: []string{"\x16\x03\x01\x00\xff\x01"}, want: readHeaderTimeout},
		{name: "no handshake", tls: true, want: readHeaderTimeout},
		{
			name: "a byte of the body each second", again: "x", want: readTimeout, says: "i/o timeout",
			drip: []string{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"},
		},
		{
			name: "a chunk each second", again: "1\r\nx\r\n", want: readTimeout, says: "i/o timeout",
			drip: []string{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"},
		},
		{name: "does not take the answer", deaf: true, drip: []string{"GET /long HTTP/1.1\r\nHost: x\r\n\r\n"}, want: writeTimeout},
		{name: "stays when it is answered", drip: []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n"}, want: idleTimeout, says: "200 OK"},
		{
			name: "talks without end", says: "431 Request Header Fields Too Large",
			drip: []string{"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("b", 2*maxHeaderBytes)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := Listener{Name: "x", Handler: http.HandlerFunc(slowly)}
				if tt.tls {
					l.CertFile, l.KeyFile = cert, key
				}
				c, end := serveOne(t, l)
				defer end()
				began := time.Now()
				var dripping sync.WaitGroup
				dripping.Go(func() { drip(c, tt.drip, tt.again) })
				defer dripping.Wait()
				defer c.Close()
				if tt.deaf {
					time.Sleep(tt.want + time.Second)
					c.SetReadDeadline(time.Now().Add(time.Second))
				}
				said, err := io.ReadAll(c)
				took := time.Since(began)
				if err != nil || took < tt.want || took > tt.want+2*time.Second {
					t.Errorf("hung up after %v (%v), want %v", took, err, tt.want)
				}
				if !strings.Contains(string(said), tt.says) {
					t.Errorf("got %q, want %q", said, tt.says)
				}
			})
		})
	}
}

// slowly answers with what went wrong in reading, or at length.
func slowly(w http.ResponseWriter, r *http.Request) {
	if _, err := io.ReadAll(r.Body); err != nil {
		io.WriteString(w, "body: "+err.Error())
	}
	if r.URL.Path == "/long" {
		io.WriteString(w, strings.Repeat("x", 1<<20))
	}
}

// serveOne serves one connection of l until the function that it returns is
// called.
func serveOne(t *testing.T, l Listener) (net.Conn, func()) {
	t.Helper()
	srv, _, err := l.server(context.Background(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	p, done := pipes{make(chan net.Conn), make(chan struct{})}, make(chan struct{})
	go func() {
		defer close(done)
		if l.CertFile != "" {
			srv.ServeTLS(p, "", "")
			return
		}
		srv.Serve(p)
	}()
	here, there := net.Pipe()
	p.conns <- there
	return here, func() {
		here.Close()
		srv.Close()
		<-done
	}
}

// drip writes first and then again, a piece each second, until the other end
// hangs up.
func drip(c net.Conn, first []string, again string) {
	for i := 0; i < len(first) || again != ""; i++ {
		piece := again
		if i < len(first) {
			piece = first[i]
		}
		if _, err := io.WriteString(c, piece); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// TestTLSVersions: what is older than TLS 1.2 is refused.
func TestTLSVersions(t *testing.T) {
	cert, key, pool := selfSigned(t)
	for version, ok := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		c, end := serveOne(t, Listener{Name: "x", CertFile: cert, KeyFile: key, Handler: http.NotFoundHandler()})
		err := tls.Client(c, &tls.Config{
			RootCAs: pool, ServerName: "localhost", MinVersion: version, MaxVersion: version,
		}).HandshakeContext(t.Context())
		if (err == nil) != ok {
			t.Errorf("%s: got %v, want it taken: %v", tls.VersionName(version), err, ok)
		}
		end()
	}
}
