package webpush

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// tokenLife is how long a token is good for. RFC 8292 §2 allows 24 hours; half of
// it bears a clock that is wrong. Half of that again, and it is made anew.
const tokenLife = 12 * time.Hour

// maxOrigins bounds the tokens that are kept, since a user may bring any origin.
const maxOrigins = 256

// tokens are the Authorization headers that are in use, one an origin.
type tokens struct {
	mu     sync.Mutex
	header map[string]token
}

type token struct {
	text  string
	renew time.Time
}

// claims are what a token says (RFC 8292 §2).
type claims struct {
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Subject  string `json:"sub,omitempty"`
}

// token is the Authorization header for u's service. It names the service, so
// that one cannot use it at another.
func (s *Sender) token(u *url.URL) (string, error) {
	origin, now := originOf(u), s.Now()
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	if t, ok := s.tokens.header[origin]; ok && now.Before(t.renew) {
		return t.text, nil
	}
	text, err := s.sign(claims{origin, now.Add(tokenLife).Unix(), s.Subject})
	if err != nil {
		return "", fmt.Errorf("webpush: sign: %w", err)
	}
	if s.tokens.header == nil || len(s.tokens.header) >= maxOrigins {
		s.tokens.header = map[string]token{} // signing a few anew costs less than keeping order
	}
	s.tokens.header[origin] = token{text, now.Add(tokenLife / 2)}
	return text, nil
}

// originOf writes an origin as browsers do (RFC 6454 §6.2), because the service
// compares it with its own.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

func (s *Sender) sign(c claims) (string, error) {
	public, err := PublicKey(s.VAPID)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.VAPID}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	text, err := jws.CompactSerialize()
	return "vapid t=" + text + ", k=" + public, err
}

// PublicKey is the public half of key as browsers are given it: the
// applicationServerKey of a subscription, base64url without padding.
func PublicKey(key *ecdsa.PrivateKey) (string, error) {
	b, err := key.PublicKey.Bytes()
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}
