package keycloak

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mitome-ciba/mitome/approval/op"
)

// Bounds of what a token may hold.
const (
	maxToken = 16 << 10
	maxID    = 255 // of jti, sub and azp; Keycloak's own are no longer
	// clockSkew is how far Keycloak's clock may be ahead of ours.
	clockSkew = 30 * time.Second
)

// claims is what Keycloak signs for one request.
type claims struct {
	jwt.Claims
	Type   string `json:"typ"`
	Client string `json:"azp"`
}

// authenticate returns the bearer of r and what it says, if this realm signed it
// for a CIBA request. Its errors wrap op.ErrUnauthentic and hold no part of it.
func (a *Adapter) authenticate(r *http.Request) (string, claims, error) {
	bearer, ok := bearerOf(r)
	if !ok {
		return "", claims{}, fmt.Errorf("%w: no bearer token", op.ErrUnauthentic)
	}
	c, err := a.verify(r.Context(), bearer)
	if err != nil {
		return "", claims{}, err
	}
	return bearer, c, a.check(c)
}

// bearerOf reads the one Authorization header.
func bearerOf(r *http.Request) (string, bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 || len(values[0]) > maxToken {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

// verify checks the signature and reads the claims.
func (a *Adapter) verify(ctx context.Context, bearer string) (claims, error) {
	var c claims
	sig, err := jose.ParseSignedCompact(bearer, a.algs)
	if err != nil {
		return c, fmt.Errorf("%w: token is not signed as it must be", op.ErrUnauthentic)
	}
	head := sig.Signatures[0].Protected
	key, ok := a.keys.Key(ctx, head.KeyID)
	if !ok {
		return c, fmt.Errorf("%w: the realm has no such key", op.ErrUnauthentic)
	}
	if key.Algorithm != "" && key.Algorithm != head.Algorithm {
		return c, fmt.Errorf("%w: key is for another algorithm", op.ErrUnauthentic)
	}
	payload, err := sig.Verify(key.Key)
	if err != nil {
		return c, fmt.Errorf("%w: signature does not hold", op.ErrUnauthentic)
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return c, fmt.Errorf("%w: claims cannot be read", op.ErrUnauthentic)
	}
	return c, nil
}

// check holds the claims against what Keycloak writes for a CIBA request. The
// token looks like any access token of the realm but for its audience, which is
// the realm itself and nobody else: without that test every client's access
// token would open this door.
func (a *Adapter) check(c claims) error {
	now := a.now()
	for _, rule := range []struct {
		ok  bool
		bad string
	}{
		{c.Issuer == a.cfg.Issuer, "iss is not this realm"},
		{c.Type == "Bearer", "typ is not Bearer"},
		{len(c.Audience) == 1 && c.Audience[0] == a.cfg.Issuer, "aud is not the realm"},
		{isID(c.ID), "jti is missing or not an id"},
		{isID(c.Subject), "sub is missing or not an id"},
		{isID(c.Client), "azp is missing or not an id"},
		{c.IssuedAt != nil && !c.IssuedAt.Time().After(now.Add(clockSkew)), "iat is missing or in the future"},
		{c.Expiry != nil && c.Expiry.Time().After(now), "token has expired"},
		{c.NotBefore == nil || !c.NotBefore.Time().After(now.Add(clockSkew)), "nbf is in the future"},
	} {
		if !rule.ok {
			return fmt.Errorf("%w: %s", op.ErrUnauthentic, rule.bad)
		}
	}
	return nil
}

func isID(s string) bool {
	return s != "" && len(s) <= maxID && utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' })
}

// deadline is when users can no longer answer. Keycloak gives a request up at
// the earlier of the token's end and the realm's policy (requested_expiry moves
// only the first); counted from now as well, lest a clock of Keycloak's that is
// ahead of ours promise time that there is not.
func (a *Adapter) deadline(c claims) time.Time {
	at := c.Expiry.Time()
	for _, from := range []time.Time{c.IssuedAt.Time(), a.now()} {
		if end := from.Add(a.cfg.ExpiresIn); end.Before(at) {
			at = end
		}
	}
	return at.Add(-a.cfg.Margin)
}
