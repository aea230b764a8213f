package webhook

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/keyset"
)

// Bounds of an assertion.
const (
	// assertionLife is how far ahead an assertion may end: for so long each of
	// its names must be remembered.
	assertionLife = 5 * time.Minute
	// clockSkew is how far the OP's clock may be from ours, and those of two nodes
	// from one another.
	clockSkew = 30 * time.Second
	maxJTI    = 255
	minRSA    = 2048 // bits (RFC 7518 §3.3)
	// keysPause is the least time between two fetches for a key that the OP does
	// not publish.
	keysPause = time.Minute
)

// assertionAlgs are signatures by a public key, of the kinds that OPs make. With
// HMAC the OP's public key could be turned into a signing key.
var assertionAlgs = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

// assertionTypes are the typ headers of an assertion; a token that was made for
// something else says so there.
var assertionTypes = []string{"", "JWT", "client-authentication+jwt"}

// typed reports whether an assertion may have this typ, which is nil where there
// is none. It is the caller's, and of any type of JSON, so it is no key of a map:
// a list as one would be a panic.
func typed(typ any) bool {
	s, ok := typ.(string)
	return typ == nil || ok && slices.Contains(assertionTypes, s)
}

// signers are the keys by which an OP may sign.
type signers interface {
	Key(ctx context.Context, kid string) (jose.JSONWebKey, bool)
}

// fixed are keys from a file.
type fixed map[string]jose.JSONWebKey

// Key implements signers.
func (f fixed) Key(_ context.Context, kid string) (jose.JSONWebKey, bool) {
	k, ok := f[kid]
	return k, ok
}

// parseFile reads the JWK set that an operator was given. Unlike one that an OP
// publishes it must be right as a whole.
func parseFile(b []byte) (fixed, error) {
	var set struct {
		Keys []jose.JSONWebKey `json:"keys"`
	}
	if json.Unmarshal(b, &set) != nil || len(set.Keys) == 0 {
		return nil, errors.New("client_assertion must have a jwks_file that is a JWK set")
	}
	for i, k := range set.Keys {
		if !k.IsPublic() { // of a symmetric key there is no public half
			return nil, fmt.Errorf("client_assertion must have a jwks_file of public keys; number %d is not: take its private half out, and keep that at the OP", i+1)
		}
	}
	keys, err := keyset.Parse(b)
	if err != nil || len(keys) != len(set.Keys) {
		return nil, errors.New("client_assertion must have a jwks_file in which each key verifies signatures and has a kid of its own")
	}
	for _, k := range keys {
		if short(k) {
			return nil, fmt.Errorf("client_assertion must have a jwks_file with RSA keys of at least %d bits", minRSA)
		}
	}
	return keys, nil
}

func short(k jose.JSONWebKey) bool {
	r, ok := k.Key.(*rsa.PublicKey)
	return ok && r.N.BitLen() < minRSA
}

// byAssertion takes a JWT that the OP has signed (RFC 7523 §3).
func (a *Adapter) byAssertion(ctx context.Context, bearer string) (Identity, error) {
	no := func(why string) (Identity, error) { return Identity{}, fmt.Errorf("%w: %s", op.ErrUnauthentic, why) }
	sig, err := jose.ParseSignedCompact(bearer, assertionAlgs)
	if err != nil {
		return no("neither an API key nor a JWT that is signed as it must be")
	}
	head := sig.Signatures[0].Protected
	if !typed(head.ExtraHeaders[jose.HeaderType]) {
		return no("typ says that the JWT is for something else")
	}
	key, ok := a.signers.Key(ctx, head.KeyID)
	if !ok {
		return no("kid names no key of the OP")
	}
	if key.Algorithm != "" && key.Algorithm != head.Algorithm || short(key) {
		return no("key is not for this algorithm")
	}
	payload, err := sig.Verify(key.Key)
	if err != nil {
		return no("signature does not hold")
	}
	var c jwt.Claims
	if json.Unmarshal(payload, &c) != nil {
		return no("claims cannot be read")
	}
	if why := a.fault(c); why != "" {
		return no(why)
	}
	// Forgotten a while later than it ends: another node's clock may be behind.
	return Identity{Name: "jwt:" + head.KeyID, Once: c.ID, Until: c.Expiry.Time().Add(2 * clockSkew)}, nil
}

// fault holds claims against what RFC 7523 §3 asks for, and says what is wrong.
// The audience must be this connection alone: an OP that wrote several would have
// made the JWT for others too, and each of them could use it here first.
func (a *Adapter) fault(c jwt.Claims) string {
	now, issuer := a.now(), a.cfg.Assertion.Issuer
	for _, rule := range []struct {
		ok  bool
		bad string
	}{
		{c.Issuer == issuer, "iss is not the configured issuer"},
		{c.Subject == issuer, "sub is not the configured issuer"},
		{len(c.Audience) == 1 && c.Audience[0] == a.audience, "aud is not this connection alone"},
		{c.ID != "" && len(c.ID) <= maxJTI, "jti is missing or too long"},
		{c.Expiry != nil && c.Expiry.Time().After(now), "JWT has no exp or has expired"},
		{c.Expiry == nil || !c.Expiry.Time().After(now.Add(assertionLife+clockSkew)), "exp is more than five minutes ahead"},
		{c.NotBefore == nil || !c.NotBefore.Time().After(now.Add(clockSkew)), "nbf is in the future"},
		{c.IssuedAt == nil || !c.IssuedAt.Time().After(now.Add(clockSkew)), "iat is in the future"},
		{c.IssuedAt == nil || !c.IssuedAt.Time().Before(now.Add(-assertionLife-clockSkew)), "iat is more than five minutes ago"},
	} {
		if !rule.ok {
			return rule.bad
		}
	}
	return ""
}
