package main_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
)

// hold is where a wire stops a report.
type hold int

const (
	pass       hold = iota
	holdReport      // Mitome's bytes came, Keycloak never sees them
	holdAnswer      // Keycloak has answered, Mitome never hears it
)

// wire is the way from Mitome to Keycloak. It counts the reports that go over
// it and can stop one, for Mitome to be killed just there.
type wire struct {
	URL  string
	Held chan struct{} // gets a value when a report is stopped

	target string
	mu     sync.Mutex
	hold   hold
	count  int
}

func newWire(t *testing.T, kc *keycloaktest.Server) *wire {
	w := &wire{target: kc.URL, Held: make(chan struct{}, 8)}
	s := httptest.NewServer(w)
	t.Cleanup(s.Close)
	w.URL = s.URL
	return w
}

// Hold has the wire stop the next reports, or let them pass.
func (w *wire) Hold(h hold) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold = h
}

// Reports is how often Mitome has posted to the callback.
func (w *wire) Reports() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// stopped returns when a report stands still.
func (w *wire) stopped(t *testing.T) {
	t.Helper()
	select {
	case <-w.Held:
	case <-time.After(30 * time.Second):
		t.Fatal("no report came within 30 s")
	}
}

// ServeHTTP implements http.Handler.
func (w *wire) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	body, _ := io.ReadAll(in.Body) // read to the end, else the server does not notice that Mitome is gone
	h := pass
	if strings.HasSuffix(in.URL.Path, "/ext/ciba/auth/callback") {
		w.mu.Lock()
		w.count++
		h = w.hold
		w.mu.Unlock()
	}
	if h == holdReport {
		w.stall(in)
	}
	resp, err := w.forward(in, body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	if h == holdAnswer {
		w.stall(in)
	}
	out.WriteHeader(resp.StatusCode)
	io.Copy(out, resp.Body)
}

// stall says that a report stands still, waits until Mitome is gone, and drops
// the connection.
func (w *wire) stall(in *http.Request) {
	w.Held <- struct{}{}
	<-in.Context().Done()
	panic(http.ErrAbortHandler)
}

func (w *wire) forward(in *http.Request, body []byte) (*http.Response, error) {
	req, err := http.NewRequest(in.Method, w.target+in.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header, req.Host = in.Header.Clone(), in.Host
	return http.DefaultTransport.RoundTrip(req)
}
