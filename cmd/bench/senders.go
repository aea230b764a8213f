package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/apns"
	"github.com/mitome-ciba/mitome/push/fcm"
	"github.com/mitome-ciba/mitome/push/webpush"
	"github.com/mitome-ciba/mitome/push/websocket"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
)

// attemptTime is how long one attempt may take.
const attemptTime = 10 * time.Second

// way is a sender, and where its service finds each device.
type way struct {
	sender push.Sender
	target func(device int) string
	sealed bool // what it sends is sealed first
}

// client reaches the services as Mitome does, and trusts them.
func (w world) client() (*http.Client, push.Guard, error) {
	guard := push.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	client := guard.Client(attemptTime)
	t, ok := client.Transport.(*http.Transport)
	roots := x509.NewCertPool()
	if !ok || !roots.AppendCertsFromPEM(w.CA) {
		return nil, guard, errors.New("cannot trust the push services")
	}
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return client, guard, nil
}

// vendors are the ways by which a message leaves for somebody else's service.
func (w world) vendors(ctx context.Context) ([]way, error) {
	var clients [3]*http.Client // a vendor has its own, as in Mitome
	var guard push.Guard
	for i := range clients {
		var err error
		if clients[i], guard, err = w.client(); err != nil {
			return nil, err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	google, err := fcm.Open(ctx, fcm.Options{Credentials: w.Account, Client: clients[0], Endpoint: w.FCM + "/v1", Now: time.Now})
	if err != nil {
		return nil, err
	}
	apple, err := apns.Open(apns.Options{
		Key: w.Key, KeyID: apnsKeyID, TeamID: apnsTeam, Topic: apnsTopic, Client: clients[1], Endpoint: w.APNs, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	browsers := &webpush.Sender{Client: clients[2], Guard: guard, VAPID: key, Subject: "mailto:push@example.com", Now: time.Now}
	return []way{
		{browsers, func(i int) string { return w.WebPush + "/wpush/" + strconv.Itoa(i) }, true},
		{google, func(i int) string { return "bench:" + strconv.Itoa(i) }, true},
		{apple, func(i int) string { return fmt.Sprintf("production:%064x", i) }, true},
	}, nil
}

// sockets is a hub with the bus that a single node has, and a door to it. What
// goes over a socket says nothing, so it is not sealed.
type sockets struct {
	hub     *websocket.Hub
	address string
	stops   []func()
	running sync.WaitGroup
}

// openSockets makes a hub that lets everybody in: what a call to Mitome costs
// until it is known who calls is measured elsewhere.
func openSockets(ctx context.Context, dir string) (*sockets, error) {
	ctx, cancel := context.WithCancel(ctx)
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "bus.db"), store.Options{Ring: seal.New()})
	if err != nil {
		cancel()
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("listen for sockets: %w", err), db.Close())
	}
	s := &sockets{address: l.Addr().String(), hub: &websocket.Hub{
		Bus: db, Alone: true, Log: slog.New(slog.DiscardHandler),
		Changes: func(context.Context, time.Time) ([]websocket.Change, error) { return nil, nil },
	}}
	server := &http.Server{ReadHeaderTimeout: attemptTime, Handler: http.HandlerFunc(s.accept)}
	s.running.Go(func() { _ = db.RunBus(ctx) })
	s.running.Go(func() { _ = s.hub.Run(ctx) })
	s.running.Go(func() { _ = server.Serve(l) })
	s.stops = []func(){func() { server.Close() }, cancel, s.running.Wait, func() { db.Close() }}
	return s, nil
}

func (s *sockets) accept(w http.ResponseWriter, r *http.Request) {
	device := r.FormValue("device")
	err := s.hub.Accept(w, r, websocket.Client{Session: device, Devices: []string{device}, Until: time.Now().Add(time.Hour)})
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (s *sockets) close() {
	for _, stop := range s.stops {
		stop()
	}
}

func (s *sockets) way() way {
	return way{websocket.Sender{Hub: s.hub}, strconv.Itoa, false}
}
