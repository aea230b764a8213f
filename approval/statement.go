package approval

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mitome-ciba/mitome/device"
)

// evidence states and signs the decision that r now holds. ch and as are what
// was signed; both are nil for a denial, which nobody signs.
func (s *Service) evidence(ctx context.Context, r Request, d device.Device, ch *Challenge, as *device.Assertion) (*Evidence, error) {
	u, err := s.People.User(ctx, r.UserID)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	now := s.Now()
	st := Statement{
		Version: evidenceVersion, Issuer: s.Issuer, IssuedAt: now.Unix(),
		Request: r.ID, OP: r.OP, ClientID: r.ClientID,
		User:     StatementUser{u.ID, u.Subject},
		Device:   StatementDevice{d.ID, d.Name, d.Enrollment, d.CreatedAt},
		Decision: *r.Decision,
	}
	if as != nil {
		st.View, st.Nonce, st.RPID = string(ch.View), ch.Nonce, s.RPID
		st.Assertion = &SignedAssertion{as.ClientDataJSON, as.AuthenticatorData, as.Signature}
		st.Credential = &StatementKey{
			as.Credential.ID, as.Credential.PublicKey, as.Credential.AAGUID,
			as.Credential.BackupEligible, as.Credential.CreatedAt, modelOf(as.Credential),
		}
	}
	payload, err := json.Marshal(st)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	jws, err := s.Signer.Sign(payload)
	if err != nil {
		return nil, fmt.Errorf("sign evidence: %w", err)
	}
	return &Evidence{r.ID, jws, now}, nil
}
