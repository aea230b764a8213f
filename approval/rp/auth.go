package rp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
	"github.com/go-jose/go-jose/v4/jwt"
)

// assertionLife is how long a JWT that authenticates a client is good for. It
// is used at once, so this only bounds the clocks' difference.
const assertionLife = time.Minute

// Auth is how a client proves to the OP who it is. It is one of [SecretBasic],
// [SecretPost], [PrivateKeyJWT], [TLSByCA] and [TLSBySelf].
type Auth interface {
	method() string
	// authenticate adds the proof to a request that is about to be sent.
	authenticate(c *Client, form url.Values, header http.Header) error
}

// SecretBasic is client_secret_basic: HTTP Basic with id and secret.
func SecretBasic(secret string) Auth { return secretBasic(secret) }

// SecretPost is client_secret_post: id and secret in the body.
func SecretPost(secret string) Auth { return secretPost(secret) }

// PrivateKeyJWT is private_key_jwt (OpenID Connect Core §9): an assertion signed
// with a key whose public half the OP knows.
func PrivateKeyJWT(key Key) Auth { return privateKeyJWT{key} }

// TLSByCA is tls_client_auth (RFC 8705 §2.1): the client's HTTP shows a
// certificate, and the OP knows the name in it and who has issued it.
func TLSByCA() Auth { return certificate("tls_client_auth") }

// TLSBySelf is self_signed_tls_client_auth (RFC 8705 §2.2): the client's HTTP
// shows a certificate of its own making, which the OP knows.
func TLSBySelf() Auth { return certificate("self_signed_tls_client_auth") }

// certificate is the name of a method in which all is said by TLS.
type certificate string

// Secrets are of types that do not print themselves.
type (
	secretBasic   string
	secretPost    string
	privateKeyJWT struct{ key Key }
)

func (secretBasic) String() string     { return cut }
func (secretBasic) GoString() string   { return cut }
func (secretPost) String() string      { return cut }
func (secretPost) GoString() string    { return cut }
func (privateKeyJWT) String() string   { return cut }
func (privateKeyJWT) GoString() string { return cut }

func (secretBasic) method() string   { return "client_secret_basic" }
func (secretPost) method() string    { return "client_secret_post" }
func (privateKeyJWT) method() string { return "private_key_jwt" }
func (m certificate) method() string { return string(m) }

// authenticate implements Auth. The OP must know whose certificate to compare
// (RFC 8705 §2).
func (certificate) authenticate(c *Client, form url.Values, _ http.Header) error {
	form.Set("client_id", c.ID)
	return nil
}

// authenticate implements Auth. RFC 6749 §2.3.1 has both halves form-encoded
// first, so that an id may hold a colon.
func (s secretBasic) authenticate(c *Client, _ url.Values, header http.Header) error {
	pair := url.QueryEscape(c.ID) + ":" + url.QueryEscape(string(s))
	header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	return nil
}

// authenticate implements Auth.
func (s secretPost) authenticate(c *Client, form url.Values, _ http.Header) error {
	form.Set("client_id", c.ID)
	form.Set("client_secret", string(s))
	return nil
}

// authenticate implements Auth. The audience is the issuer alone, which CIBA
// Core §7.1 has every OP take: an assertion that names an endpoint could be
// meant for another OP that claims the same endpoint.
func (a privateKeyJWT) authenticate(c *Client, form url.Values, _ http.Header) error {
	assertion, err := a.key.sign(stamp(c, map[string]any{"sub": c.ID}, assertionLife))
	if err != nil {
		return fmt.Errorf("sign client assertion: %w", err)
	}
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	return nil
}

// stamp adds to claims who speaks to whom, when, and a name used once.
func stamp(c *Client, claims map[string]any, life time.Duration) map[string]any {
	now := time.Now()
	claims["iss"], claims["aud"] = c.ID, c.Provider.Issuer
	claims["iat"], claims["nbf"] = now.Unix(), now.Unix()
	claims["exp"], claims["jti"] = now.Add(life).Unix(), rand.Text()
	return claims
}

// Key is a private key of the client, with the name that the OP knows it by. Any
// crypto.Signer will do, a security module's as well.
type Key struct {
	ID        string // kid
	Signer    crypto.Signer
	Algorithm string // of JWS; empty: ES256/384/512, PS256 or EdDSA, as the key demands
}

// String keeps the key out of logs.
func (k Key) String() string { return "key " + k.ID + " " + cut }

// GoString keeps the key out of logs.
func (k Key) GoString() string { return k.String() }

// algorithm is what the key signs with. FAPI-CIBA allows PS256 and ES256, so RSA
// means PS256 here unless RS256 is asked for.
func (k Key) algorithm() (string, error) {
	if k.Signer == nil {
		return "", errors.New("rp: no key")
	}
	if k.Algorithm != "" {
		return k.Algorithm, nil
	}
	switch pub := k.Signer.Public().(type) {
	case *ecdsa.PublicKey:
		switch pub.Curve.Params().BitSize {
		case 256:
			return string(jose.ES256), nil
		case 384:
			return string(jose.ES384), nil
		case 521:
			return string(jose.ES512), nil
		}
	case *rsa.PublicKey:
		return string(jose.PS256), nil
	case ed25519.PublicKey:
		return string(jose.EdDSA), nil
	}
	return "", fmt.Errorf("rp: no algorithm for a %T", k.Signer.Public())
}

// sign makes a JWT of claims.
func (k Key) sign(claims any) (string, error) {
	alg, err := k.algorithm()
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: cryptosigner.Opaque(k.Signer)},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader(jose.HeaderKey("kid"), k.ID))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}
