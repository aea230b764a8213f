package seal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Ring is all of Mitome's keys. It may be used from many goroutines.
type Ring struct {
	mu     sync.RWMutex
	seal   set    // AES-256-GCM, for what must be read again
	code   set    // HMAC-SHA-256, for codes that users type
	lookup []byte // HMAC-SHA-256, for hints
	sign   signers
}

// set is the symmetric keys of one purpose.
type set struct {
	Current string `json:"current"`
	Keys    []key  `json:"keys"`
}

type key struct {
	ID      string    `json:"id"`
	Key     []byte    `json:"key"`
	Created time.Time `json:"created"`
}

// signers is the keys of evidence. A retired one keeps its public half alone:
// old evidence must verify, and nothing new may be signed with it.
type signers struct {
	Current jose.JSONWebKey   `json:"current"`
	Retired []jose.JSONWebKey `json:"retired"`
}

// New returns a ring of fresh keys.
func New() *Ring {
	r := &Ring{lookup: secret()}
	r.rotate()
	return r
}

// Rotate makes new current keys for sealing, codes and evidence. The old ones
// stay valid for what they made, until they are dropped.
func (r *Ring) Rotate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sign.Current.Key != nil {
		r.sign.Retired = append(r.sign.Retired, r.sign.Current.Public())
	}
	r.rotate()
}

// rotate is Rotate without what is there already.
func (r *Ring) rotate() {
	r.seal.add()
	r.code.add()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("seal: P-256 key: " + err.Error()) // crypto/rand never fails
	}
	r.sign.Current = jose.JSONWebKey{Key: priv, KeyID: newID(), Algorithm: string(jose.ES256), Use: "sig"}
}

func (s *set) add() {
	k := key{ID: newID(), Key: secret(), Created: time.Now().UTC().Truncate(time.Second)}
	s.Keys, s.Current = append(s.Keys, k), k.ID
}

func (s *set) find(id string) (key, bool) {
	i := slices.IndexFunc(s.Keys, func(k key) bool { return k.ID == id })
	if i < 0 {
		return key{}, false
	}
	return s.Keys[i], true
}

// Drop forgets a key for ever. It returns ErrKeyCurrent for one in use and
// ErrKeyUnknown if there is none. Whether anything still needs the key, only
// the store knows; see its SealedWith.
func (r *Ring) Drop(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == r.seal.Current || id == r.code.Current || id == r.sign.Current.KeyID {
		return fmt.Errorf("drop key %q: %w", id, ErrKeyCurrent)
	}
	if r.seal.drop(id) || r.code.drop(id) {
		return nil
	}
	n := len(r.sign.Retired)
	r.sign.Retired = slices.DeleteFunc(r.sign.Retired, func(k jose.JSONWebKey) bool { return k.KeyID == id })
	if len(r.sign.Retired) == n {
		return fmt.Errorf("drop key %q: %w", id, ErrKeyUnknown)
	}
	return nil
}

func (s *set) drop(id string) bool {
	n := len(s.Keys)
	s.Keys = slices.DeleteFunc(s.Keys, func(k key) bool { return k.ID == id })
	return len(s.Keys) < n
}

// SigningKey returns the key that signs evidence: ES256, private half and kid.
func (r *Ring) SigningKey() jose.JSONWebKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.sign.Current
}

// PublicKeys returns what is published for verifying evidence, the current key
// first.
func (r *Ring) PublicKeys() jose.JSONWebKeySet {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return jose.JSONWebKeySet{Keys: append([]jose.JSONWebKey{r.sign.Current.Public()}, r.sign.Retired...)}
}

// Info describes one key to an operator.
type Info struct {
	ID      string
	Purpose string // "seal", "code" or "sign"
	Current bool
	Created time.Time // zero for signing keys, which do not say
}

// Keys lists the keys, by purpose and age.
func (r *Ring) Keys() []Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []Info
	for _, k := range r.seal.Keys {
		out = append(out, Info{k.ID, "seal", k.ID == r.seal.Current, k.Created})
	}
	for _, k := range r.code.Keys {
		out = append(out, Info{k.ID, "code", k.ID == r.code.Current, k.Created})
	}
	for _, k := range r.sign.Retired {
		out = append(out, Info{ID: k.KeyID, Purpose: "sign"})
	}
	return append(out, Info{ID: r.sign.Current.KeyID, Purpose: "sign", Current: true})
}

// LogValue implements slog.LogValuer.
func (*Ring) LogValue() slog.Value { return slog.StringValue("[keys]") }

// String implements fmt.Stringer.
func (*Ring) String() string { return "[keys]" }

// GoString implements fmt.GoStringer.
func (*Ring) GoString() string { return "[keys]" }

// newID returns 40 random bits: ids are few, and they stand in every row.
func newID() string { return strings.ToLower(rand.Text()[:idLen]) }

func secret() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails, says crypto/rand
	return b
}
