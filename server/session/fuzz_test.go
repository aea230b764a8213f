package session_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/server/session"
)

// fuzzKey is the same in every process: the workers of a fuzz test do not share
// what one of them draws.
func fuzzKey(t testing.TB) key {
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key{k}
}

// FuzzProof: whatever is signed by the key in its own header, what is taken for a
// proof names that key, and this call, just now.
func FuzzProof(f *testing.F) {
	const claims = `{"jti":"j1","htm":"POST","htu":"https://mitome.test/v1/pairings/claim","iat":1700000000}`
	const head = `{"typ":"dpop+jwt","alg":"ES256","jwk":JWK}`
	f.Add(head, claims)
	for _, h := range []string{
		`{"typ":"dpop+jwt","alg":"none","jwk":JWK}`, `{"typ":"JWT","alg":"ES256","jwk":JWK}`, `{"typ":"dpop+jwt","alg":"ES256"}`, `{"typ":"dpop+jwt","alg":"ES256","jwk":null}`,
		`{"typ":"dpop+jwt","alg":"HS256","jwk":{"kty":"oct","k":"AA"}}`, `{"typ":"dpop+jwt","alg":"ES256","jwk":JWK,"crit":[]}`, `{"typ":"dpop+jwt","alg":"ES256","jwk":JWK,"jwk":{}}`,
		`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}`, `{}`, `null`,
	} {
		f.Add(h, claims)
	}
	for _, htu := range []string{"HTTPS://MITOME.test:443/v1/pairings/%63laim", "https://mitome.test/v1/pairings/claim?", "https://mitome.test/v1/pairings/claim#", "https://a@mitome.test/v1/pairings/claim", "https://mitome.test//v1/pairings/claim", "https://mitome.test/v1/pairings%2Fclaim", ":", "https://mitome.test/v1/pairings/claim%"} {
		f.Add(head, strings.Replace(claims, "https://mitome.test/v1/pairings/claim", htu, 1))
	}
	for _, iat := range []string{"1e300", "-1e300", "1700000060.001", "null", `"1700000000"`} {
		f.Add(head, strings.Replace(claims, "1700000000", iat, 1))
	}
	f.Fuzz(func(t *testing.T, header, payload string) {
		k := fuzzKey(t)
		jwk, err := json.Marshal(k.jwk(t))
		if err != nil {
			t.Fatal(err)
		}
		input := encode([]byte(strings.Replace(header, "JWK", string(jwk), 1))) + "." + encode([]byte(payload))
		r := httptest.NewRequest(http.MethodPost, "/v1/pairings/claim", nil)
		r.Header.Set("DPoP", input+"."+encode(signES256(t, k.PrivateKey, []byte(input))))
		keeper := &session.Keeper{PublicURL: publicURL, Now: func() time.Time { return time.Unix(1700000000, 0) }}
		jkt, err := keeper.Proof(r)
		if err != nil {
			if !errors.Is(err, session.ErrProof) || jkt != "" {
				t.Fatalf("refused as %v, with %q", err, jkt)
			}
			return
		}
		var c struct {
			JTI, HTM, HTU string
			IAT           float64
		}
		if json.Unmarshal([]byte(payload), &c) != nil || c.JTI == "" || c.HTM != http.MethodPost || c.IAT < 1700000000-60 || c.IAT > 1700000000+60 {
			t.Fatalf("took %s", payload)
		}
		if low := strings.ToLower(c.HTU); jkt != k.jkt(t) || !strings.HasPrefix(low, "https://mitome.test") || strings.ContainsAny(low, "?#@") {
			t.Fatalf("took %q, by %s", c.HTU, jkt)
		}
		if _, err := keeper.Proof(r); err == nil {
			t.Fatal("taken twice")
		}
	})
}
