// Package demo is a whole system for a first look, in one process and on one
// port: a shop, a kiosk, an OpenID Provider, and the real Mitome, told apart by
// the name that the browser calls (shop.localhost, kiosk.localhost, op.localhost,
// mitome.localhost).
//
// # Why
//
// Only here does everything stand on one port, and only here is there a passkey
// in software behind a page (passkey.go): whoever reaches the demo may pair and
// approve. So it listens on loopback alone, answers to these names alone,
// and keeps what it knows in a folder that is gone when it ends. Mitome itself is
// the one of `mitome serve`, handed in by the command.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/kiosk"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/shop"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/tape"
)

// The one user of a demo, and what Mitome and the OP know each other by.
const (
	User       = "alice"   // as the shop knows her
	Subject    = "alice-1" // as the OP knows her
	Connection = "shop"    // the OP's name at Mitome
)

// Demo is one demo. All fields are needed but Auto.
type Demo struct {
	Place  Place
	Mitome Mitome
	Folder string // for the keys of phones in software; the caller's to remove
	Auto   bool   // play every mode with a phone in software, and end
	Out    io.Writer
	Log    *slog.Logger

	tape  *tape.Tape
	keys  *passkeys
	front atomic.Pointer[http.Handler] // the shop, as soon as there is one
	kiosk atomic.Pointer[http.Handler] // the same of the kiosk
	op    http.Handler
	notes map[rp.Mode]*rp.Notifications
	// secrets of the shop's clients, which the OP knows too.
	secrets map[rp.Mode]string
	// kioskSecret is that of the kiosk.
	kioskSecret string
}

// Mitome is the real one, put together for this demo.
type Mitome struct {
	Handler http.Handler // its listeners for devices and for OPs
	Run     func(context.Context) error
	Desk    shop.Desk
	Key     string // the OP's API key
	Secret  string // of its webhooks
}

// How the demo keeps time.
const (
	pollEvery = 2 * time.Second // quick enough to watch, slow enough to read
	autoEvery = time.Second
	grace     = 2 * time.Second // for calls in hand at the end
)

// Run serves until ctx ends, or with Auto until all is played.
func (d *Demo) Run(ctx context.Context) error {
	if err := d.open(); err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	g, ctx := errgroup.WithContext(ctx)
	server := &http.Server{
		Handler: d, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(d.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx }, // streams end with the demo
	}
	g.Go(func() error { return d.Mitome.Run(ctx) })
	g.Go(func() error {
		if err := server.Serve(d.Place.Listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if server.Shutdown(late) != nil {
			return server.Close()
		}
		return nil
	})
	g.Go(func() error {
		err := d.present(ctx)
		if d.Auto {
			end()
		}
		return err
	})
	err := g.Wait()
	if !d.Auto && errors.Is(err, context.Canceled) {
		return nil // interrupted while it was starting
	}
	return err
}

// open makes what must stand before the first call comes in.
func (d *Demo) open() (err error) {
	d.tape = tape.New()
	if d.keys, err = openPasskeys(filepath.Join(d.Folder, "browser.json"), d.Place.Mitome()); err != nil {
		return err
	}
	d.notes = map[rp.Mode]*rp.Notifications{rp.Ping: {}, rp.Push: {}}
	d.secrets, d.kioskSecret = map[rp.Mode]string{}, rand.Text()
	for _, mode := range modes {
		d.secrets[mode] = rand.Text()
	}
	interval := pollEvery
	if d.Auto {
		interval = autoEvery
	}
	d.op, err = op.New(op.Config{
		Issuer: d.Place.OP(), Clients: d.registered(), Users: map[string]string{User: Subject},
		Mitome: op.Mitome{URL: d.Place.Mitome() + "/op/" + Connection, Key: d.Mitome.Key, Secrets: []string{d.Mitome.Secret}},
		HTTP:   d.Place.client(), Observe: d.record, Log: d.Log, Interval: interval, DetailTypes: shop.DetailTypes,
	})
	return err
}

// registered are the clients as the OP knows them: the shop's, one a mode, and the
// kiosk.
func (d *Demo) registered() (out []op.Client) {
	for _, mode := range modes {
		c := op.Client{ID: clientID(mode), Name: shop.Name, Secret: d.secrets[mode], Mode: mode, UserCode: true}
		if mode != rp.Poll {
			c.NotificationEndpoint = d.Place.Shop() + notesPath + string(mode)
		}
		out = append(out, c)
	}
	return append(out, op.Client{ID: kioskID, Name: kiosk.Name, Secret: d.kioskSecret, Mode: rp.Poll})
}

// kioskID is the kiosk's client_id.
const kioskID = "kiosk"

// modes are CIBA's three ways to bring the tokens, in the order of its text.
var modes = []rp.Mode{rp.Poll, rp.Ping, rp.Push}

func clientID(m rp.Mode) string { return "shop-" + string(m) }

// clients are the shop's own side of them.
func (d *Demo) clients(ctx context.Context) (map[rp.Mode]*rp.Client, error) {
	provider, err := rp.Discover(ctx, d.Place.client(), d.Place.OP())
	if err != nil {
		return nil, err
	}
	out := map[rp.Mode]*rp.Client{}
	for _, mode := range modes {
		out[mode] = &rp.Client{
			Provider: provider, ID: clientID(mode), Auth: rp.SecretBasic(d.secrets[mode]), Mode: mode,
			Notifications: d.notes[mode], HTTP: d.Place.client(), Observe: d.record,
		}
	}
	return out, nil
}

// present is the demo itself, once everything serves.
func (d *Demo) present(ctx context.Context) error {
	clients, err := d.clients(ctx)
	if err != nil {
		return err
	}
	if d.Auto {
		return d.play(ctx, clients)
	}
	if err := d.mount(clients); err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.Out, "Open %s in a browser. Ctrl-C ends the demo, and nothing of it is kept.\n", d.Place.Shop())
	return err
}
