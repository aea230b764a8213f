package phone

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// proof returns a DPoP proof (RFC 9449 §4.2) for one call: that whoever makes it
// holds the key that the token is bound to.
func (p *Phone) proof(method, target string, token secret) (string, error) {
	point, err := p.keys.ProofKey(p.server)
	if err != nil {
		return "", fmt.Errorf("proof key: %w", err)
	}
	if _, err := ecdh.P256().NewPublicKey(point); err != nil || len(point) != 65 {
		return "", errors.New("phone: proof key is not an uncompressed P-256 point")
	}
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]string{
		"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:]),
	}}
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": target, "iat": time.Now().Unix()}
	if token != "" {
		hash := sha256.Sum256([]byte(token))
		claims["ath"] = encode(hash[:])
	}
	h, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("encode proof: %w", err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode proof: %w", err)
	}
	input := encode(h) + "." + encode(c)
	der, err := p.keys.SignProof(p.server, []byte(input))
	if err != nil {
		return "", fmt.Errorf("sign proof: %w", err)
	}
	sig, err := joseSignature(der)
	if err != nil {
		return "", err
	}
	return input + "." + encode(sig), nil
}

// joseSignature turns an ASN.1 signature, which is what key stores of phones
// make, into JOSE's r ‖ s (RFC 7518 §3.4).
func joseSignature(der []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &sig)
	if err != nil || len(rest) > 0 || sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.BitLen() > 256 || sig.S.BitLen() > 256 {
		return nil, errors.New("phone: signature of the proof key is malformed")
	}
	out := make([]byte, 64)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
