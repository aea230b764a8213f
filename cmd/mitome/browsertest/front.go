package browsertest

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
)

// Front is what stands between browsers and Mitome: a proxy that can refuse
// WebSockets, and say where browsers are.
type Front struct {
	URL string // http://mitome.localhost:port

	mu      sync.Mutex
	blocked bool
	from    string
	refused atomic.Int64
}

// newFront listens under name, and passes everything on to target (host:port).
func newFront(t *testing.T, name, target string) *Front {
	t.Helper()
	f := &Front{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: target})
			r.Out.Host = r.In.Host
			if from := f.where(); from != "" {
				r.Out.Header.Set("X-Forwarded-For", from)
			}
		},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // pages that are left end their calls
	}
	f.URL = listen(t, name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && f.Blocks() {
			f.refused.Add(1)
			http.Error(w, "no WebSockets here", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	return f
}

// Block refuses WebSockets from now on.
func (f *Front) Block() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blocked = true
}

// Blocks reports whether WebSockets are refused.
func (f *Front) Blocks() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.blocked
}

// From has every browser call from this address, as a proxy would say it, from now
// on.
func (f *Front) From(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.from = address
}

func (f *Front) where() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.from
}

// Refused is how many WebSockets were refused.
func (f *Front) Refused() int64 { return f.refused.Load() }

// listen serves h under a name below localhost, and returns its URL.
func listen(t *testing.T, name string, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	t.Cleanup(func() { s.Close() })
	go s.Serve(l)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "http://" + name + ".localhost:" + port
}

// address is a port of the loopback that nothing listens on.
func address(t *testing.T) string {
	t.Helper()
	a, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	return a
}
