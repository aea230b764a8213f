package sign_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/sign"
)

// fuzzKey is the same in every process: the workers of a fuzz test do not share
// what one of them draws.
func fuzzKey(f *testing.F) jose.JSONWebKey {
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: "k1"}
}

// signed signs header and payload as they are.
func signed(t testing.TB, k jose.JSONWebKey, header, payload string) string {
	input := raw(header, payload, "")
	input = strings.TrimSuffix(input, ".")
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k.Key.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(sig[:])
}

const ours = `{"alg":"ES256","kid":"k1","typ":"mitome-evidence+jwt"}`

// FuzzHeader: behind a signature of our own key only a header is taken that says
// what ours say, and what is read is what was signed.
func FuzzHeader(f *testing.F) {
	for _, h := range []string{
		ours, `{}`, `{"alg":"none"}`, `{"alg":"ES256","kid":"k1","typ":"mitome-login-hint+jwt"}`, `{"alg":"ES256","kid":"k1","typ":"JWT"}`,
		`{"alg":"ES256","kid":"k1","typ":"mitome-evidence+jwt","crit":["b64"],"b64":false}`, `{"alg":"HS256","kid":"k1","typ":"mitome-evidence+jwt"}`,
		`{"alg":"ES256","kid":"k1","typ":"mitome-evidence+jwt","jwk":{}}`, `{"alg":"ES256","kid":"k1","typ":"JWT","typ":"mitome-evidence+jwt"}`,
		`{"alg":"ES256","kid":"k1","TYP":"mitome-evidence+jwt"}`,
	} {
		f.Add(h, payload)
	}
	f.Add(ours, "")
	key := fuzzKey(f)
	s, err := sign.New(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header, body string) {
		got, err := sign.Verify(signed(t, key, header, body), s.Published())
		if err != nil {
			if !errors.Is(err, sign.ErrInvalid) || got != nil {
				t.Fatalf("refused as %v, with %q", err, got)
			}
			return
		}
		if string(got) != body || !strings.Contains(header, "ES256") || !strings.Contains(header, "evidence") {
			t.Fatalf("read %q of %q under %s", got, body, header)
		}
	})
}

// FuzzVerify: nothing holds that we have not signed.
func FuzzVerify(f *testing.F) {
	key := fuzzKey(f)
	s, err := sign.New(key)
	if err != nil {
		f.Fatal(err)
	}
	good := signed(f, key, ours, payload)
	for _, jws := range []string{good, good + "=", good[:len(good)-1], strings.Replace(good, ".", "..", 1), "", "..", `{"payload":""}`, raw(ours, payload, "")} {
		f.Add(jws)
	}
	f.Fuzz(func(t *testing.T, jws string) {
		got, err := sign.Verify(jws, s.Published())
		if err == nil && string(got) != payload || err != nil && !errors.Is(err, sign.ErrInvalid) {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

// FuzzParseKeys: of a set that is taken every key is public, and verifying by it
// does no harm.
func FuzzParseKeys(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `{"keys":[]}`, `{"keys":[null]}`, `{"keys":[{"kty":"oct","kid":"k1","k":"c2VjcmV0"}]}`,
		`{"keys":[{"kty":"EC","kid":"k1","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}`,
		`{"keys":[{"kty":"EC","kid":"k1","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`,
		`{"keys":[{"kty":"OKP","kid":"k1","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
	} {
		f.Add([]byte(s))
	}
	jws := signed(f, fuzzKey(f), ours, payload)
	f.Fuzz(func(t *testing.T, jwks []byte) {
		set, err := sign.ParseKeys(jwks)
		if err != nil {
			if len(set.Keys) > 0 && set.Keys[0].Key != nil && !set.Keys[0].IsPublic() {
				t.Fatal("refused a private key, and gave it back")
			}
			return
		}
		for _, k := range set.Keys {
			if !k.IsPublic() {
				t.Fatalf("took %q, which is not public", k.KeyID)
			}
		}
		if _, err := sign.Verify(jws, set); err != nil && !errors.Is(err, sign.ErrInvalid) {
			t.Fatal(err)
		}
	})
}
