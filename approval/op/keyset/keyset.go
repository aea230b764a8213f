// Package keyset keeps the public keys by which an OP signs, as the OP publishes
// them (RFC 7517).
//
// # Why
//
// A key that is not there may be a new one, so it is asked for; but anybody can
// make a token that names a key nobody has, so it is not asked for each time. And
// an OP that is down for an hour has not withdrawn its keys: those that it once
// gave are good until it answers again.
package keyset

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// How keys are kept.
const (
	// fresh is how long keys are used without asking again, so that a key that
	// the OP withdrew dies here too.
	fresh = 10 * time.Minute
	// retry is the least time between two fetches for keys that we have and would
	// rather have fresh.
	retry = 30 * time.Second
	// cold is the same while we have no key at all.
	cold = time.Second
	// timeout leaves most of an OP's patience to the rest; Keycloak has five seconds.
	timeout = 2 * time.Second
	maxBody = 256 << 10
)

// Set is the keys at one address, fetched when first needed. All exported fields
// but Host are needed.
type Set struct {
	URL    string
	Host   string // Host header, if it differs from the URL's
	Client *http.Client
	Log    *slog.Logger
	Now    func() time.Time
	// Pause is the least time between two fetches for keys that the OP does not
	// have.
	Pause time.Duration

	mu      sync.Mutex
	keys    map[string]jose.JSONWebKey
	fetched time.Time     // of what is in keys
	tried   time.Time     // last fetch, successful or not
	busy    chan struct{} // closed when the fetch under way is over; nil if there is none
}

// Key returns the key named kid, or false if the OP has none of that name.
func (s *Set) Key(ctx context.Context, kid string) (jose.JSONWebKey, bool) {
	k, ok, wait := s.look(kid)
	if wait == nil {
		return k, ok
	}
	select {
	case <-wait:
	case <-ctx.Done():
		return k, ok
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok = s.keys[kid]
	return k, ok
}

// look returns what is known of kid. If it is worth asking the OP, this caller
// asks, unless another does already; wait is then what ends with the fetch.
func (s *Set) look(kid string) (k jose.JSONWebKey, ok bool, wait <-chan struct{}) {
	s.mu.Lock()
	k, ok = s.keys[kid]
	since, pause := s.Now().Sub(s.tried), s.Pause
	if len(s.keys) == 0 {
		pause = min(pause, cold)
	}
	switch {
	case ok && s.Now().Sub(s.fetched) < fresh,
		ok && (s.busy != nil || since < retry):
		s.mu.Unlock()
		return k, true, nil
	case s.busy != nil:
		defer s.mu.Unlock()
		return k, ok, s.busy
	case since >= 0 && since < pause: // a clock set back must not stop us for ever
		s.mu.Unlock()
		return k, ok, nil
	}
	done := make(chan struct{})
	s.busy, s.tried = done, s.Now()
	s.mu.Unlock()
	s.refresh(done)
	return k, ok, done
}

// refresh fetches the keys and ends done. It does not use the caller's context:
// a caller that hangs up must not spoil the fetch for the others who wait for it.
func (s *Set) refresh(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	keys, err := s.fetch(ctx)
	if err != nil {
		s.Log.Warn("keys of the OP cannot be fetched", "url", s.URL, "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.keys, s.fetched = keys, s.Now()
	}
	s.busy = nil
	close(done)
}

func (s *Set) fetch(ctx context.Context) (map[string]jose.JSONWebKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Host = s.Host
	resp, err := s.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return Parse(body)
}

// Parse reads a JWK set, by the names of its keys. What is not a public signature
// key that we know is left out one by one: an OP may publish kinds of keys that
// we never heard of.
func Parse(body []byte) (map[string]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, errors.New("keys are not a JWK set")
	}
	keys := map[string]jose.JSONWebKey{}
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) == nil && signs(k) {
			keys[k.KeyID] = k
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no usable key among them")
	}
	return keys, nil
}

// signs reports whether k may verify signatures of a token.
func signs(k jose.JSONWebKey) bool {
	switch k.Key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		return k.KeyID != "" && (k.Use == "" || k.Use == "sig")
	}
	return false
}
