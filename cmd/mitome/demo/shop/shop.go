// Package shop is the demo's consumption device: a page that asks for things in
// the name of somebody who answers on her phone, and that shows each message of
// the protocol as it passes.
//
// # Why
//
// Nothing waits in the background: an order is waited for by the call that the
// page makes for it, and by nobody if no page ever asks. That call is not ended
// by a page that goes away, because the OP gives its tokens away once, perhaps to
// a question that was on its way just then.
//
// The page runs on a name of its own below localhost, as the others of the demo
// do, so that the browser keeps it as far from the phone's pages as it would keep
// another site.
package shop

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/counter"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/tape"
)

// Config is what a shop needs.
type Config struct {
	URL      string // of this page
	PhoneURL string // of Mitome's pages, which are the phone's
	KioskURL string // of the house's kiosk; empty: there is none
	Clients  map[Mode]*rp.Client
	Desk     Desk
	Tape     *tape.Tape
	Now      func() time.Time
	User     string       // whom all this is about: the login_hint
	Log      *slog.Logger // of what went wrong here; nil: nowhere
}

// Desk pairs phones, as an administrator does.
type Desk interface {
	// Offer begins a pairing.
	Offer(ctx context.Context) (Offer, error)
	// Pairing is where a pairing stands.
	Pairing(ctx context.Context, id string) (Pairing, error)
	// Confirm says that both screens show the same code.
	Confirm(ctx context.Context, id string) error
	// Paired says whether the user has a phone.
	Paired(ctx context.Context) (bool, error)
}

// Offer is a pairing that a phone can take up by opening the link.
type Offer struct{ ID, Link string }

// Pairing is how far a pairing has come.
type Pairing struct {
	State      string // offered, claimed, confirmed, completed, expired, cancelled
	MatchCode  string // to be compared with the phone's, once it is claimed
	DeviceName string
}

// Shop is the page and all that it calls.
type Shop struct {
	conf   Config
	sheet  *template.Template
	words  *counter.Words
	serve  http.Handler
	orders counter.Orders[*order]

	mu     sync.Mutex
	offers map[string]bool // pairings that were begun here
}

// New makes a shop.
func New(conf Config) (*Shop, error) {
	if conf.URL == "" || conf.PhoneURL == "" || conf.Desk == nil || conf.Tape == nil || conf.Now == nil || conf.User == "" {
		return nil, errors.New("shop: everything in its configuration is needed")
	}
	for _, m := range Modes {
		if conf.Clients[m] == nil {
			return nil, errors.New("shop: a client is needed for " + string(m))
		}
	}
	if conf.Log == nil {
		conf.Log = slog.New(slog.DiscardHandler)
	}
	s := &Shop{conf: conf, offers: map[string]bool{}}
	var err error
	if s.sheet, err = template.ParseFS(files, "page.html"); err != nil {
		return nil, fmt.Errorf("page of the shop: %w", err)
	}
	if s.words, err = counter.LoadWords(files); err != nil {
		return nil, fmt.Errorf("shop: %w", err)
	}
	s.serve = s.routes()
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve.ServeHTTP(w, r) }

// routes are all paths of the shop.
func (s *Shop) routes() http.Handler {
	return counter.Serve(s.conf.Log, map[string]counter.Do{
		"GET /{$}":                    s.page,
		"GET /static/{file}":          counter.Static(files),
		"POST /pairings":              s.offer,
		"GET /pairings/{id}":          s.pairing,
		"POST /pairings/{id}/confirm": s.confirm,
		"POST /orders":                s.order,
		"GET /orders/{id}":            s.look,
		"GET /orders/{id}/end":        s.end,
		"GET /tape":                   s.tape,
	})
}
