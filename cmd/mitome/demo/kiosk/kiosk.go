// Package kiosk is a consumption device of the demo that knows nobody: a
// self-service kiosk, to which its customer shows the code on her phone.
//
// # Why
//
// The code says whom to ask, and is no consent: what is bought, where and for
// how much stands in the binding message, and is approved on the phone that showed
// the code. The kiosk sends what it read as CIBA's login_hint_token and never
// learns from it who that was.
//
// A camera's picture is read here and not in the page, because few browsers can
// read one by themselves.
package kiosk

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/counter"
)

//go:embed page.html static words
var files embed.FS

// Name is who asks, as the OP should know the kiosk.
const Name = "Kado House, kiosk 2"

// asked is how long the user has to answer.
const asked = 2 * time.Minute

// Item is a thing to buy. Its words for people are in words/, under item.<Name>.
type Item struct {
	Name   string
	Amount string // in yen
	// Message is the binding message by language: the shop and the amount.
	Message map[string]string
}

// Items are what the kiosk sells, in this order.
var Items = []Item{
	{"day", "820", map[string]string{"en": "Kado House, kiosk 2: day ticket, 820 JPY", "ja": "Kado House 2番券売機 一日乗車券 820円"}},
	{"bicycle", "600", map[string]string{"en": "Kado House, kiosk 2: bicycle for 2 hours, 600 JPY", "ja": "Kado House 2番券売機 自転車2時間 600円"}},
	{"umbrella", "1500", map[string]string{"en": "Kado House, kiosk 2: umbrella, 1,500 JPY", "ja": "Kado House 2番券売機 傘 1,500円"}},
}

// details say what is paid, so that the phone can show it as a payment (RFC 9396).
func (i Item) details() []map[string]any {
	return []map[string]any{{
		"type": "payment_initiation", "creditorName": Name,
		"instructedAmount": map[string]any{"amount": i.Amount, "currency": "JPY"},
	}}
}

func itemOf(name string) (Item, bool) {
	for _, i := range Items {
		if i.Name == name {
			return i, true
		}
	}
	return Item{}, false
}

// Config is what a kiosk needs.
type Config struct {
	CodeURL string // where the phone shows its code
	Client  *rp.Client
	Log     *slog.Logger // of what went wrong here; nil: nowhere
}

// Kiosk is the page and all that it calls.
type Kiosk struct {
	conf   Config
	sheet  *template.Template
	words  *counter.Words
	serve  http.Handler
	orders counter.Orders[*rp.Pending]
	// turn is held while a picture is unpacked, so that several cannot fill the
	// memory together.
	turn chan struct{}
}

// New makes a kiosk.
func New(conf Config) (*Kiosk, error) {
	if conf.CodeURL == "" || conf.Client == nil {
		return nil, errors.New("kiosk: a client and the address of the phone's code are needed")
	}
	if conf.Log == nil {
		conf.Log = slog.New(slog.DiscardHandler)
	}
	k := &Kiosk{conf: conf, turn: make(chan struct{}, 1)}
	var err error
	if k.sheet, err = template.ParseFS(files, "page.html"); err != nil {
		return nil, fmt.Errorf("page of the kiosk: %w", err)
	}
	if k.words, err = counter.LoadWords(files); err != nil {
		return nil, fmt.Errorf("kiosk: %w", err)
	}
	k.serve = counter.Serve(conf.Log, map[string]counter.Do{
		"GET /{$}":             k.page,
		"GET /static/{file}":   counter.Static(files),
		"POST /orders":         k.order,
		"GET /orders/{id}/end": k.end,
	})
	return k, nil
}

// ServeHTTP implements http.Handler.
func (k *Kiosk) ServeHTTP(w http.ResponseWriter, r *http.Request) { k.serve.ServeHTTP(w, r) }

// page is the one page of the kiosk.
func (k *Kiosk) page(w http.ResponseWriter, r *http.Request) error {
	return counter.Page(w, k.sheet, struct {
		*counter.Speaker
		Items   []Item
		Name    string
		Code    string // where the phone shows its code
		Largest int    // that a picture may be
	}{k.words.Speak(r), Items, Name, k.conf.CodeURL, maxBytes})
}
