package session_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The one address at which the keeper under test is called.
const publicURL = "https://mitome.test"

// key is a phone's DPoP key.
type key struct{ *ecdsa.PrivateKey }

func newKey(t *testing.T) key {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key{k}
}

// jkt is the RFC 7638 thumbprint, computed as the RFC writes it down.
func (k key) jkt(t *testing.T) string {
	t.Helper()
	jwk := k.jwk(t)
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + jwk["x"].(string) + `","y":"` + jwk["y"].(string) + `"}`))
	return encode(sum[:])
}

func (k key) jwk(t *testing.T) map[string]any {
	t.Helper()
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}
}

// proof is a DPoP proof in the making; a forgery spoils it in one way.
type proof struct {
	header, claims map[string]any
	sign           func(input []byte) []byte
	after          func(compact string) string
}

// forgery makes one thing wrong.
type forgery func(t *testing.T, p *proof)

// make returns the proof of k for one call.
func (k key) make(t *testing.T, method, url, token string, now time.Time, forge ...forgery) string {
	t.Helper()
	p := &proof{
		header: map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": k.jwk(t)},
		claims: map[string]any{"jti": rand.Text(), "htm": method, "htu": url, "iat": now.Unix()},
		sign:   func(input []byte) []byte { return signES256(t, k.PrivateKey, input) },
		after:  func(s string) string { return s },
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		p.claims["ath"] = encode(sum[:])
	}
	for _, f := range forge {
		f(t, p)
	}
	input := encode(encodeJSON(t, p.header)) + "." + encode(encodeJSON(t, p.claims))
	return p.after(input + "." + encode(p.sign([]byte(input))))
}

func signES256(t *testing.T, k *ecdsa.PrivateKey, input []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(input)
	r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encodeJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// claim and header set one member; nil takes it away.
func claim(name string, v any) forgery {
	return func(_ *testing.T, p *proof) { put(p.claims, name, v) }
}

func header(name string, v any) forgery {
	return func(_ *testing.T, p *proof) { put(p.header, name, v) }
}

func put(m map[string]any, name string, v any) {
	if m[name] = v; v == nil {
		delete(m, name)
	}
}

// withJWK replaces members of the embedded key.
func withJWK(change map[string]any) forgery {
	return func(_ *testing.T, p *proof) {
		jwk := maps.Clone(p.header["jwk"].(map[string]any))
		for name, v := range change {
			put(jwk, name, v)
		}
		p.header["jwk"] = jwk
	}
}

// byAnotherKey signs with a key that is not the one in the header.
func byAnotherKey(t *testing.T, p *proof) {
	other := newKey(t)
	p.sign = func(input []byte) []byte { return signES256(t, other.PrivateKey, input) }
}

func spoilSignature(_ *testing.T, p *proof) {
	sign := p.sign
	p.sign = func(input []byte) []byte { sig := sign(input); sig[40] ^= 1; return sig }
}

func noSignature(_ *testing.T, p *proof) { p.sign = func([]byte) []byte { return nil } }

// algNone is RFC 8725's oldest trick.
func algNone(t *testing.T, p *proof) { header("alg", "none")(t, p); noSignature(t, p) }

// byHMAC signs with the public key as if it were a shared secret.
func byHMAC(t *testing.T, p *proof) {
	header("alg", "HS256")(t, p)
	secret := encodeJSON(t, p.header["jwk"])
	p.sign = func(input []byte) []byte { m := hmac.New(sha256.New, secret); m.Write(input); return m.Sum(nil) }
}

// byOtherAlgorithm makes a proof that is genuine, by an algorithm that we do
// not take.
func byOtherAlgorithm(alg jose.SignatureAlgorithm) forgery {
	return func(t *testing.T, p *proof) {
		var private crypto.Signer
		var err error
		switch alg {
		case jose.ES384:
			private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		case jose.EdDSA:
			_, private, err = ed25519.GenerateKey(rand.Reader)
		default:
			private, err = rsa.GenerateKey(rand.Reader, 2048)
		}
		if err != nil {
			t.Fatal(err)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: private},
			&jose.SignerOptions{EmbedJWK: true, ExtraHeaders: map[jose.HeaderKey]any{"typ": "dpop+jwt"}})
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign(encodeJSON(t, p.claims))
		if err != nil {
			t.Fatal(err)
		}
		compact, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		p.after = func(string) string { return compact }
	}
}

// written changes the finished proof.
func written(f func(string) string) forgery {
	return func(_ *testing.T, p *proof) { p.after = f }
}

// call is a request as a listener gets it. Its Host is a lie on purpose.
func call(method, path, token string, proofs ...string) *http.Request {
	r := httptest.NewRequest(method, "https://evil.test"+path, nil)
	if token != "" {
		r.Header.Set("Authorization", "DPoP "+token)
	}
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return r
}

// upper spells the scheme and host of a URL in capitals.
func upper(url string) string { return strings.ToUpper(url) }
