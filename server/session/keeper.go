package session

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// DefaultLife is how long a session lasts where nothing else was configured. A
// phone that is used a few times a year must not have to pair again, and a
// stolen token is worth nothing without the key.
const DefaultLife = 400 * 24 * time.Hour

// scheme is the HTTP authentication scheme of RFC 9449 §7.1.
const scheme = "DPoP"

// tokenBytes is the strength of a token; tokenLen its length as written.
const (
	tokenBytes = 32
	tokenLen   = 43
)

// Keeper issues sessions and recognizes them. Its fields but the unexported ones
// are wired by the caller; it must not be copied once in use.
type Keeper struct {
	Store     Store
	Desks     DeskStore
	PublicURL string // what clients call Mitome, without a slash at the end; proofs are made for it
	Now       func() time.Time
	Life      time.Duration // of a session; DefaultLife if zero

	// Two memories of proofs, because anybody can make valid ones for a claim:
	// a flood of those must not shut out the devices that are paired.
	known, strangers replays
}

// New makes a session bound to the key with thumbprint jkt, or to a cookie if
// that is empty, and stores nothing. The token leaves Mitome once, here; what is
// kept is its hash.
func (k *Keeper) New(jkt string) (token string, s Session) {
	token = newToken()
	life := k.Life
	if life == 0 {
		life = DefaultLife
	}
	now := k.Now()
	return token, Session{ID: idOf(token), JKT: jkt, CreatedAt: now, ExpiresAt: now.Add(life)}
}

// Issue makes and stores a session bound to the key with thumbprint jkt.
func (k *Keeper) Issue(ctx context.Context, jkt string) (token string, s Session, err error) {
	token, s = k.New(jkt)
	if err := k.Store.CreateSession(ctx, s); err != nil {
		return "", Session{}, fmt.Errorf("create session: %w", err)
	}
	return token, s, nil
}

// Authenticate returns the session for which r was made: an app's, by its token
// and a proof, or a browser's, by its cookie; never one where the other failed.
func (k *Keeper) Authenticate(r *http.Request) (Session, error) {
	if HasProof(r) {
		return k.byProof(r)
	}
	return k.byCookie(r)
}

// byProof returns the session of an app: the Authorization header holds the
// token, the DPoP header a proof by the session's key for this very call (RFC
// 9449 §7). A token with another's proof is no better than an unknown token, so
// that a thief does not learn that it works.
func (k *Keeper) byProof(r *http.Request) (Session, error) {
	token, err := tokenOf(r.Header)
	if err != nil {
		return Session{}, err
	}
	p, err := k.verify(r)
	if err != nil {
		return Session{}, err
	}
	if p.claims.ATH != athOf(token) {
		return Session{}, fmt.Errorf("%w: ath", ErrProof)
	}
	s, err := k.session(r.Context(), idOf(token))
	if err != nil {
		return Session{}, err
	}
	// The store is told the time by its own clock; a session that is over by
	// ours is over too.
	if !k.Now().Before(s.ExpiresAt) {
		return Session{}, ErrUnauthorized
	}
	if s.JKT == "" || subtle.ConstantTimeCompare([]byte(s.JKT), []byte(p.jkt)) != 1 {
		return Session{}, ErrUnauthorized
	}
	return s, k.known.spend(p, k.Now(), maxKnown)
}

// knownKey is the key of the session that a call is known to be of.
type knownKey struct{}

// WithKnown returns ctx in which s is known to stand, so that the store need not
// be asked for it. Whoever calls must still prove that s is his, as ever.
func WithKnown(ctx context.Context, s Session) context.Context {
	return context.WithValue(ctx, knownKey{}, s)
}

// session returns a session as it is known, or else as it is stored.
func (k *Keeper) session(ctx context.Context, id ID) (Session, error) {
	if s, ok := ctx.Value(knownKey{}).(Session); ok && s.ID == id {
		return s, nil
	}
	return k.Store.Session(ctx, id)
}

// Proof returns the thumbprint of the key that made r's proof, for a call that
// has no token yet.
func (k *Keeper) Proof(r *http.Request) (jkt string, err error) {
	p, err := k.verify(r)
	if err != nil {
		return "", err
	}
	// A proof that names a token belongs to a call that came with one: somebody
	// took the token off on the way.
	if p.claims.ATH != "" {
		return "", fmt.Errorf("%w: ath without a token", ErrProof)
	}
	return p.jkt, k.strangers.spend(p, k.Now(), maxStrangers)
}

// tokenOf reads the one Authorization header.
func tokenOf(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return "", ErrUnauthorized
	}
	name, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(name, scheme) || !wellFormed(token) {
		return "", ErrUnauthorized
	}
	return token, nil
}

// wellFormed reports whether token could be one of ours, so that nothing else
// costs a look at the database.
func wellFormed(token string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	return err == nil && len(token) == tokenLen && len(raw) == tokenBytes
}

func idOf(token string) ID {
	sum := sha256.Sum256([]byte(token))
	return ID(hex.EncodeToString(sum[:]))
}

// athOf is the hash by which a proof names its token (RFC 9449 §4.2).
func athOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// HasToken reports whether r claims to have a session at all.
func HasToken(r *http.Request) bool { return len(r.Header.Values("Authorization")) > 0 }
