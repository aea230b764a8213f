package rp

import (
	"context"
	"crypto"
	_ "crypto/sha256" // at_hash of the 256 algorithms
	_ "crypto/sha512" // and of the others
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Tokens is what a client gets for an approval. Its ID token has been verified.
type Tokens struct {
	AccessToken  string
	TokenType    string
	RefreshToken string    // empty if the OP gives none
	ExpiresAt    time.Time // of the access token; zero if the OP does not say
	Scope        string    // empty: as asked for
	IDToken      string    // as it came
	Claims       Claims    // what it says
}

// String keeps tokens out of logs.
func (t Tokens) String() string { return "tokens for " + t.Claims.Subject + " " + cut }

// GoString keeps tokens out of logs.
func (t Tokens) GoString() string { return t.String() }

// LogValue keeps tokens out of logs.
func (t Tokens) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Claims is what a verified ID token says.
type Claims struct {
	Issuer   string
	Subject  string
	Audience []string
	IssuedAt time.Time
	Expiry   time.Time
	AuthTime time.Time // zero if the OP does not say
	ACR      string    // how she authenticated; compare it if it matters
	AMR      []string
	Raw      json.RawMessage // all claims, as they were signed
}

// tokenBody is a successful answer of the token endpoint, and a push.
type tokenBody struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
	ExpiresIn    int64  `json:"expires_in"`
}

// signed are the claims that are looked at besides those that go-oidc reads.
type signed struct {
	AZP       string   `json:"azp"`
	AuthTime  int64    `json:"auth_time"`
	ACR       string   `json:"acr"`
	AMR       []string `json:"amr"`
	ATHash    string   `json:"at_hash"`
	RTHash    string   `json:"urn:openid:params:jwt:claim:rt_hash"`
	AuthReqID string   `json:"urn:openid:params:jwt:claim:auth_req_id"`
}

// verify makes tokens of what the OP gave, if the ID token is what it must be.
func (p *Pending) verify(ctx context.Context, b tokenBody) (*Tokens, error) {
	if b.AccessToken == "" || b.TokenType == "" || b.ExpiresIn < 0 || b.ExpiresIn > maxSeconds {
		return nil, fmt.Errorf("%w: tokens", ErrResponse)
	}
	token, err := p.verifyJWT(ctx, b.IDToken)
	if err != nil {
		return nil, err
	}
	var s signed
	if err := token.Claims(&s); err != nil {
		return nil, fmt.Errorf("%w: claims", ErrIDToken)
	}
	if why := p.fault(token, s); why != "" {
		return nil, fmt.Errorf("%w: %s", ErrIDToken, why)
	}
	if why := p.unbound(b, s); why != "" {
		return nil, fmt.Errorf("%w: %s", ErrIDToken, why)
	}
	return newTokens(b, token, s)
}

// verifyJWT checks signature, issuer, audience and expiry.
func (p *Pending) verifyJWT(ctx context.Context, raw string) (*oidc.IDToken, error) {
	c := p.client
	if strings.Count(raw, ".") != 2 || strings.HasPrefix(raw, "{") {
		return nil, fmt.Errorf("%w: not a signed JWT", ErrIDToken)
	}
	verifier := oidc.NewVerifier(c.Provider.Issuer, c.Provider.Keys, &oidc.Config{
		ClientID:             c.ID,
		SupportedSigningAlgs: asymmetric(c.Provider.IDTokenSigningAlgs),
		Now:                  func() time.Time { return time.Now().Add(-c.leeway()) },
	})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIDToken, err)
	}
	return token, nil
}

// asymmetric are the algorithms that only the OP can sign with. One that is
// keyed with the client's secret, or with nothing, is not taken even from an OP
// that offers it: the client, or anybody, could have made the token.
func asymmetric(algs []string) []string {
	if len(algs) == 0 {
		return []string{oidc.RS256} // OpenID Connect Core §15.1
	}
	out := []string{}
	for _, a := range algs {
		if _, ok := hashOf(a); ok {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return []string{oidc.RS256}
	}
	return out
}

// fault says what is wrong with a genuine ID token of this OP for this client.
func (p *Pending) fault(t *oidc.IDToken, s signed) string {
	now, leeway := time.Now(), p.client.leeway()
	switch {
	case t.Subject == "" || len(t.Subject) > 255:
		return "sub"
	case len(t.Audience) > 1 && s.AZP == "", s.AZP != "" && s.AZP != p.client.ID:
		return "issued to another client (azp)"
	case t.IssuedAt.After(now.Add(leeway)):
		return "issued in the future (iat)"
	case t.IssuedAt.Before(p.began.Add(-leeway)):
		return "issued before the request (iat)" // an older one, replayed, or one that does not say
	case p.nonce != "" && subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(p.nonce)) != 1:
		return "nonce"
	}
	return ""
}

// unbound says how an ID token fails to belong to what came with it. A pushed
// one came over a channel that anyone who learnt the bearer token could use, so
// there the binding is not optional (CIBA Core §10.3.1).
func (p *Pending) unbound(b tokenBody, s signed) string {
	push := p.client.mode() == Push
	alg := algorithmOf(b.IDToken)
	switch {
	case (push || s.AuthReqID != "") && s.AuthReqID != p.AuthReqID:
		return "belongs to another request (auth_req_id)"
	case (push || s.ATHash != "") && !matches(alg, b.AccessToken, s.ATHash):
		return "belongs to another access token (at_hash)"
	case (push && b.RefreshToken != "" || s.RTHash != "") && !matches(alg, b.RefreshToken, s.RTHash):
		return "belongs to another refresh token (rt_hash)"
	}
	return ""
}

// matches says whether hash is the left half of value's hash, by the hash
// function of the ID token's algorithm (OpenID Connect Core §3.1.3.6).
func matches(alg, value, hash string) bool {
	h, ok := hashOf(alg)
	if !ok || value == "" {
		return false
	}
	w := h.New()
	w.Write([]byte(value))
	sum := w.Sum(nil)
	want := base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	return subtle.ConstantTimeCompare([]byte(want), []byte(hash)) == 1
}

// hashOf returns the hash function of an asymmetric algorithm of JWS.
func hashOf(alg string) (crypto.Hash, bool) {
	switch alg {
	case "RS256", "PS256", "ES256":
		return crypto.SHA256, true
	case "RS384", "PS384", "ES384":
		return crypto.SHA384, true
	case "RS512", "PS512", "ES512", "EdDSA":
		return crypto.SHA512, true
	}
	return 0, false
}

// algorithmOf reads the header of a JWT that was verified already.
func algorithmOf(raw string) string {
	first, _, _ := strings.Cut(raw, ".")
	var header struct {
		Alg string `json:"alg"`
	}
	if text, err := base64.RawURLEncoding.DecodeString(first); err == nil {
		_ = json.Unmarshal(text, &header)
	}
	return header.Alg
}

func newTokens(b tokenBody, token *oidc.IDToken, s signed) (*Tokens, error) {
	t := &Tokens{
		AccessToken: b.AccessToken, TokenType: b.TokenType, RefreshToken: b.RefreshToken,
		Scope: b.Scope, IDToken: b.IDToken,
		Claims: Claims{
			Issuer: token.Issuer, Subject: token.Subject, Audience: token.Audience,
			IssuedAt: token.IssuedAt, Expiry: token.Expiry, ACR: s.ACR, AMR: s.AMR,
		},
	}
	if b.ExpiresIn > 0 {
		t.ExpiresAt = time.Now().Add(time.Duration(b.ExpiresIn) * time.Second)
	}
	if s.AuthTime > 0 {
		t.Claims.AuthTime = time.Unix(s.AuthTime, 0)
	}
	if err := token.Claims(&t.Claims.Raw); err != nil {
		return nil, fmt.Errorf("%w: claims", ErrIDToken)
	}
	return t, nil
}
