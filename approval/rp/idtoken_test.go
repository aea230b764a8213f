package rp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// with changes a good ID token's claims; a nil value takes one away.
func with(changes ...any) map[string]any {
	c := claims()
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == nil {
			delete(c, changes[i].(string))
			continue
		}
		c[changes[i].(string)] = changes[i+1]
	}
	return c
}

const (
	authReqIDClaim = "urn:openid:params:jwt:claim:auth_req_id"
	rtHashClaim    = "urn:openid:params:jwt:claim:rt_hash"
)

// TestIDTokenClaims gives the client genuine ID tokens of its OP that are not
// for it, not for now, or not for this request.
func TestIDTokenClaims(t *testing.T) {
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
	tests := []struct {
		name       string
		claims     map[string]any
		poll, push bool // taken
	}{
		{"good", with(), true, true},
		{"several audiences, issued to us", with("aud", []string{"shop", "bank"}, "azp", "shop"), true, true},
		{"clock a little ahead", with("iat", ago(-30*time.Second)), true, true},
		{"expired a moment ago", with("exp", ago(30*time.Second)), true, true},
		{"bare", with("at_hash", nil, authReqIDClaim, nil, rtHashClaim, nil, "acr", nil, "amr", nil, "auth_time", nil), true, false},

		{"another issuer", with("iss", "https://evil.example"), false, false},
		{"issuer with a slash more", with("iss", issuer+"/"), false, false},
		{"no issuer", with("iss", nil), false, false},
		{"another audience", with("aud", "bank"), false, false},
		{"no audience", with("aud", nil), false, false},
		{"several audiences, issued to none", with("aud", []string{"shop", "bank"}), false, false},
		{"issued to another", with("aud", []string{"shop", "bank"}, "azp", "bank"), false, false},
		{"issued to another, one audience", with("azp", "bank"), false, false},
		{"no subject", with("sub", nil), false, false},
		{"subject too long", with("sub", strings.Repeat("a", 256)), false, false},
		{"expired", with("exp", ago(2*time.Minute)), false, false},
		{"never expires", with("exp", nil), false, false},
		{"not yet good", with("nbf", ago(-time.Hour)), false, false},
		{"issued in the future", with("iat", ago(-2*time.Minute)), false, false},
		{"never issued", with("iat", nil), false, false},
		{"issued before the request", with("iat", ago(2*time.Minute)), false, false},

		{"another access token", with("at_hash", half("other")), false, false},
		{"no at_hash", with("at_hash", nil), true, false},
		{"whole hash as at_hash", with("at_hash", "b64-of-something-longer-than-half-a-hash-xx"), false, false},
		{"another request", with(authReqIDClaim, "req-2"), false, false},
		{"no auth_req_id", with(authReqIDClaim, nil), true, false},
		{"another refresh token", with(rtHashClaim, half("other")), false, false},
		{"no rt_hash", with(rtHashClaim, nil), true, false},
	}
	for _, tt := range tests {
		for mode, want := range map[rp.Mode]bool{rp.Poll: tt.poll, rp.Push: tt.push} {
			t.Run(tt.name+"/"+string(mode), func(t *testing.T) {
				f := newFakeOP(t)
				tokens, err := deliver(t, f, mode, given(f.sign(t, tt.claims)))
				if want != (err == nil) || (err != nil && !errors.Is(err, rp.ErrIDToken)) {
					t.Errorf("got %v, want it taken: %v", err, want)
				}
				if (tokens != nil) != want {
					t.Errorf("tokens came along: %v", tokens)
				}
			})
		}
	}
}

// deliver brings tokens to a client by its mode.
func deliver(t *testing.T, f *fakeOP, mode rp.Mode, body map[string]any) (*rp.Tokens, error) {
	t.Helper()
	c := f.client(mode)
	f.tokens = []said{ok(body)}
	p, token := start(t, f, c)
	if mode == rp.Poll {
		return p.Poll(t.Context())
	}
	if status := notify(c, token, body); status != 204 {
		t.Fatalf("push: got %d, want 204", status)
	}
	return p.Wait(t.Context())
}

// TestIDTokenForged gives the client ID tokens that the OP did not make.
func TestIDTokenForged(t *testing.T) {
	f := newFakeOP(t)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&f.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	// Without hashes, so that in poll mode nothing but its form is against it.
	genuine := f.sign(t, with("at_hash", nil, rtHashClaim, nil))
	head, rest, _ := strings.Cut(genuine, ".")
	body, signature, _ := strings.Cut(rest, ".")
	other, err := json.Marshal(with("sub", "bob"))
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	hs := func(key []byte) string {
		return signWith(t, jose.SigningKey{Algorithm: jose.HS256, Key: key}, claims())
	}
	tests := []struct{ name, token string }{
		{"by a stranger", signWith(t, jose.SigningKey{Algorithm: jose.ES256, Key: stranger}, claims())},
		{"by a stranger who brings the key", embedded(t, stranger)},
		{"altered", head + "." + b64(other) + "." + signature},
		{"signature cut off", head + "." + body + "."},
		{"alg none", b64([]byte(`{"alg":"none"}`)) + "." + body + "."},
		{"alg None, capitals", b64([]byte(`{"alg":"NONE"}`)) + "." + body + "."},
		{"HMAC by the OP's public key", hs(public)},
		{"HMAC by the client's secret", hs([]byte(strings.Repeat("secret", 8)))},
		{"JSON serialization", fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, body, head, signature)},
		{"JSON serialization with dots", fmt.Sprintf(`{"a":"..","payload":%q,"protected":%q,"signature":%q}`, body, head, signature)},
		{"no JWT", "hello"},
		{"none", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, mode := range []rp.Mode{rp.Poll, rp.Push} {
				if mode == rp.Push && tt.token == "" {
					continue // is not taken in at all: TestNotifications
				}
				if tokens, err := deliver(t, f, mode, given(tt.token)); !errors.Is(err, rp.ErrIDToken) || tokens != nil {
					t.Errorf("%s: got %v, %v, want %v", mode, tokens, err, rp.ErrIDToken)
				}
			}
		})
	}
}

// TestSymmetricIDToken: an algorithm that needs no key of the OP's is refused,
// though the OP offers it and its key set would take it.
func TestSymmetricIDToken(t *testing.T) {
	f := newFakeOP(t)
	c := f.client(rp.Poll)
	c.Provider.Keys = gullible{}
	p, _ := start(t, f, c)
	bare := with("at_hash", nil, rtHashClaim, nil) // nothing else is against it
	tokens := map[bool]string{
		true:  f.sign(t, bare),
		false: signWith(t, jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("secret", 8))}, bare),
	}
	for want, token := range tokens {
		f.tokens = []said{ok(given(token))}
		if _, err := p.Poll(t.Context()); (err == nil) != want {
			t.Errorf("got %v, want it taken: %v", err, want)
		}
	}
}

// gullible takes every signature.
type gullible struct{}

func (gullible) VerifySignature(_ context.Context, raw string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
}

// embedded is signed by a key that stands in the token's own header.
func embedded(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims())
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestNonce(t *testing.T) {
	for nonce, want := range map[any]error{"n-1": nil, "n-2": rp.ErrIDToken, nil: rp.ErrIDToken} {
		f := newFakeOP(t)
		f.tokens = []said{ok(given(f.sign(t, with("nonce", nonce))))}
		p, err := f.client(rp.Poll).Start(t.Context(), rp.Request{LoginHint: "alice", Nonce: "n-1"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Poll(t.Context()); !errors.Is(err, want) {
			t.Errorf("nonce %v: got %v, want %v", nonce, err, want)
		}
	}
}

func TestTokens(t *testing.T) {
	f := newFakeOP(t)
	body := given(f.sign(t, with("branch", "Kyoto")))
	got, err := deliver(t, f, rp.Poll, body)
	if err != nil {
		t.Fatal(err)
	}
	c := got.Claims
	if c.Subject != "alice" || c.Issuer != issuer || c.ACR != "phr" || len(c.AMR) != 2 || c.AuthTime.IsZero() ||
		c.Expiry.IsZero() || c.IssuedAt.IsZero() || got.ExpiresAt.IsZero() || got.RefreshToken != "refresh" {
		t.Errorf("got %#v", c)
	}
	var own struct{ Branch string }
	if err := json.Unmarshal(c.Raw, &own); err != nil || own.Branch != "Kyoto" {
		t.Errorf("got %s, %v", c.Raw, err)
	}
	for _, text := range []string{fmt.Sprint(got), fmt.Sprintf("%v %+v %#v", *got, *got, *got)} {
		if strings.Contains(text, "refresh") || strings.Contains(text, got.IDToken) {
			t.Errorf("tokens print as %s", text)
		}
	}
	for name, change := range map[string]any{"access_token": "", "token_type": "", "expires_in": -1} {
		broken := given(f.sign(t, claims()))
		broken[name] = change
		if _, err := deliver(t, f, rp.Poll, broken); !errors.Is(err, rp.ErrResponse) {
			t.Errorf("%s %v: got %v, want %v", name, change, err, rp.ErrResponse)
		}
	}
}
