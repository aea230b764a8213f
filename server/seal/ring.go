package seal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
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
	push   *jose.JSONWebKey // ES256, to prove to push services who sends; nil: an older file has none

	pushSince time.Time // when push took the place of another key; zero: it is the first
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
// stay valid for what they made, until they are dropped. The key of Web Push is
// made if there is none, and stays otherwise: each browser's subscription is
// bound to it, so a new one would silence all of them.
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
	r.sign.Current = newES256()
	r.complete()
}

// Complete makes what a key file of an older version has not, and reports
// whether there was anything to make.
func (r *Ring) Complete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.complete()
}

func (r *Ring) complete() bool {
	if r.push != nil {
		return false
	}
	k := newES256()
	r.push = &k
	return true
}

func newES256() jose.JSONWebKey {
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("seal: P-256 key: " + err.Error()) // crypto/rand never fails
	}
	return jose.JSONWebKey{Key: priv, KeyID: newID(), Algorithm: string(jose.ES256), Use: "sig"}
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
	if id == r.seal.Current || id == r.code.Current || id == r.sign.Current.KeyID || r.push != nil && id == r.push.KeyID {
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

// WebPushKey returns the key that proves to push services who sends (VAPID), if
// there is one.
func (r *Ring) WebPushKey() (*ecdsa.PrivateKey, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.push == nil {
		return nil, false
	}
	priv, ok := r.push.Key.(*ecdsa.PrivateKey)
	return priv, ok
}

// ReplaceWebPush makes a new key of Web Push and forgets the old one. Every
// subscription is bound to that, so no browser hears anything until it has
// subscribed anew.
func (r *Ring) ReplaceWebPush(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := newES256()
	r.push, r.pushSince = &k, now.UTC().Truncate(time.Second)
}

// WebPushSince returns when the key of Web Push took the place of another; zero
// if it is the first.
func (r *Ring) WebPushSince() time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.pushSince
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
	Purpose string // "seal", "code", "sign" or "webpush"
	Current bool
	Created time.Time // zero for signing keys and a first "webpush", which do not say
	Public  string    // of "webpush": its public half, as browsers are given it
}

// Keys lists the keys, by purpose and age.
func (r *Ring) Keys() []Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []Info
	for _, k := range r.seal.Keys {
		out = append(out, Info{ID: k.ID, Purpose: "seal", Current: k.ID == r.seal.Current, Created: k.Created})
	}
	for _, k := range r.code.Keys {
		out = append(out, Info{ID: k.ID, Purpose: "code", Current: k.ID == r.code.Current, Created: k.Created})
	}
	for _, k := range r.sign.Retired {
		out = append(out, Info{ID: k.KeyID, Purpose: "sign"})
	}
	out = append(out, Info{ID: r.sign.Current.KeyID, Purpose: "sign", Current: true})
	if r.push != nil {
		out = append(out, Info{ID: r.push.KeyID, Purpose: "webpush", Current: true, Created: r.pushSince, Public: point(r.push.Key)})
	}
	return out
}

// point is the public half of an ES256 key as VAPID writes it (RFC 8292 §3.2).
func point(key any) string {
	priv, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return ""
	}
	b, err := priv.PublicKey.Bytes()
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
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
