package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/ece/ecetest"
)

const (
	// subscribers is how many devices there are to push to. A phone may say no
	// more than 120 things a minute on its socket, acknowledgements among them.
	subscribers = 4000
	// opensEvery is which part of the messages a service reads as their device
	// would. All of them would take the processors from what is measured.
	opensEvery = 64
	maxCall    = 64 << 10
)

// world is what the process of the push services says when they stand.
type world struct {
	Control     string // base URL at which it is asked
	CA          []byte // whom to trust, PEM
	WebPush     string // base URLs of the services
	FCM, APNs   string
	Account     []byte // FCM's credentials
	Key         []byte // APNs'
	Subscribers []push.DeviceKey
}

// tally is what a service has seen.
type tally struct{ Pushes, Opened, Refused, Bytes int64 }

// service is one of the fakes: as strict as the real one, and as little work as
// that can be.
type service struct {
	pushes, opened, refused, bytes atomic.Int64
	devices                        []ecetest.Device
}

func (s *service) tally() tally {
	return tally{s.pushes.Load(), s.opened.Load(), s.refused.Load(), s.bytes.Load()}
}

// take counts a message to a device, and reads it if it is its turn.
func (s *service) take(device int, sealed []byte) error {
	if device < 0 || device >= len(s.devices) {
		return errors.New("no such device")
	}
	if n := s.pushes.Add(1); n%opensEvery != 0 {
		return nil
	}
	text, err := s.devices[device].Open(sealed)
	if err != nil {
		return err
	}
	if string(text) != notice {
		return fmt.Errorf("the device read %q", text)
	}
	s.opened.Add(1)
	return nil
}

// answers makes a handler of what judges a call.
func (s *service) answers(status int, answer string, judge func(*http.Request, []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxCall))
		if err == nil {
			err = judge(r, body)
		}
		if err != nil {
			s.refused.Add(1)
			say("push service: %v", err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer) // whoever hung up does not miss it
	}
}

// services are all of them, in one process.
type services struct {
	world   world
	cert    tls.Certificate
	devices []ecetest.Device
	all     map[push.Channel]*service
	crowd   crowd
	servers []*http.Server
	running sync.WaitGroup
}

// runServices plays the push services, and the phones that hold a socket, until
// in ends. Where they are goes to out.
func runServices(ctx context.Context, in io.Reader, out io.Writer) error {
	s := &services{all: map[push.Channel]*service{}, devices: make([]ecetest.Device, subscribers)}
	defer s.close()
	for i := range s.devices {
		s.devices[i] = ecetest.New()
		s.world.Subscribers = append(s.world.Subscribers, s.devices[i].Key())
	}
	var err error
	if s.cert, s.world.CA, err = certificate(); err != nil {
		return err
	}
	if err := errors.Join(s.webPush(), s.fcm(), s.apns(), s.control()); err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(s.world); err != nil {
		return fmt.Errorf("say where the services are: %w", err)
	}
	defer context.AfterFunc(ctx, s.close)() // which hangs up on whoever pushes
	_, err = io.Copy(io.Discard, in)
	return err
}

// close hangs up and waits until all is quiet.
func (s *services) close() {
	for _, srv := range s.servers {
		srv.Close()
	}
	s.crowd.close()
	s.running.Wait()
}

// open serves what handler makes for a base URL, by TLS and HTTP/2, and counts
// what comes in on the wire.
func (s *services) open(channel push.Channel, handler func(*service, string) http.Handler) (base string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen as a push service: %w", err)
	}
	one := &service{devices: s.devices}
	s.all[channel] = one
	base = "https://" + l.Addr().String()
	srv := &http.Server{
		Handler: handler(one, base), ReadHeaderTimeout: flowTime,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12},
	}
	s.servers = append(s.servers, srv)
	s.running.Go(func() { _ = srv.ServeTLS(countedListener{l, &one.bytes}, "", "") })
	return base, nil
}

// control answers those who measure: what was seen (GET /), and that phones
// connect (POST /crowd, with the address of a hub).
func (s *services) control() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for questions: %w", err)
	}
	s.all[push.WebSocket] = &s.crowd.service
	s.world.Control = "http://" + l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		seen := map[push.Channel]tally{}
		for channel, one := range s.all {
			seen[channel] = one.tally()
		}
		_ = json.NewEncoder(w).Encode(seen)
	})
	mux.HandleFunc("POST /crowd", func(w http.ResponseWriter, r *http.Request) {
		hub, err := io.ReadAll(io.LimitReader(r.Body, maxCall))
		if err == nil {
			err = s.crowd.connect(string(hub))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: flowTime}
	s.servers = append(s.servers, srv)
	s.running.Go(func() { _ = srv.Serve(l) })
	return nil
}

// countedListener counts what its connections read.
type countedListener struct {
	net.Listener
	bytes *atomic.Int64
}

// Accept implements net.Listener.
func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return counted{c, l.bytes}, nil
}

// counted counts what it reads.
type counted struct {
	net.Conn
	bytes *atomic.Int64
}

// Read implements net.Conn.
func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}
