// Package webhook is the kind of connection for an OP that speaks no dialect of
// its own: it asks by our JSON API (server/opapi/v1), and hears of decisions by
// Standard Webhooks 1.0.0 or by asking again.
//
// # Why
//
// There is no standard for what passes between an OP and an authentication
// device (CIBA Core §8 leaves it open), but there is one for telling somebody
// something by HTTP, with libraries in a dozen languages that check a signature
// without a mistake. What such a report says is the same as what the API says of
// the request, so an OP has one thing to read, whichever way it comes.
//
// A report may always be repeated: its webhook-id is made of the request and the
// state it ended in, and an OP that knows the id has nothing to do. That is why
// the connection to an OP is kept open here, where other kinds must not.
//
// The URL is the operator's, but an operator may be a tenant of somebody, so by
// default it leads to public addresses only; allow_private names the exceptions.
package webhook

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// Adapter is an op.Adapter for one OP that uses our own API.
type Adapter struct {
	name         string
	cfg          Config
	keys         []apiKey
	certificates []certificate
	clientCAs    *x509.CertPool              // that they must be of; nil: any
	signers      signers                     // keys of its JWTs; nil: it makes none
	audience     string                      // of those JWTs
	encrypts     jose.Encrypter              // hint tokens to the OP; nil: it takes none
	issuer       string                      // of hint tokens
	post         *op.Poster                  // nil: the OP asks, and is not told
	signs        []*standardwebhooks.Webhook // one of each secret, newest first
	about        func(context.Context, approval.Request) (op.About, error)
	now          func() time.Time
}

var _ op.Kind = Open

// apiKey is a key by which the OP proves itself; only its hash is known here.
type apiKey struct {
	name string
	hash [sha256.Size]byte
}

// Open is the op.Kind "webhook".
func Open(decode func(any) error, d op.Deps) (op.Adapter, error) {
	var cfg Config
	if err := decode(&cfg); err != nil {
		return nil, err
	}
	if err := cfg.finish(d); err != nil {
		return nil, err
	}
	a := &Adapter{name: d.Name, cfg: cfg, about: d.About, now: d.Now}
	if err := errors.Join(a.openAuth(d), a.openHints(d)); err != nil {
		return nil, err
	}
	if cfg.Webhook.URL == "" {
		return a, nil
	}
	for _, s := range cfg.Webhook.Secrets {
		w, err := standardwebhooks.NewWebhook(string(s))
		if err != nil {
			return nil, errors.New("webhook.secrets cannot be read")
		}
		a.signs = append(a.signs, w)
	}
	var err error
	a.post, err = op.NewPooledPoster(guarded(cfg.Webhook.AllowPrivate, d.Client))
	return a, err
}

// guarded reaches public addresses and what is allowed besides, as patiently as
// base does.
func guarded(allow []netip.Prefix, base *http.Client) *http.Client {
	timeout := time.Duration(0)
	if base != nil {
		timeout = base.Timeout
	}
	out := push.Guard{Allow: allow}.Client(timeout)
	t := out.Transport.(*http.Transport)
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dial(ctx, network, loopback(address))
	}
	return out
}

// loopback has names below localhost lead to this machine (RFC 6761 §6.3), which
// not every resolver does. The guard judges the address all the same.
func loopback(address string) string {
	host, port, err := net.SplitHostPort(address)
	if name := strings.ToLower(strings.TrimSuffix(host, ".")); err == nil && strings.HasSuffix(name, ".localhost") {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

// KeyOf returns the name of the API key that the caller gave. It compares with
// every key, so that time tells nothing of which one was nearly right.
func (a *Adapter) KeyOf(given string) (name string, ok bool) {
	hash := sha256.Sum256([]byte(given))
	for _, k := range a.keys {
		if subtle.ConstantTimeCompare(hash[:], k.hash[:]) == 1 {
			name, ok = k.name, true
		}
	}
	return name, ok
}

// HintOf is a login_hint of the OP's, of which CIBA does not say what it names,
// in the form in which hints are kept.
func (a *Adapter) HintOf(value string) device.Hint {
	kind := a.cfg.LoginHint
	if kind == auto {
		kind = formOf(value)
	}
	return device.Hint{Kind: kind, Value: value}
}

// formOf tells what a hint names by how it is written.
func formOf(value string) string {
	v := strings.TrimSpace(value)
	number, plus := strings.CutPrefix(v, "+")
	switch {
	case strings.Contains(v, "@"):
		return "email"
	case plus && number != "" && strings.Trim(number, "0123456789 -().") == "":
		return "phone"
	}
	return "username"
}

// Receive implements op.Adapter. An OP of this kind asks elsewhere.
func (a *Adapter) Receive(*http.Request) (approval.Ask, error) {
	return approval.Ask{}, fmt.Errorf("%w: this connection is asked at /op/%s/v1/requests", op.ErrMalformed, a.name)
}

// Reply implements op.Adapter: it says where to ask.
func (a *Adapter) Reply(w http.ResponseWriter, _ approval.Ask, _ approval.Request, _ error) {
	body := `{"type":"urn:mitome:not_found","title":"This connection is asked at /op/` + a.name +
		`/v1/requests.","status":404}`
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(body)) // whoever asked hears it or does not
}

// RepeatSafe implements op.Adapter: see the package's Why.
func (a *Adapter) RepeatSafe(approval.State) bool { return true }

// TellsUnknownUsers reports whether this OP may tell a user who is unknown from
// one who cannot be reached.
func (a *Adapter) TellsUnknownUsers() bool { return a.cfg.TellUnknownUsers }
