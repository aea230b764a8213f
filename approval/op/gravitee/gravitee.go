// Package gravitee speaks with the HTTP authentication device notifier of
// Gravitee Access Management, for one security domain a connection. Gravitee AM
// needs nothing but its own configuration for it.
//
// # Why
//
// AM proves itself by one static header, which the operator chooses, and by
// nothing else; what we hand back is a form that carries the state AM signed.
// Any client of AM may post that form, so the state is what approves. It is the
// request's handle and treated as a secret everywhere. It goes back to AM once
// in the answer too, because AM compares it there; that is the one answer of
// ours which holds a handle, and the caller has proved to be AM by then.
//
// AM takes a decision at any time until its client has fetched the tokens, and a
// later one overwrites an earlier. A repetition of the same decision does no
// harm, so every report may be repeated; that it is always the same decision,
// the rest of Mitome sees to.
//
// AM writes into the ID token the acr that was asked for, whatever was reached.
// An approval that does not reach it is therefore a denial here, as everywhere.
package gravitee

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// ackWithin is AM's own time limit: the default idle timeout of its notifier.
const ackWithin = 10 * time.Second

// Adapter is an op.Adapter for one security domain.
type Adapter struct {
	cfg  Config
	post *op.Poster
	now  func() time.Time
}

var (
	_ op.Kind    = Open
	_ op.Hurried = (*Adapter)(nil)
)

// Open is the op.Kind "gravitee". It reads no more than its configuration: AM
// need not be up yet.
func Open(decode func(any) error, d op.Deps) (op.Adapter, error) {
	var cfg Config
	if err := decode(&cfg); err != nil {
		return nil, err
	}
	if err := cfg.finish(); err != nil {
		return nil, err
	}
	post, err := op.NewPooledPoster(d.Client) // every report may be repeated
	if err != nil {
		return nil, err
	}
	return &Adapter{cfg: cfg, post: post, now: d.Now}, nil
}

// AckWithin implements op.Hurried.
func (a *Adapter) AckWithin() time.Duration { return ackWithin }

// RepeatSafe implements op.Adapter: see the package's Why.
func (a *Adapter) RepeatSafe(approval.State) bool { return true }

// CallbackURL is where decisions are told.
func (c *Config) CallbackURL() string { return c.DomainURL + c.CallbackPath }

// authorization is how Mitome proves itself to AM as one of its clients. AM
// compares both halves as they come; form-encoding them first, as RFC 6749
// §2.3.1 has it, would make it refuse a secret with a plus sign in it.
func (c *Config) authorization() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.ClientID+":"+string(c.ClientSecret)))
}

// header makes the headers of a decision.
func (c *Config) header() http.Header {
	return http.Header{
		"Authorization": {c.authorization()},
		"Content-Type":  {formType},
		"Accept":        {"application/json"},
	}
}
