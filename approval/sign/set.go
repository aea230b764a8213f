package sign

import (
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
)

// SETType is the typ header of Security Event Tokens (RFC 8417 §2.3), so that none
// passes for anything else, nor anything else for one.
const SETType = "secevent+jwt"

func newSETSigner(key jose.JSONWebKey) (jose.Signer, error) {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType(SETType))
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return s, nil
}

// SignSET is Sign for a Security Event Token.
func (s *Signer) SignSET(payload []byte) (string, error) {
	jws, err := s.sets.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jws.CompactSerialize()
}
