// Package authlete stands in the place of Authlete's simulator of authentication
// devices, so that an OP made for it, java-oauth-server above all, asks real
// devices by no more than another base URL.
//
// # Why
//
// The contract knows no authentication, in either direction. What the OP proves
// itself by is therefore a long secret in the path that it is configured with:
// a connection without one does not open. What we prove ourselves by is the
// request_id that we gave it: whoever knows one can approve. So it is made of the
// secret and of the OP's own name of the request, is a handle as any other, and
// is kept as such; Mitome's own id of the request, which is no secret, will not do.
//
// The simulator's actionize, by which a program answers in a user's place, is not
// here and must not be: its token is the auth_req_id, which clients know.
//
// The OP tells nothing apart: who asks, for what, and the binding message come as
// one text. It is taken to pieces again where it has the form that
// java-oauth-server gives it, and shown as it came where it has not. Which acr was
// asked for the OP does not say at all, and asserts the first of them whatever was
// reached; so what every approval must reach is configuration.
package authlete

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// The calls of the simulator's API, by the last word of their paths.
const (
	callSync   = "sync"
	callAsync  = "async"
	callPoll   = "poll"
	callResult = "result"
)

// ackWithin is how long java-oauth-server waits for the answer to a call that is
// not held.
const ackWithin = 10 * time.Second

// Adapter is an op.Adapter for one workspace.
type Adapter struct {
	cfg  Config
	post *op.Poster
	now  func() time.Time
}

var (
	_ op.Kind    = Open
	_ op.Hurried = (*Adapter)(nil)
	_ op.Waiter  = (*Adapter)(nil)
	_ op.Poller  = (*Adapter)(nil)
)

// Open is the op.Kind "authlete".
func Open(decode func(any) error, d op.Deps) (op.Adapter, error) {
	var cfg Config
	if err := decode(&cfg); err != nil {
		return nil, err
	}
	if err := cfg.finish(d.Name); err != nil {
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

// Waits implements op.Waiter.
func (a *Adapter) Waits(ask approval.Ask) bool { return ask.Handle == callSync }

// RepeatSafe implements op.Adapter: the OP forgets a request with the first
// decision that it takes, and refuses all others.
func (a *Adapter) RepeatSafe(approval.State) bool { return true }

// callOf returns which call r is, if its path holds the secret. It compares
// hashes, so that neither content nor length can be found out by timing.
func (a *Adapter) callOf(r *http.Request) (string, bool) {
	const before, after = "/ad/", "/api/authenticate/"
	i := strings.LastIndex(r.URL.Path, before)
	if i < 0 {
		return "", false
	}
	secret, call, _ := strings.Cut(r.URL.Path[i+len(before):], after)
	got, want := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(a.cfg.Secret))
	return call, subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// requestID names a request towards the OP. A repetition of its ask has the same
// one, and nobody without the secret can make it of an auth_req_id.
func (a *Adapter) requestID(call, token string) string {
	if token == "" { // an OP older than the field
		token = rand.Text()
	}
	mac := hmac.New(sha256.New, []byte(a.cfg.Secret))
	mac.Write([]byte("mitome/authlete/request_id\x00" + call + "\x00" + token))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
