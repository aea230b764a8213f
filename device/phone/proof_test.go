package phone_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// check says what is wrong with a call's token and proof (RFC 9449 §4.3).
func (f *fake) check(r *http.Request) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	parts := strings.Split(r.Header.Get("DPoP"), ".")
	if len(parts) != 3 || len(r.Header.Values("DPoP")) != 1 {
		return "no proof"
	}
	var head struct {
		Typ, Alg string
		JWK      struct{ Kty, Crv, X, Y string }
	}
	var claims struct {
		JTI, HTM, HTU, ATH string
		IAT                int64
	}
	if json.Unmarshal(unbase64(parts[0]), &head) != nil || json.Unmarshal(unbase64(parts[1]), &claims) != nil {
		return "not a JWT"
	}
	point := append(append([]byte{4}, unbase64(head.JWK.X)...), unbase64(head.JWK.Y)...)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	sig, sum := unbase64(parts[2]), sha256.Sum256([]byte(parts[0]+"."+parts[1]))
	if err != nil || len(sig) != 64 || !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return "bad signature"
	}
	switch age := time.Since(time.Unix(claims.IAT, 0)); {
	case head.Typ != "dpop+jwt", head.Alg != "ES256", head.JWK.Kty != "EC", head.JWK.Crv != "P-256":
		return "bad header"
	case claims.HTM != r.Method, claims.HTU != f.url+r.URL.Path:
		return "proof of another call"
	case claims.JTI == "", f.jtis[claims.JTI], age > time.Minute, age < -time.Minute:
		return "used or old proof"
	}
	f.jtis[claims.JTI] = true
	return f.checkToken(r, head.JWK.X+head.JWK.Y, claims.ATH)
}

func (f *fake) checkToken(r *http.Request, jkt, ath string) string {
	claim := r.URL.Path == "/v1/pairings/claim"
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "DPoP ")
	if !ok && claim && ath == "" {
		f.jkt = jkt
		return ""
	}
	if hash := sha256.Sum256([]byte(token)); token != f.token || token == "" || jkt != f.jkt || ath != base64.RawURLEncoding.EncodeToString(hash[:]) {
		return "bad token"
	}
	return ""
}

func unbase64(s string) []byte {
	b, _ := base64.RawURLEncoding.DecodeString(s)
	return b
}
