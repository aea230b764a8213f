// Package sign makes and checks Mitome's own signatures: JWS over evidence, and
// the set of public keys with which anybody can check them.
//
// # Why
//
// Evidence is worth what its key is worth. Verify takes keys from its caller
// alone, who has them from the operator; a signature that brings its own key, by
// any of the headers made for that, is refused before anything is computed,
// because whoever made the signature could have made the key. For the same
// reason the algorithm is fixed here and not read from the signature.
package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
)

// Type is the typ header of evidence, so that no other signature made with the
// same key can pass for it (RFC 8725 §3.11).
const Type = "mitome-evidence+jwt"

// HintType is the typ header of login hints, which OPs take and nobody else.
const HintType = "mitome-login-hint+jwt"

// AuditType is the typ header of what is signed of the audit log.
const AuditType = "mitome-audit+jwt"

// ErrInvalid says that a signature is not one of the operator's.
var ErrInvalid = errors.New("sign: signature does not hold")

// Signer signs with one key and publishes it together with those before it. It
// implements approval.Signer.
type Signer struct {
	signer    jose.Signer
	hints     jose.Signer
	audit     jose.Signer
	sets      jose.Signer // [Signer.SignSET]
	published jose.JSONWebKeySet
}

// NewKey makes a key for a Signer, named by its RFC 7638 thumbprint.
func NewKey() (jose.JSONWebKey, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("make signing key: %w", err)
	}
	return named(jose.JSONWebKey{Key: k})
}

// New returns a Signer that signs with the first of keys, which must be private.
// The others, private or public, are former keys: they sign nothing any more and
// stay published, because what they signed must still verify. One that is listed
// twice counts once.
func New(keys ...jose.JSONWebKey) (*Signer, error) {
	if len(keys) == 0 {
		return nil, errors.New("sign: no key")
	}
	if _, ok := keys[0].Key.(*ecdsa.PrivateKey); !ok {
		return nil, errors.New("sign: the first key is not a private EC key")
	}
	s := &Signer{}
	for i, k := range keys {
		pub := k.Public()
		if !usable(pub) {
			return nil, fmt.Errorf("sign: key %d is not a valid P-256 key", i)
		}
		pub, err := named(pub)
		if err != nil {
			return nil, err
		}
		if len(s.published.Key(pub.KeyID)) > 0 { // the current one, listed among all
			continue
		}
		s.published.Keys = append(s.published.Keys, pub)
	}
	current := jose.JSONWebKey{Key: keys[0].Key, KeyID: s.published.Keys[0].KeyID}
	for typ, into := range map[jose.ContentType]*jose.Signer{Type: &s.signer, HintType: &s.hints, AuditType: &s.audit} {
		var err error
		*into, err = jose.NewSigner(
			jose.SigningKey{Algorithm: jose.ES256, Key: current},
			(&jose.SignerOptions{}).WithType(typ),
		)
		if err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
	}
	var err error
	s.sets, err = newSETSigner(current)
	return s, err
}

// named fills in what a published key says of itself. A name that was given
// before is kept: signatures refer to it.
func named(k jose.JSONWebKey) (jose.JSONWebKey, error) {
	k.Use, k.Algorithm = "sig", string(jose.ES256)
	if k.KeyID != "" {
		return k, nil
	}
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return k, fmt.Errorf("name signing key: %w", err)
	}
	k.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return k, nil
}

// usable reports whether k is a public key for ES256.
func usable(k jose.JSONWebKey) bool {
	pub, ok := k.Key.(*ecdsa.PublicKey)
	return ok && pub.Curve == elliptic.P256() && k.Valid() &&
		(k.Use == "" || k.Use == "sig") && (k.Algorithm == "" || k.Algorithm == string(jose.ES256))
}

// Sign returns a compact JWS over payload.
func (s *Signer) Sign(payload []byte) (string, error) {
	jws, err := s.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jws.CompactSerialize()
}

// SignHint is Sign for a login hint, which cannot pass for evidence.
func (s *Signer) SignHint(payload []byte) (string, error) {
	jws, err := s.hints.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jws.CompactSerialize()
}

// SignAudit is Sign for a checkpoint of the audit log, which cannot pass for
// evidence either.
func (s *Signer) SignAudit(payload []byte) (string, error) {
	jws, err := s.audit.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jws.CompactSerialize()
}

// Published is the set of public keys with which Sign's work can be verified,
// now and after the next rotation.
func (s *Signer) Published() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: append([]jose.JSONWebKey(nil), s.published.Keys...)}
}

// ParseKeys reads a published set (RFC 7517). A private or symmetric key in it
// is a fault: it would mean that others can sign too.
func ParseKeys(jwks []byte) (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		return set, fmt.Errorf("read keys: %w", err)
	}
	if len(set.Keys) == 0 {
		return set, errors.New("read keys: the set is empty")
	}
	for _, k := range set.Keys {
		if !k.IsPublic() {
			return jose.JSONWebKeySet{}, fmt.Errorf("read keys: key %q is not a public key", k.KeyID)
		}
	}
	return set, nil
}

// Verify returns what jws signs if one of keys, the operator's published ones,
// made it. Any other signature is ErrInvalid.
func Verify(jws string, keys jose.JSONWebKeySet) ([]byte, error) { return verify(jws, Type, keys) }

// VerifyAudit is Verify for what SignAudit signs.
func VerifyAudit(jws string, keys jose.JSONWebKeySet) ([]byte, error) {
	return verify(jws, AuditType, keys)
}

func verify(jws, typ string, keys jose.JSONWebKeySet) ([]byte, error) {
	kid, err := header(jws, typ)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	parsed, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for _, k := range keys.Key(kid) {
		if !usable(k) {
			continue
		}
		// The bare key, so that nothing in the signature or in the set can
		// choose how it is used.
		if payload, err := parsed.Verify(k.Key); err == nil {
			return payload, nil
		}
	}
	return nil, fmt.Errorf("%w: no published key made it", ErrInvalid)
}

// header checks the protected header of a compact JWS and returns its kid. It
// must hold alg, kid and typ and nothing else: jwk, jku, x5c and x5u are ways to
// bring one's own key, crit and b64 ways to change what is signed.
func header(jws, typ string) (kid string, err error) {
	first, _, _ := strings.Cut(jws, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil {
		return "", fmt.Errorf("header: %w", err)
	}
	var h map[string]string
	if err := json.Unmarshal(raw, &h); err != nil {
		return "", fmt.Errorf("header: %w", err)
	}
	for name := range h {
		if name != "alg" && name != "kid" && name != "typ" {
			return "", fmt.Errorf("header %q is not allowed", name)
		}
	}
	if h["typ"] != typ || h["kid"] == "" {
		return "", errors.New("header: typ or kid is not ours")
	}
	return h["kid"], nil
}
