package server

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/server/web"
)

// stopsSoon stops a server that is given a minute, and fails if it takes more
// than a fraction of what the slowest of net/http's own patience is.
func stopsSoon(t *testing.T, stop context.CancelFunc, done <-chan error) {
	t.Helper()
	began := time.Now()
	stop()
	if err := <-done; err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

// TestStopEndsWaiting: a call that waits for something to happen does not hold
// up the stop, and is answered; one at work is not disturbed.
func TestStopEndsWaiting(t *testing.T) {
	path := socket(t)
	waits := make(chan struct{})
	s := &Server{Health: &Health{}, Log: quiet(), Grace: time.Minute, Listeners: []Listener{{
		Name: "x", Address: "unix:" + path, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(waits)
			select {
			case <-web.Stopping(r.Context()):
				w.WriteHeader(http.StatusAccepted)
			case <-time.After(30 * time.Second):
			}
			if err := r.Context().Err(); err != nil {
				t.Errorf("the call itself was cancelled: %v", err)
			}
		}),
	}}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	got := make(chan int, 1)
	go func() {
		resp, err := over(path).Get("http://x/")
		for notYet(err) {
			resp, err = over(path).Get("http://x/")
		}
		if err != nil {
			got <- 0
			return
		}
		resp.Body.Close()
		got <- resp.StatusCode
	}()
	<-waits
	stopsSoon(t, stop, done)
	if code := <-got; code != http.StatusAccepted {
		t.Errorf("the call that waited got %d, want an answer", code)
	}
}

// TestStopHangsUpOnSilence: browsers open connections before they know what to
// ask. One on which nothing was said is nothing in hand.
func TestStopHangsUpOnSilence(t *testing.T) {
	path := socket(t)
	s := &Server{Health: &Health{}, Log: quiet(), Grace: time.Minute, Listeners: []Listener{{
		Name: "x", Address: "unix:" + path, Handler: http.NotFoundHandler(),
	}}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	silent, err := net.Dial("unix", path)
	for notYet(err) {
		silent, err = net.Dial("unix", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	// The server took it before what comes after it.
	resp, err := over(path).Get("http://x/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	stopsSoon(t, stop, done)
}
