package webhook_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
)

const (
	issuer   = "https://op.example"
	audience = "https://mitome.example/op/shop"
)

// must2 is v, if err is nil.
func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The OP's keys. Those of RSA take a while to make, so all tests share them.
var (
	ec    = must2(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384  = must2(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	rs    = must2(rsa.GenerateKey(rand.Reader, 2048))
	short = must2(rsa.GenerateKey(rand.Reader, 1024))
	_, ed = func() (ed25519.PublicKey, ed25519.PrivateKey) {
		pub, priv, err := ed25519.GenerateKey(rand.Reader)
		return must2(pub, err), priv
	}()
	stranger = must2(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
)

// published is the public half of key under a name.
func published(kid string, key crypto.Signer) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: kid}
}

// jwks is a file that holds keys.
func jwks(t *testing.T, keys ...jose.JSONWebKey) string {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// claims are good ones, changed by change; a nil value removes a member.
func claims(change map[string]any) map[string]any {
	out := map[string]any{
		"iss": issuer, "sub": issuer, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	for k, v := range change {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// with is JOSE headers beside alg and kid.
type with map[jose.HeaderKey]any

// signed is a JWT. Key is what the library signs with; kid may be empty.
func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, c map[string]any, extra with) string {
	t.Helper()
	o := &jose.SignerOptions{ExtraHeaders: maps.Clone(extra)}
	if kid != "" {
		key = jose.JSONWebKey{Key: key, KeyID: kid}
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// unsigned is a JWT of alg none.
func unsigned(c map[string]any) string {
	part := func(v any) string { return base64.RawURLEncoding.EncodeToString(must2(json.Marshal(v))) }
	return part(map[string]string{"alg": "none", "kid": "ec"}) + "." + part(c) + "."
}

// bearing is a call that brings bearer.
func bearing(bearer string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/op/shop/v1/requests/x", nil)
	r.Header.Set("Authorization", "Bearer "+bearer)
	return r
}

// signing is a connection whose OP signs, and has no API key.
func signing(t *testing.T, change func(*webhook.Config)) *webhook.Adapter {
	t.Helper()
	cfg := configured("http://127.0.0.1:9")
	cfg.Keys = nil
	cfg.Assertion = webhook.Assertion{Issuer: issuer, JWKSFile: jwks(t,
		published("ec", ec), published("rs", rs), published("ed", ed), published("p384", p384),
		jose.JSONWebKey{Key: ec.Public(), KeyID: "of-rs256", Algorithm: "RS256"},
	)}
	if change != nil {
		change(&cfg)
	}
	d := deps()
	d.PublicURL, d.Log = "https://mitome.example", slog.New(slog.DiscardHandler)
	a, err := open(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAssertions(t *testing.T) {
	a := signing(t, nil)
	good := claims(nil)
	for name, jwt := range map[string]string{
		"ES256": signed(t, jose.ES256, ec, "ec", good, nil), "RS256": signed(t, jose.RS256, rs, "rs", good, nil),
		"PS256": signed(t, jose.PS256, rs, "rs", good, nil), "EdDSA": signed(t, jose.EdDSA, ed, "ed", good, nil),
		"typ JWT":        signed(t, jose.ES256, ec, "ec", good, with{"typ": "JWT"}),
		"typ of the RFC": signed(t, jose.ES256, ec, "ec", good, with{"typ": "client-authentication+jwt"}),
	} {
		id, err := a.Authenticate(bearing(jwt))
		if err != nil || !strings.HasPrefix(id.Name, "jwt:") || id.Once != good["jti"] || id.Until.Before(now.Add(time.Minute)) {
			t.Errorf("%s: got %+v, %v", name, id, err)
		}
	}
	for name, change := range map[string]map[string]any{
		"no nbf, no iat":         {"nbf": nil, "iat": nil},
		"aud as a list":          {"aud": []string{audience}},
		"five minutes":           {"exp": now.Add(5 * time.Minute).Unix()},
		"the OP's clock is fast": {"iat": now.Add(20 * time.Second).Unix(), "nbf": now.Add(20 * time.Second).Unix(), "exp": now.Add(5*time.Minute + 20*time.Second).Unix()},
	} {
		if _, err := a.Authenticate(bearing(signed(t, jose.ES256, ec, "ec", claims(change), nil))); err != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestForgedAssertions(t *testing.T) {
	a := signing(t, nil)
	public := must2(x509.MarshalPKIXPublicKey(rs.Public()))
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	good := claims(nil)
	parts := strings.Split(signed(t, jose.ES256, ec, "ec", good, nil), ".")
	forgeries := map[string]string{
		"alg none":                  unsigned(good),
		"HS256 by the public key":   signed(t, jose.HS256, text, "rs", good, nil),
		"HS256 by its DER":          signed(t, jose.HS256, public, "rs", good, nil),
		"a stranger's key":          signed(t, jose.ES256, stranger, "ec", good, nil),
		"a kid nobody has":          signed(t, jose.ES256, ec, "ec2", good, nil),
		"another key's kid":         signed(t, jose.ES256, ec, "rs", good, nil),
		"no kid":                    signed(t, jose.ES256, ec, "", good, nil),
		"a key of another alg":      signed(t, jose.ES256, ec, "of-rs256", good, nil),
		"ES384":                     signed(t, jose.ES384, p384, "p384", good, nil),
		"RS512":                     signed(t, jose.RS512, rs, "rs", good, nil),
		"a key that it brings":      signed(t, jose.ES256, stranger, "", good, with{"jwk": jose.JSONWebKey{Key: stranger.Public()}}),
		"an access token":           signed(t, jose.ES256, ec, "ec", good, with{"typ": "at+jwt"}),
		"typ that is no text":       signed(t, jose.ES256, ec, "ec", good, with{"typ": 7}),
		"typ that is a list":        signed(t, jose.ES256, ec, "ec", good, with{"typ": []string{"JWT"}}),
		"typ that is a table":       signed(t, jose.ES256, ec, "ec", good, with{"typ": map[string]any{}}),
		"a signature cut off":       parts[0] + "." + parts[1] + ".",
		"other claims put in":       parts[0] + "." + strings.Split(unsigned(claims(nil)), ".")[1] + "." + parts[2],
		"JSON in place of compact":  `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"claims that are no claims": signed(t, jose.ES256, ec, "ec", map[string]any{"iss": 7}, nil),
		"too long for a header":     signed(t, jose.ES256, ec, "ec", claims(map[string]any{"x": strings.Repeat("x", 9000)}), nil),
	}
	for name, change := range map[string]map[string]any{
		"no iss":          {"iss": nil},
		"another iss":     {"iss": "https://other.example"},
		"no sub":          {"sub": nil},
		"a user as sub":   {"sub": "s-1"},
		"no aud":          {"aud": nil},
		"another aud":     {"aud": "https://mitome.example/op/bank"},
		"aud of the host": {"aud": "https://mitome.example"},
		"two aud":         {"aud": []string{audience, "https://other.example"}},
		"no jti":          {"jti": nil},
		"an empty jti":    {"jti": ""},
		"a long jti":      {"jti": strings.Repeat("j", 256)},
		"no exp":          {"exp": nil},
		"expired":         {"exp": now.Unix()},
		"good for an hour": {
			"exp": now.Add(time.Hour).Unix()},
		"made yesterday": {"iat": now.Add(-24 * time.Hour).Unix()},
		"made tomorrow":  {"iat": now.Add(24 * time.Hour).Unix()},
		"not yet":        {"nbf": now.Add(time.Minute).Unix()},
	} {
		forgeries[name] = signed(t, jose.ES256, ec, "ec", claims(change), nil)
	}
	for name, jwt := range forgeries {
		id, err := a.Authenticate(bearing(jwt))
		if !errors.Is(err, op.ErrUnauthentic) || id != (webhook.Identity{}) {
			t.Errorf("%s: got %+v, %v, want %v", name, id, err, op.ErrUnauthentic)
		}
		if err != nil && (strings.Contains(err.Error(), parts[0]) || strings.Contains(err.Error(), "other.example")) {
			t.Errorf("%s: the error holds what was brought: %v", name, err)
		}
	}
}

// TestTheBearerIsOne: what can be read in two ways is not read.
func TestTheBearerIsOne(t *testing.T) {
	a := signing(t, func(c *webhook.Config) { c.Keys = configured("").Keys })
	jwt := signed(t, jose.ES256, ec, "ec", claims(nil), nil)
	for name, values := range map[string][]string{
		"two": {"Bearer " + jwt, "Bearer key-one"}, "another scheme": {"Basic " + jwt}, "none": {"Bearer"}, "nothing": {"Bearer "}, "empty": {""},
	} {
		r := bearing("")
		r.Header["Authorization"] = values
		if _, err := a.Authenticate(r); !errors.Is(err, op.ErrUnauthentic) {
			t.Errorf("%s: got %v, want %v", name, err, op.ErrUnauthentic)
		}
	}
	for bearer, want := range map[string]string{"key-one": "k1", jwt: "jwt:ec"} {
		if id, err := a.Authenticate(bearing(bearer)); err != nil || id.Name != want || (id.Once == "") != (want == "k1") {
			t.Errorf("got %+v, %v, want %s", id, err, want)
		}
	}
}

func TestTheAudienceMayBeSet(t *testing.T) {
	a := signing(t, func(c *webhook.Config) { c.Assertion.Audience = "mitome" })
	for aud, want := range map[string]error{"mitome": nil, audience: op.ErrUnauthentic} {
		if _, err := a.Authenticate(bearing(signed(t, jose.ES256, ec, "ec", claims(map[string]any{"aud": aud}), nil))); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", aud, err, want)
		}
	}
}

// TestPublishedKeys: they are fetched through the guard, and for a kid that
// nobody has at most once a minute.
func TestPublishedKeys(t *testing.T) {
	var fetches atomic.Int32
	var keys atomic.Value
	keys.Store([]jose.JSONWebKey{published("ec", ec)})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: keys.Load().([]jose.JSONWebKey)})
	}))
	t.Cleanup(srv.Close)
	at := now
	cfg := configured("http://127.0.0.1:9")
	cfg.Assertion = webhook.Assertion{Issuer: issuer, Audience: audience, JWKSURL: srv.URL, AllowPrivate: here}
	d := deps()
	d.Log, d.Now = slog.New(slog.DiscardHandler), func() time.Time { return at }
	a := must2(open(cfg, d))
	call := func(alg jose.SignatureAlgorithm, key any, kid string) error {
		_, err := a.Authenticate(bearing(signed(t, alg, key, kid, claims(map[string]any{"iat": nil, "nbf": nil, "exp": at.Add(time.Minute).Unix()}), nil)))
		return err
	}
	if err := call(jose.ES256, ec, "ec"); err != nil {
		t.Fatal(err)
	}
	keys.Store([]jose.JSONWebKey{published("ec", ec), published("short", short), published("rs", rs)})
	for range 5 {
		at = at.Add(11 * time.Second)
		if err := call(jose.RS256, rs, "rs"); !errors.Is(err, op.ErrUnauthentic) || fetches.Load() != 1 {
			t.Fatalf("got %v after %d fetches, want none before a minute is over", err, fetches.Load())
		}
	}
	at = at.Add(6 * time.Second)
	if err := call(jose.RS256, rs, "rs"); err != nil || fetches.Load() != 2 {
		t.Errorf("got %v after %d fetches, want the new key to be found", err, fetches.Load())
	}
	if err := call(jose.RS256, short, "short"); !errors.Is(err, op.ErrUnauthentic) {
		t.Errorf("a key of 1024 bits: got %v, want %v", err, op.ErrUnauthentic)
	}
}

// TestKeysBehindTheGuard: keys are not fetched from private addresses, nor from
// where somebody redirects.
func TestKeysBehindTheGuard(t *testing.T) {
	var reached atomic.Bool
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Store(true)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{published("ec", ec)}})
	}))
	t.Cleanup(keys.Close)
	away := httptest.NewServer(http.RedirectHandler(keys.URL, http.StatusFound))
	t.Cleanup(away.Close)
	port := keys.URL[strings.LastIndex(keys.URL, ":"):]
	for name, s := range map[string]webhook.Assertion{
		"not allowed": {JWKSURL: "https://127.0.0.1" + port}, "by name": {JWKSURL: "https://op.localhost" + port},
		"redirect": {JWKSURL: away.URL, AllowPrivate: here},
	} {
		s.Issuer = issuer
		a := signing(t, func(c *webhook.Config) { c.Assertion = s })
		if _, err := a.Authenticate(bearing(signed(t, jose.ES256, ec, "ec", claims(nil), nil))); !errors.Is(err, op.ErrUnauthentic) || reached.Load() {
			t.Errorf("%s: got %v, reached %v, want %v", name, err, reached.Load(), op.ErrUnauthentic)
		}
	}
}
