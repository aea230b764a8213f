package sign_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/sign"
)

var _ approval.Signer = (*sign.Signer)(nil)

const payload = `{"v":"mitome/evidence/v1","request":"r1"}`

func newSigner(t *testing.T, former ...jose.JSONWebKey) (*sign.Signer, jose.JSONWebKey) {
	t.Helper()
	k, err := sign.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.New(append([]jose.JSONWebKey{k}, former...)...)
	if err != nil {
		t.Fatal(err)
	}
	return s, k
}

func mustSign(t *testing.T, s *sign.Signer) string {
	t.Helper()
	jws, err := s.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return jws
}

func TestOnlyThePublishedKeyVerifies(t *testing.T) {
	s, _ := newSigner(t)
	stranger, _ := newSigner(t)
	jws := mustSign(t, s)

	got, err := sign.Verify(jws, s.Published())
	if err != nil || string(got) != payload {
		t.Errorf("our own: got %q, %v", got, err)
	}
	if _, err := sign.Verify(jws, stranger.Published()); !errors.Is(err, sign.ErrInvalid) {
		t.Errorf("with a stranger's keys: got %v", err)
	}
	if _, err := sign.Verify(jws, jose.JSONWebKeySet{}); !errors.Is(err, sign.ErrInvalid) {
		t.Errorf("with no keys: got %v", err)
	}
	if _, err := sign.Verify(mustSign(t, stranger), s.Published()); !errors.Is(err, sign.ErrInvalid) {
		t.Errorf("a stranger's signature: got %v", err)
	}
}

func TestFormerKeysStillVerifyAndSignNoMore(t *testing.T) {
	old, oldKey := newSigner(t)
	before := mustSign(t, old)
	s, _ := newSigner(t, oldKey)
	if _, err := sign.Verify(before, s.Published()); err != nil {
		t.Errorf("signed before the rotation: %v", err)
	}
	if _, err := sign.Verify(mustSign(t, s), old.Published()); !errors.Is(err, sign.ErrInvalid) {
		t.Errorf("signed after it, with the former set: got %v", err)
	}
}

// TestTheCurrentKeyMayBeListedAgain: a ring lists it among all its public keys.
func TestTheCurrentKeyMayBeListedAgain(t *testing.T) {
	_, former := newSigner(t)
	current, err := sign.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.New(current, current.Public(), former.Public())
	if err != nil || len(s.Published().Keys) != 2 || s.Published().Keys[0].KeyID != current.KeyID {
		t.Errorf("got %+v, %v", s.Published(), err)
	}
}

func TestPublishedSetHoldsNoPrivateKey(t *testing.T) {
	_, former := newSigner(t)
	s, _ := newSigner(t, former)
	raw, err := json.Marshal(s.Published())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), `"d"`) {
		t.Fatal("the published set holds a private key")
	}
	set, err := sign.ParseKeys(raw)
	if err != nil || len(set.Keys) != 2 {
		t.Fatalf("got %d keys, %v", len(set.Keys), err)
	}
	for _, k := range set.Keys {
		if k.KeyID == "" || k.Algorithm != "ES256" || k.Use != "sig" {
			t.Errorf("got kid %q, alg %q, use %q", k.KeyID, k.Algorithm, k.Use)
		}
	}
	if _, err := sign.Verify(mustSign(t, s), set); err != nil {
		t.Errorf("with the set as read back: %v", err)
	}
	private, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{former}})
	symmetric := []byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`)
	for _, bad := range [][]byte{private, symmetric, []byte(`{"keys":[]}`), []byte(`[`)} {
		if _, err := sign.ParseKeys(bad); err == nil {
			t.Errorf("took %.40s", bad)
		}
	}
}

func TestNewRefusesKeysThatCannotServe(t *testing.T) {
	good, _ := sign.NewKey()
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	for name, keys := range map[string][]jose.JSONWebKey{
		"none": {}, "public": {good.Public()}, "RSA": {{Key: rsaKey}}, "P-384": {{Key: p384}},
		"symmetric former": {good, {Key: []byte("secret")}},
	} {
		if _, err := sign.New(keys...); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// forge signs payload with key and whatever headers, as somebody would who
// holds no key of the operator's.
func forge(t *testing.T, alg jose.SignatureAlgorithm, key any, headers map[string]any) string {
	t.Helper()
	opts := &jose.SignerOptions{}
	for k, v := range headers {
		opts.WithHeader(jose.HeaderKey(k), v)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// raw puts a JWS together by hand.
func raw(header, body, sig string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(header)) + "." + enc([]byte(body)) + "." + sig
}

func TestASignatureThatBringsItsOwnKeyFails(t *testing.T) {
	s, ours := newSigner(t)
	kid := s.Published().Keys[0].KeyID
	own, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	head := func(more map[string]any) map[string]any {
		h := map[string]any{"typ": sign.Type, "kid": kid}
		for k, v := range more {
			h[k] = v
		}
		return h
	}
	forgeries := map[string]string{
		"own key under our kid": forge(t, jose.ES256, own, head(nil)),
		"jwk":                   forge(t, jose.ES256, own, head(map[string]any{"jwk": jose.JSONWebKey{Key: &own.PublicKey}})),
		"x5c":                   forge(t, jose.ES256, own, head(map[string]any{"x5c": []string{selfSigned(t, own)}})),
		"jku":                   forge(t, jose.ES256, own, head(map[string]any{"jku": "https://evil.example/keys"})),
		"x5u":                   forge(t, jose.ES256, own, head(map[string]any{"x5u": "https://evil.example/cert"})),
	}
	for name, jws := range forgeries {
		if _, err := sign.Verify(jws, s.Published()); !errors.Is(err, sign.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// Even with a key of ours: what a header brings is never needed, so it is
	// never right.
	for _, name := range []string{"jwk", "jku", "x5c", "x5u", "crit", "b64", "x5t", "nonce", "cty"} {
		jws := signRaw(t, ours, `{"alg":"ES256","typ":"`+sign.Type+`","kid":"`+kid+`","`+name+`":"x"}`)
		if _, err := sign.Verify(jws, s.Published()); !errors.Is(err, sign.ErrInvalid) {
			t.Errorf("%s, signed by us: got %v", name, err)
		}
	}
}

func TestAlgorithmAndTypeAreFixed(t *testing.T) {
	s, ours := newSigner(t)
	pub := s.Published().Keys[0]
	der, _ := x509.MarshalPKIXPublicKey(pub.Key)
	jwk, _ := pub.MarshalJSON()
	head := map[string]any{"typ": sign.Type, "kid": pub.KeyID}
	h := func(alg, typ, kid string) string {
		return `{"alg":"` + alg + `","typ":"` + typ + `","kid":"` + kid + `"}`
	}

	forgeries := map[string]string{
		"none":                      raw(h("none", sign.Type, pub.KeyID), payload, ""),
		"none, with the signature":  raw(h("none", sign.Type, pub.KeyID), payload, strings.Split(mustSign(t, s), ".")[2]),
		"HS256 with our public key": forge(t, jose.HS256, der, head),
		"HS256 with our JWK":        forge(t, jose.HS256, jwk, head),
		"another typ":               signRaw(t, ours, h("ES256", "JWT", pub.KeyID)),
		"no typ":                    signRaw(t, ours, `{"alg":"ES256","kid":"`+pub.KeyID+`"}`),
		"no kid":                    signRaw(t, ours, `{"alg":"ES256","typ":"`+sign.Type+`"}`),
		"another kid":               signRaw(t, ours, h("ES256", sign.Type, "other")),
		"not compact":               `{"payload":"","signatures":[]}`,
		"empty":                     "",
	}
	for name, jws := range forgeries {
		if _, err := sign.Verify(jws, s.Published()); !errors.Is(err, sign.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := sign.Verify(signRaw(t, ours, h("ES256", sign.Type, pub.KeyID)), s.Published()); err != nil {
		t.Errorf("the same by hand, unforged: %v", err) // else the list above proves nothing
	}
}

func TestEveryByteCounts(t *testing.T) {
	s, _ := newSigner(t)
	jws := mustSign(t, s)
	for i := range jws {
		changed := []byte(jws)
		if changed[i] = 'A'; jws[i] == 'A' {
			changed[i] = 'Q'
		}
		if got, err := sign.Verify(string(changed), s.Published()); err == nil {
			t.Errorf("byte %d changed, and it verifies as %q", i, got)
		}
	}
}

// signRaw signs payload with our own key under any header.
func signRaw(t *testing.T, k jose.JSONWebKey, header string) string {
	t.Helper()
	in := strings.TrimSuffix(raw(header, payload, ""), ".")
	sum := sha256.Sum256([]byte(in))
	r, s, err := ecdsa.Sign(rand.Reader, k.Key.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return in + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func selfSigned(t *testing.T, k *ecdsa.PrivateKey) string {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mitome"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// TestHintIsNoEvidence: what an OP is given to read at a till was made with the
// same key, and proves no decision.
func TestHintIsNoEvidence(t *testing.T) {
	s, _ := newSigner(t)
	jws, err := s.SignHint([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sign.Verify(jws, s.Published()); !errors.Is(err, sign.ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
}
