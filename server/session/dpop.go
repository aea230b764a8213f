package session

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The bounds of a proof.
const (
	maxProofBytes = 4096
	maxJTI        = 128
	// proofSkew is how far a phone's clock may be off, and so also how long a
	// proof could be replayed if its jti were not remembered.
	proofSkew = 60 * time.Second
)

// proof is a DPoP proof that was verified for the call it came with, but may
// have been seen before.
type proof struct {
	jkt    string
	claims proofClaims
}

// proofClaims is the payload of a proof (RFC 9449 §4.2).
type proofClaims struct {
	JTI string   `json:"jti"`
	HTM string   `json:"htm"`
	HTU string   `json:"htu"`
	IAT *float64 `json:"iat"` // a NumericDate may have a fraction
	ATH string   `json:"ath"`
}

// verify checks the proof that came with r as RFC 9449 §4.3 demands, but for
// ath and replay, which are the caller's. Every failure is ErrProof: which check
// failed is of use only to somebody who forges.
func (k *Keeper) verify(r *http.Request) (proof, error) {
	values := r.Header.Values("DPoP")
	if len(values) != 1 || len(values[0]) > maxProofBytes {
		return proof{}, fmt.Errorf("%w: %d headers", ErrProof, len(values))
	}
	payload, jkt, err := openProof(values[0])
	if err != nil {
		return proof{}, fmt.Errorf("%w: %w", ErrProof, err)
	}
	p := proof{jkt: jkt}
	if err := json.Unmarshal(payload, &p.claims); err != nil {
		return proof{}, fmt.Errorf("%w: claims", ErrProof)
	}
	return p, k.judge(p, r)
}

// openProof checks the form and signature of a proof, and returns its payload
// and the thumbprint of the key that signed.
func openProof(compact string) (payload []byte, jkt string, err error) {
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, "", fmt.Errorf("parse: %w", err)
	}
	h := jws.Signatures[0].Protected
	if h.ExtraHeaders[jose.HeaderType] != "dpop+jwt" {
		return nil, "", fmt.Errorf("typ")
	}
	if _, ok := h.ExtraHeaders["crit"]; ok { // we understand no extension, so none may be critical
		return nil, "", fmt.Errorf("crit")
	}
	if err := publicP256(h.JSONWebKey); err != nil {
		return nil, "", err
	}
	if payload, err = jws.Verify(h.JSONWebKey.Key); err != nil {
		return nil, "", fmt.Errorf("signature: %w", err)
	}
	sum, err := h.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, "", fmt.Errorf("thumbprint: %w", err)
	}
	return payload, base64.RawURLEncoding.EncodeToString(sum), nil
}

// publicP256 accepts the public half of a P-256 key and nothing else. That the
// point lies on the curve is checked where the library parses it.
func publicP256(jwk *jose.JSONWebKey) error {
	if jwk == nil || !jwk.Valid() || !jwk.IsPublic() {
		return fmt.Errorf("jwk is not a public key")
	}
	if key, ok := jwk.Key.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		return fmt.Errorf("jwk is not on P-256")
	}
	return nil
}

// judge checks that p was made for r, and just now.
func (k *Keeper) judge(p proof, r *http.Request) error {
	c := p.claims
	switch {
	case c.JTI == "" || len(c.JTI) > maxJTI:
		return fmt.Errorf("%w: jti", ErrProof)
	case c.HTM != r.Method:
		return fmt.Errorf("%w: htm", ErrProof)
	case c.IAT == nil:
		return fmt.Errorf("%w: no iat", ErrProof)
	}
	// What the request itself says of its host is the caller's word, so the
	// address that was proven is compared with the configured one.
	if !sameURL(c.HTU, k.PublicURL+r.URL.EscapedPath()) {
		return fmt.Errorf("%w: htu", ErrProof)
	}
	now := k.Now()
	if off := *c.IAT - float64(now.UnixMilli())/1000; !(off >= -proofSkew.Seconds() && off <= proofSkew.Seconds()) {
		return fmt.Errorf("%w: iat", ErrProof)
	}
	return nil
}

// sameURL compares htu with the URL of the call after the normalization of RFC
// 3986 §6.2.2 and §6.2.3. A query or fragment in htu is a fault: RFC 9449 §4.2
// has it without.
func sameURL(htu, want string) bool {
	a, err := url.Parse(htu)
	if err != nil || a.User != nil || a.RawQuery != "" || a.ForceQuery || a.Fragment != "" || strings.HasSuffix(htu, "#") {
		return false
	}
	b, err := url.Parse(want)
	if err != nil {
		return false
	}
	return normalize(a) == normalize(b)
}

func normalize(u *url.URL) string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if (scheme == "https" && port == "443") || (scheme == "http" && port == "80") {
		port = ""
	}
	path := unreserved(u.EscapedPath())
	if path == "" {
		path = "/"
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port + path
}

// unreserved decodes the escapes that mean the same as what they stand for (RFC
// 3986 §2.3) and no others: an escaped slash is not a slash.
func unreserved(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		c, err := hex.DecodeString(path[i+1 : i+3])
		switch {
		case err == nil && (isAlnum(c[0]) || strings.IndexByte("-._~", c[0]) >= 0):
			b.WriteByte(c[0])
		default:
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
