package keycloak

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

// How the realm's keys are kept.
const (
	// keysFresh is how long keys are used without asking again, so that a key
	// that Keycloak withdrew dies here too.
	keysFresh = 10 * time.Minute
	// keysPause is the least time between two fetches for keys that we do not
	// have. Anybody can make a token that names an unknown key.
	keysPause = time.Second
	// keysRetry is the same for keys that we have and would rather have fresh.
	keysRetry = 30 * time.Second
	// keysTimeout leaves most of Keycloak's five seconds to the rest.
	keysTimeout = 2 * time.Second
	maxKeysBody = 256 << 10
)

// keySet is the realm's public keys, fetched when first needed.
type keySet struct {
	url, host string
	client    *http.Client
	log       *slog.Logger
	now       func() time.Time

	mu      sync.Mutex
	keys    map[string]jose.JSONWebKey
	fetched time.Time     // of what is in keys
	tried   time.Time     // last fetch, successful or not
	busy    chan struct{} // closed when the fetch under way is over; nil if there is none
}

// key returns the key named kid, or false if the realm has none of that name.
// While Keycloak cannot be asked, keys that it once gave are good.
func (s *keySet) key(ctx context.Context, kid string) (jose.JSONWebKey, bool) {
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

// look returns what is known of kid. If it is worth asking Keycloak, this caller
// asks, unless another does already; wait is then what ends with the fetch.
func (s *keySet) look(kid string) (k jose.JSONWebKey, ok bool, wait <-chan struct{}) {
	s.mu.Lock()
	k, ok = s.keys[kid]
	since := s.now().Sub(s.tried)
	switch {
	case ok && s.now().Sub(s.fetched) < keysFresh,
		ok && (s.busy != nil || since < keysRetry):
		s.mu.Unlock()
		return k, true, nil
	case s.busy != nil:
		defer s.mu.Unlock()
		return k, ok, s.busy
	case since >= 0 && since < keysPause: // a clock set back must not stop us for ever
		s.mu.Unlock()
		return k, ok, nil
	}
	done := make(chan struct{})
	s.busy, s.tried = done, s.now()
	s.mu.Unlock()
	s.refresh(done)
	return k, ok, done
}

// refresh fetches the keys and ends done. It does not use the caller's context:
// a caller that hangs up must not spoil the fetch for the others who wait for it.
func (s *keySet) refresh(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), keysTimeout)
	defer cancel()
	keys, err := s.fetch(ctx)
	if err != nil {
		s.log.Warn("keys of the realm cannot be fetched", "url", s.url, "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.keys, s.fetched = keys, s.now()
	}
	s.busy = nil
	close(done)
}

func (s *keySet) fetch(ctx context.Context) (map[string]jose.JSONWebKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	req.Host = s.host
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeysBody))
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return parseKeys(body)
}

// parseKeys reads a JWK set. What is not a public signature key that we know is
// left out one by one: a realm may hold kinds of keys that we never heard of.
func parseKeys(body []byte) (map[string]jose.JSONWebKey, error) {
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
