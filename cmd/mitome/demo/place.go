package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/tape"
)

// The names by which the demo's parts are told apart.
const (
	shopHost   = "shop.localhost"
	kioskHost  = "kiosk.localhost"
	opHost     = "op.localhost"
	mitomeHost = "mitome.localhost"
)

// Address is where a demo listens if nobody says otherwise.
const Address = "127.0.0.1:9080"

// Place is the port of a demo, bound.
type Place struct{ Listener net.Listener }

// errExposed: whoever reaches a demo may pair a phone and approve with it.
var errExposed = errors.New("the demo lets whoever reaches it pair and approve, so --listen must be an address of this machine alone, such as " + Address)

// Listen binds the port of a demo.
func Listen(address string) (Place, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return Place{}, fmt.Errorf("--listen must be host:port, such as %s", Address)
	}
	if host != "localhost" && host != "127.0.0.1" { // the names below localhost lead there, and to no other
		return Place{}, errExposed
	}
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return Place{}, fmt.Errorf("%s is in use; choose another port, as in mitome demo --listen %s", address, net.JoinHostPort(host, next(port)))
	case err != nil:
		return Place{}, err
	}
	return Place{l}, nil
}

// next is another port to try.
func next(port string) string {
	n, err := strconv.Atoi(port)
	if err != nil || n >= 65535 {
		n = 9080
	}
	return strconv.Itoa(n + 1)
}

// Shop is the URL of the shop.
func (p Place) Shop() string { return p.url(shopHost) }

// Kiosk is the URL of the kiosk.
func (p Place) Kiosk() string { return p.url(kioskHost) }

// OP is the URL of the OpenID Provider.
func (p Place) OP() string { return p.url(opHost) }

// Mitome is the URL of Mitome.
func (p Place) Mitome() string { return p.url(mitomeHost) }

func (p Place) url(host string) string {
	return fmt.Sprintf("http://%s:%d", host, p.Listener.Addr().(*net.TCPAddr).Port)
}

// callTime bounds a call between the demo's parts. The OP holds none.
const callTime = 20 * time.Second

// client is an HTTP client for calls among the demo's parts, and for no others:
// their names lead to where the demo listens, whatever a resolver says of them.
func (p Place) client() *http.Client {
	dialer := net.Dialer{Timeout: callTime}
	address := p.Listener.Addr().String()
	return &http.Client{Timeout: callTime, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, asked string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(asked)
			if err != nil || !strings.HasSuffix(host, ".localhost") {
				return nil, fmt.Errorf("%s is no part of the demo", asked)
			}
			return dialer.DialContext(ctx, network, address)
		},
	}}
}

// notesPath is where the shop is notified, followed by the mode.
const notesPath = "/ciba/"

// ServeHTTP tells the demo's parts apart by the name that was called. A name that
// is none of them is answered by nobody: a page from elsewhere whose name leads
// here (DNS rebinding) is not let in.
func (d *Demo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	switch strings.ToLower(host) {
	case shopHost:
		d.serveShop(w, r)
	case kioskHost:
		serveFront(w, r, &d.kiosk)
	case opHost:
		d.serveOP(w, r)
	case mitomeHost:
		d.serveMitome(w, r)
	case "localhost", "127.0.0.1", "::1", "[::1]":
		http.Redirect(w, r, d.Place.Shop(), http.StatusFound)
	default:
		http.Error(w, "This is Mitome's demo. Open "+d.Place.Shop()+".", http.StatusMisdirectedRequest)
	}
}

// serveOP is the OP, whose calls from Mitome are seen. Those from the shop are
// seen where they leave.
func (d *Demo) serveOP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == op.WebhookPath {
		d.seeProtocol(tape.Mitome, tape.OP, d.op).ServeHTTP(w, r)
		return
	}
	d.op.ServeHTTP(w, r)
}

// serveShop is the shop with the endpoints at which the OP notifies it.
func (d *Demo) serveShop(w http.ResponseWriter, r *http.Request) {
	if mode, ok := strings.CutPrefix(r.URL.Path, notesPath); ok {
		for _, m := range modes {
			if n := d.notes[m]; n != nil && mode == string(m) {
				d.seeProtocol(tape.OP, tape.Shop, n).ServeHTTP(w, r)
				return
			}
		}
	}
	serveFront(w, r, &d.front)
}

// serveFront is a page of the demo, as soon as there is one.
func serveFront(w http.ResponseWriter, r *http.Request, front *atomic.Pointer[http.Handler]) {
	if h := front.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	http.Error(w, "This opens in a moment.", http.StatusServiceUnavailable)
}
