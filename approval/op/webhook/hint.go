package webhook

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/op"
)

// HintTokens has codes that a phone shows exchanged for tokens that the OP alone
// can read.
type HintTokens struct {
	EncryptToFile string `koanf:"encrypt_to_file" desc:"The OP's public key (a JWK: RSA, or EC on P-256) that login_hint_tokens made by login-hint-tokens/exchange are encrypted to." derived:"none: codes are not exchanged"`
	Audience      string `koanf:"audience" desc:"The OP's issuer: their aud, and the iss of the subject in them." derived:"none"`
}

// OnlyHintTokens is the Only of a key for the backend of a till.
const OnlyHintTokens = "login_hint_tokens"

// hintLife is how long the OP may take a token.
const hintLife = time.Minute

func (c *Config) checkHints(fault func(string, ...any)) {
	s := c.HintTokens
	if s != (HintTokens{}) {
		if u, err := url.Parse(s.Audience); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			fault("login_hint_tokens must have an audience: the issuer of the OP, an URL")
		}
		if _, err := s.recipient(); err != nil {
			fault("%v", err)
		}
	}
	for i, k := range c.Keys {
		if k.Only != "" && k.Only != OnlyHintTokens {
			fault("keys[%d] must have no only but %s", i, OnlyHintTokens)
		}
		if k.Only != "" && s == (HintTokens{}) {
			fault("keys[%d] is of no use without login_hint_tokens", i)
		}
	}
}

// recipient is whom tokens are encrypted to. With what is allowed here a key of
// the wrong sort fails at the start, and a private one is not left lying about.
func (s HintTokens) recipient() (jose.Recipient, error) {
	var k jose.JSONWebKey
	b, err := os.ReadFile(s.EncryptToFile)
	if err != nil || json.Unmarshal(b, &k) != nil || !k.Valid() {
		return jose.Recipient{}, errors.New("login_hint_tokens needs an encrypt_to_file that can be read and is a JWK")
	}
	if !k.IsPublic() {
		return jose.Recipient{}, errors.New("login_hint_tokens must have an encrypt_to_file of a public key: take its private half out, and keep that at the OP")
	}
	to := jose.Recipient{Key: k.Key, KeyID: k.KeyID, Algorithm: jose.KeyAlgorithm(k.Algorithm)}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		if to.Algorithm == "" {
			to.Algorithm = jose.RSA_OAEP_256
		}
		if key.N.BitLen() >= minRSA && (to.Algorithm == jose.RSA_OAEP_256 || to.Algorithm == jose.RSA_OAEP) {
			return to, nil
		}
	case *ecdsa.PublicKey:
		if to.Algorithm == "" {
			to.Algorithm = jose.ECDH_ES_A256KW
		}
		if to.Algorithm == jose.ECDH_ES_A256KW || to.Algorithm == jose.ECDH_ES {
			return to, nil
		}
	}
	return jose.Recipient{}, fmt.Errorf("login_hint_tokens must have an encrypt_to_file for RSA-OAEP-256, RSA-OAEP (at least %d bits), ECDH-ES+A256KW or ECDH-ES", minRSA)
}

// openHints makes what HintToken needs of a configuration that finish has found
// good.
func (a *Adapter) openHints(d op.Deps) error {
	if a.cfg.HintTokens == (HintTokens{}) {
		return nil
	}
	to, err := a.cfg.HintTokens.recipient()
	if err != nil {
		return err
	}
	options := (&jose.EncrypterOptions{}).WithType("JWT").WithContentType("JWT")
	a.encrypts, err = jose.NewEncrypter(jose.A256GCM, to, options)
	if err != nil {
		return errors.New("login_hint_tokens must have an encrypt_to_file that can be encrypted to")
	}
	a.issuer = d.PublicURL
	return nil
}

// ExchangesHints reports whether this OP takes tokens.
func (a *Adapter) ExchangesHints() bool { return a.encrypts != nil }

// Hint is whom a code means, for an OP to read.
type Hint struct {
	ID        string // of the token
	Sub       string
	DeviceRef string
	ClientID  string
}

// subjectID is RFC 9493's iss_sub.
type subjectID struct {
	Format string `json:"format"`
	Issuer string `json:"iss"`
	Sub    string `json:"sub"`
}

type hintClaims struct {
	Issuer    string    `json:"iss"`
	Audience  string    `json:"aud"`
	IssuedAt  int64     `json:"iat"`
	ExpiresAt int64     `json:"exp"`
	ID        string    `json:"jti"`
	Subject   subjectID `json:"sub_id"`
	ClientID  string    `json:"client_id"`
	DeviceRef string    `json:"device_ref"`
}

// HintToken is h as a login_hint_token: signed by Mitome, and encrypted to the OP,
// so that who carries it learns nothing of the user.
func (a *Adapter) HintToken(h Hint, sign func(payload []byte) (string, error)) (string, error) {
	now := a.now()
	aud := a.cfg.HintTokens.Audience
	payload, err := json.Marshal(hintClaims{
		Issuer: a.issuer, Audience: aud, IssuedAt: now.Unix(), ExpiresAt: now.Add(hintLife).Unix(), ID: h.ID,
		Subject: subjectID{"iss_sub", aud, h.Sub}, ClientID: h.ClientID, DeviceRef: h.DeviceRef,
	})
	if err != nil {
		return "", fmt.Errorf("write hint: %w", err)
	}
	jws, err := sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign hint: %w", err)
	}
	jwe, err := a.encrypts.Encrypt([]byte(jws))
	if err != nil {
		return "", fmt.Errorf("encrypt hint: %w", err)
	}
	return jwe.CompactSerialize()
}
