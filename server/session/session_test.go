package session_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// clock is a time that a test sets.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.micros.Store(time.Now().UnixMicro())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMicro(c.micros.Load()) }
func (c *clock) advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

func newKeeper(t *testing.T) (*session.Keeper, *clock) {
	t.Helper()
	c := newClock()
	return &session.Keeper{Store: storetest.SQLite(t), PublicURL: publicURL, Now: c.now}, c
}

const path = "/v1/requests/R1"

func TestAuthenticate(t *testing.T) {
	keeper, c := newKeeper(t)
	k := newKey(t)
	token, issued, err := keeper.Issue(t.Context(), k.jkt(t))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(token))
	if want := session.ID(hex.EncodeToString(sum[:])); issued.ID != want || len(token) != 43 {
		t.Errorf("id %s, want the hash of the token %s", issued.ID, want)
	}
	for name, forge := range map[string]forgery{
		"plain":            func(*testing.T, *proof) {},
		"fraction of iat":  claim("iat", float64(c.now().UnixMilli())/1000),
		"clock behind":     claim("iat", c.now().Add(-59*time.Second).Unix()),
		"clock ahead":      claim("iat", c.now().Add(59*time.Second).Unix()),
		"capital host":     claim("htu", upper(publicURL)+path),
		"default port":     claim("htu", publicURL+":443"+path),
		"needless escape":  claim("htu", publicURL+"/v1/requests/%52%31"),
		"unknown claim":    claim("nonce", "x"),
		"kid in header":    header("kid", "k1"),
		"jti of 128 bytes": claim("jti", strings.Repeat("j", 128)),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := keeper.Authenticate(call("GET", path+"?q=1", token, k.make(t, "GET", publicURL+path, token, c.now(), forge)))
			if err != nil {
				t.Fatal(err)
			}
			if s.ID != issued.ID || s.JKT != k.jkt(t) {
				t.Errorf("got session %s of %s", s.ID, s.JKT)
			}
		})
	}
}

func TestForgedProof(t *testing.T) {
	keeper, c := newKeeper(t)
	k, other := newKey(t), newKey(t)
	token, _, err := keeper.Issue(t.Context(), k.jkt(t))
	if err != nil {
		t.Fatal(err)
	}
	url, offCurve := publicURL+path, encode(make([]byte, 32))
	tests := []struct {
		name  string
		forge forgery
		want  error
	}{
		{"another call's method", claim("htm", "POST"), session.ErrProof},
		{"method in small letters", claim("htm", "get"), session.ErrProof},
		{"no method", claim("htm", nil), session.ErrProof},
		{"another path", claim("htu", publicURL+"/v1/devices"), session.ErrProof},
		{"longer path", claim("htu", url+"/"), session.ErrProof},
		{"path in small letters", claim("htu", publicURL+"/v1/requests/r1"), session.ErrProof},
		{"escaped slash", claim("htu", publicURL+"/v1/requests%2FR1"), session.ErrProof},
		{"the host that the call names", claim("htu", "https://evil.test"+path), session.ErrProof},
		{"another scheme", claim("htu", "http://mitome.test"+path), session.ErrProof},
		{"another port", claim("htu", "https://mitome.test:8443"+path), session.ErrProof},
		{"user in url", claim("htu", "https://a@mitome.test"+path), session.ErrProof},
		{"query", claim("htu", url+"?q=1"), session.ErrProof},
		{"empty query", claim("htu", url+"?"), session.ErrProof},
		{"fragment", claim("htu", url+"#f"), session.ErrProof},
		{"empty fragment", claim("htu", url+"#"), session.ErrProof},
		{"path alone", claim("htu", path), session.ErrProof},
		{"no url", claim("htu", nil), session.ErrProof},
		{"mistyped url", claim("htu", 7), session.ErrProof},
		{"too old", claim("iat", c.now().Add(-62*time.Second).Unix()), session.ErrProof},
		{"from the future", claim("iat", c.now().Add(62*time.Second).Unix()), session.ErrProof},
		{"no time", claim("iat", nil), session.ErrProof},
		{"time beyond time", claim("iat", math.MaxFloat64), session.ErrProof},
		{"time before time", claim("iat", -math.MaxFloat64), session.ErrProof},
		{"mistyped time", claim("iat", "now"), session.ErrProof},
		{"no jti", claim("jti", nil), session.ErrProof},
		{"empty jti", claim("jti", ""), session.ErrProof},
		{"long jti", claim("jti", strings.Repeat("j", 129)), session.ErrProof},
		{"mistyped jti", claim("jti", 7), session.ErrProof},
		{"no ath", claim("ath", nil), session.ErrProof},
		{"another token's ath", claim("ath", encode(make([]byte, 32))), session.ErrProof},
		{"typ of another token", header("typ", "JWT"), session.ErrProof},
		{"no typ", header("typ", nil), session.ErrProof},
		{"no alg", header("alg", nil), session.ErrProof},
		{"alg none", algNone, session.ErrProof},
		{"alg HS256 by the public key", byHMAC, session.ErrProof},
		{"alg ES384", byOtherAlgorithm(jose.ES384), session.ErrProof},
		{"alg EdDSA", byOtherAlgorithm(jose.EdDSA), session.ErrProof},
		{"alg PS256", byOtherAlgorithm(jose.PS256), session.ErrProof},
		{"critical extension", header("crit", []string{"exp"}), session.ErrProof},
		{"unencoded payload", func(t *testing.T, p *proof) {
			header("crit", []string{"b64"})(t, p)
			header("b64", true)(t, p)
		}, session.ErrProof},
		{"no key", header("jwk", nil), session.ErrProof},
		{"key by name only", func(t *testing.T, p *proof) {
			header("jwk", nil)(t, p)
			header("kid", "k1")(t, p)
		}, session.ErrProof},
		{"private key", withJWK(map[string]any{"d": encode(k.D.FillBytes(make([]byte, 32)))}), session.ErrProof},
		{"key off the curve", withJWK(map[string]any{"x": offCurve, "y": offCurve}), session.ErrProof},
		{"key of another curve", withJWK(map[string]any{"crv": "P-384"}), session.ErrProof},
		{"symmetric key", header("jwk", map[string]any{"kty": "oct", "k": "AAAA"}), session.ErrProof},
		{"signed by another key", byAnotherKey, session.ErrProof},
		{"spoilt signature", spoilSignature, session.ErrProof},
		{"no signature", noSignature, session.ErrProof},
		{"not a jws", written(func(string) string { return "proof" }), session.ErrProof},
		{"empty", written(func(string) string { return "" }), session.ErrProof},
		{"two in one header", written(func(s string) string { return s + ", " + s }), session.ErrProof},
		{"second spelling", written(func(s string) string { return s[:20] + " " + s[20:] }), session.ErrProof},
		{"padded", written(func(s string) string { return s + "=" }), session.ErrProof},
		{"json serialization", written(func(s string) string {
			p := strings.Split(s, ".")
			return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, p[0], p[1], p[2])
		}), session.ErrProof},
		{"oversize", header("x", strings.Repeat("x", 4096)), session.ErrProof},
		// Genuine in itself, but not by the session's key: like an unknown token.
		{"another's genuine proof", written(func(string) string {
			return other.make(t, "GET", url, token, c.now())
		}), session.ErrUnauthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			forged := k.make(t, "GET", url, token, c.now(), tt.forge)
			s, err := keeper.Authenticate(call("GET", path, token, forged))
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if s.ID != "" {
				t.Errorf("a session came with the error")
			}
			if err != nil && strings.Contains(err.Error(), token) {
				t.Error("the token is in the error")
			}
		})
	}
}

// TestBadToken: the proof is genuine each time.
func TestBadToken(t *testing.T) {
	keeper, c := newKeeper(t)
	k := newKey(t)
	token, _, err := keeper.Issue(t.Context(), k.jkt(t))
	if err != nil {
		t.Fatal(err)
	}
	unknown := encode(make([]byte, 32))
	tests := []struct {
		name   string
		values []string
		token  string // that the proof is for
		want   error
	}{
		{"none", nil, token, session.ErrUnauthorized},
		{"two headers", []string{"DPoP " + token, "DPoP " + token}, token, session.ErrUnauthorized},
		{"as bearer", []string{"Bearer " + token}, token, session.ErrUnauthorized},
		{"no scheme", []string{token}, token, session.ErrUnauthorized},
		{"two spaces", []string{"DPoP  " + token}, token, session.ErrUnauthorized},
		{"more behind it", []string{"DPoP " + token + " x"}, token, session.ErrUnauthorized},
		{"too short", []string{"DPoP " + token[:42]}, token[:42], session.ErrUnauthorized},
		{"too long", []string{"DPoP " + token + "A"}, token + "A", session.ErrUnauthorized},
		{"not base64url", []string{"DPoP " + "+" + token[1:]}, "+" + token[1:], session.ErrUnauthorized},
		{"unknown", []string{"DPoP " + unknown}, unknown, session.ErrUnauthorized},
		{"small letters", []string{"dpop " + token}, token, nil}, // RFC 9110 §11.1
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := call("GET", path, "", k.make(t, "GET", publicURL+path, tt.token, c.now()))
			r.Header["Authorization"] = tt.values
			if _, err := keeper.Authenticate(r); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	t.Run("two proofs", func(t *testing.T) {
		p := func() string { return k.make(t, "GET", publicURL+path, token, c.now()) }
		if _, err := keeper.Authenticate(call("GET", path, token, p(), p())); !errors.Is(err, session.ErrProof) {
			t.Errorf("got %v, want ErrProof", err)
		}
	})
	t.Run("no proof", func(t *testing.T) {
		if _, err := keeper.Authenticate(call("GET", path, token)); !errors.Is(err, session.ErrProof) {
			t.Errorf("got %v, want ErrProof", err)
		}
	})
}

func TestSessionEnds(t *testing.T) {
	keeper, c := newKeeper(t)
	keeper.Life = time.Hour
	k := newKey(t)
	token, s, err := keeper.Issue(t.Context(), k.jkt(t))
	if err != nil {
		t.Fatal(err)
	}
	if life := s.ExpiresAt.Sub(s.CreatedAt); life != time.Hour {
		t.Errorf("life %v, want an hour", life)
	}
	for _, tt := range []struct {
		after time.Duration
		want  error
	}{{time.Hour - time.Second, nil}, {time.Second, session.ErrUnauthorized}} {
		c.advance(tt.after)
		_, err := keeper.Authenticate(call("GET", path, token, k.make(t, "GET", publicURL+path, token, c.now())))
		if !errors.Is(err, tt.want) {
			t.Errorf("after %v: got %v, want %v", tt.after, err, tt.want)
		}
	}
}

func TestProof(t *testing.T) {
	keeper, c := newKeeper(t)
	k := newKey(t)
	url := publicURL + "/v1/pairings/claim"
	p := k.make(t, "POST", url, "", c.now())
	jkt, err := keeper.Proof(call("POST", "/v1/pairings/claim", "", p))
	if err != nil || jkt != k.jkt(t) {
		t.Errorf("got %q, %v, want %q", jkt, err, k.jkt(t))
	}
	for name, p := range map[string]string{
		"replayed":         p,
		"for another path": k.make(t, "POST", publicURL+"/v1/devices", "", c.now()),
		"token taken off":  k.make(t, "POST", url, "some token", c.now()),
	} {
		if _, err := keeper.Proof(call("POST", "/v1/pairings/claim", "", p)); !errors.Is(err, session.ErrProof) {
			t.Errorf("%s: got %v, want ErrProof", name, err)
		}
	}
}

// TestPathPrefix: Mitome behind a proxy that takes a prefix off is called by its
// public address all the same.
func TestPathPrefix(t *testing.T) {
	keeper, c := newKeeper(t)
	keeper.PublicURL = "https://example.test/mitome"
	k := newKey(t)
	if _, err := keeper.Proof(call("POST", "/v1/x", "", k.make(t, "POST", "https://example.test/mitome/v1/x", "", c.now()))); err != nil {
		t.Error(err)
	}
	if _, err := keeper.Proof(call("POST", "/v1/x", "", k.make(t, "POST", "https://example.test/v1/x", "", c.now()))); !errors.Is(err, session.ErrProof) {
		t.Errorf("got %v, want ErrProof", err)
	}
}

func TestReplay(t *testing.T) {
	keeper, c := newKeeper(t)
	k := newKey(t)
	token, _, err := keeper.Issue(t.Context(), k.jkt(t))
	if err != nil {
		t.Fatal(err)
	}
	try := func(p string, want error) {
		t.Helper()
		if _, err := keeper.Authenticate(call("GET", path, token, p)); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	// The worst case: a proof from the future is good for two minutes.
	p := k.make(t, "GET", publicURL+path, token, c.now().Add(59*time.Second))
	try(p, nil)
	for range 12 {
		try(p, session.ErrProof)
		c.advance(10 * time.Second)
	}
	try(p, session.ErrProof)
	// The same jti by another key is another proof.
	mallory := newKey(t)
	theirs, _, err := keeper.Issue(t.Context(), mallory.jkt(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []struct {
		key
		token string
	}{{k, token}, {mallory, theirs}} {
		one := who.make(t, "GET", publicURL+path, who.token, c.now(), claim("jti", "same"))
		if _, err := keeper.Authenticate(call("GET", path, who.token, one)); err != nil {
			t.Error(err)
		}
	}
}

// TestReplaySurvivesFailure: a refused call spends no proof of the right key, and
// a stranger cannot spend a proof in a session's place.
func TestReplaySurvivesFailure(t *testing.T) {
	keeper, c := newKeeper(t)
	k := newKey(t)
	token, _, err := keeper.Issue(t.Context(), k.jkt(t))
	if err != nil {
		t.Fatal(err)
	}
	p := k.make(t, "GET", publicURL+path, token, c.now())
	wrong := encode(make([]byte, 32))
	if _, err := keeper.Authenticate(call("GET", path, wrong, p)); !errors.Is(err, session.ErrProof) {
		t.Errorf("got %v, want ErrProof", err)
	}
	if _, err := keeper.Authenticate(call("GET", path, token, p)); err != nil {
		t.Error(err)
	}
}

// TestFullMemory: a key that makes too many proofs is refused and shuts out
// nobody else; the replay of an old proof stays refused, and time makes room.
func TestFullMemory(t *testing.T) {
	keeper, c := newKeeper(t)
	k := newKey(t)
	one := func() *http.Request {
		return call("POST", path, "", k.make(t, "POST", publicURL+path, "", c.now()))
	}
	first := one()
	var err error
	for r := first; err == nil; r = one() {
		_, err = keeper.Proof(r)
	}
	if !errors.Is(err, session.ErrBusy) {
		t.Fatalf("got %v, want ErrBusy", err)
	}
	if _, err := keeper.Proof(first); !errors.Is(err, session.ErrProof) {
		t.Errorf("replay into a full memory: got %v, want ErrProof", err)
	}
	other := newKey(t)
	if _, err := keeper.Proof(call("POST", path, "", other.make(t, "POST", publicURL+path, "", c.now()))); err != nil {
		t.Errorf("another key: %v", err)
	}
	c.advance(2*time.Minute + 2*time.Second)
	if _, err := keeper.Proof(one()); err != nil {
		t.Errorf("later: %v", err)
	}
}
