package approval

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// Evidence is the signed statement of one decision, as it is kept and exported.
type Evidence struct {
	Request RequestID
	JWS     string // RFC 7515 compact; its payload is a Statement
	At      time.Time
}

// SaysWhere reports whether the view in e has a word about where its user was. One
// that cannot be read might.
func (e Evidence) SaysWhere() bool {
	if e.JWS == "" {
		return false
	}
	parts := strings.Split(e.JWS, ".")
	if len(parts) != 3 {
		return true
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var s Statement
	if err != nil || json.Unmarshal(payload, &s) != nil {
		return true
	}
	var v struct {
		Place json.RawMessage `json:"place"`
	}
	return s.View != "" && (json.Unmarshal([]byte(s.View), &v) != nil || v.Place != nil)
}

// Statement is what Mitome says of one decision, complete enough to be verified
// offline by somebody who has only the operator's published keys. It says
// nothing of the code but that it was verified.
type Statement struct {
	Version    string           `json:"v"` // "mitome/evidence/v1"
	Issuer     string           `json:"iss"`
	IssuedAt   int64            `json:"iat"` // Unix seconds
	Request    RequestID        `json:"request"`
	OP         string           `json:"op"`
	ClientID   string           `json:"client_id"`
	User       StatementUser    `json:"user"`
	Device     StatementDevice  `json:"device"`
	Decision   Decision         `json:"decision"`
	View       string           `json:"view,omitempty"`  // the exact bytes that were shown; approvals only
	Nonce      []byte           `json:"nonce,omitempty"` // the random half of the challenge
	RPID       string           `json:"rp_id,omitempty"`
	Assertion  *SignedAssertion `json:"assertion,omitempty"`
	Credential *StatementKey    `json:"credential,omitempty"`
}

// StatementUser is the user, in the OP's words and in ours.
type StatementUser struct {
	ID      device.UserID `json:"id"`
	Subject string        `json:"sub"`
}

// StatementDevice is the device and the pairing that made it.
type StatementDevice struct {
	ID         device.DeviceID     `json:"id"`
	Name       string              `json:"name"`
	Enrollment device.EnrollmentID `json:"enrollment"`
	PairedAt   time.Time           `json:"paired_at"`
}

// StatementKey is the passkey that signed.
type StatementKey struct {
	ID             device.CredentialID `json:"id"`
	PublicKey      []byte              `json:"public_key"` // COSE_Key
	AAGUID         []byte              `json:"aaguid"`
	BackupEligible bool                `json:"backup_eligible"`
	CreatedAt      time.Time           `json:"created_at"`
	Attestation    *StatementModel     `json:"attestation,omitempty"` // nil: nobody knows what keeps the key
}

// StatementModel is of what model the passkey's authenticator proved to be, and was
// trusted to be when it signed.
type StatementModel struct {
	Model         string               `json:"model"`                    // as FIDO's metadata calls it
	KeyProtection device.KeyProtection `json:"key_protection,omitempty"` // hardware, software, or not known
	AttestedAt    time.Time            `json:"attested_at"`
}

// modelOf is what is proved of c.
func modelOf(c device.Credential) *StatementModel {
	if !c.Proven() {
		return nil
	}
	return &StatementModel{c.Attested.Model, c.Attested.Keys, c.Attested.At}
}

// SignedAssertion is the passkey's signature as the browser gave it.
type SignedAssertion struct {
	ClientDataJSON    []byte `json:"client_data_json"`
	AuthenticatorData []byte `json:"authenticator_data"`
	Signature         []byte `json:"signature"`
}

// evidenceVersion names the form of Statement.
const evidenceVersion = "mitome/evidence/v1"

// Signer signs statements. Package approval/sign implements it.
type Signer interface {
	Sign(payload []byte) (jws string, err error)
}

// CheckAssertion verifies a passkey's signature from public data alone, as
// device.CheckAssertion does.
type CheckAssertion func(publicKey []byte, rpID string, challenge []byte, a device.Assertion) error

// Verify checks that what s says of an approval holds together: the passkey
// signed a challenge whose second half is the hash of the view, on the origin's
// RP ID, with user verification. Whether s itself is Mitome's is the JWS's
// matter and must be checked first. A denial is signed by nobody: all that can be
// said of it is that it does not pretend to be.
func (s Statement) Verify(check CheckAssertion) error {
	if s.Version != evidenceVersion {
		return fmt.Errorf("%w: unknown version %q", ErrEvidence, s.Version)
	}
	if s.Decision.Verdict == Deny {
		return s.verifyDenial()
	}
	if s.Decision.Verdict != Approve || s.Assertion == nil || s.Credential == nil {
		return fmt.Errorf("%w: an approval without an assertion", ErrEvidence)
	}
	if len(s.Nonce) != nonceSize {
		return fmt.Errorf("%w: the nonce has %d bytes", ErrEvidence, len(s.Nonce))
	}
	if s.Decision.Device != s.Device.ID || s.Decision.Credential != s.Credential.ID {
		return fmt.Errorf("%w: another device or passkey decided", ErrEvidence)
	}
	if err := s.viewIsOfRequest(); err != nil {
		return err
	}
	ch := Challenge{Nonce: s.Nonce, View: []byte(s.View)}
	err := check(s.Credential.PublicKey, s.RPID, ch.Bytes(), device.Assertion{
		ClientDataJSON:    s.Assertion.ClientDataJSON,
		AuthenticatorData: s.Assertion.AuthenticatorData,
		Signature:         s.Assertion.Signature,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return nil
}

// verifyDenial checks that what says no carries no yes: an approval whose verdict
// was turned round still has its assertion.
func (s Statement) verifyDenial() error {
	if s.View != "" || len(s.Nonce) > 0 || s.Assertion != nil || s.Credential != nil {
		return fmt.Errorf("%w: a denial with an assertion", ErrEvidence)
	}
	return nil
}

// viewIsOfRequest checks that the view that was signed names this request and
// its client, so that a signature over one request cannot be told as the story
// of another.
func (s Statement) viewIsOfRequest() error {
	var v struct {
		Request RequestID `json:"request"`
		Client  struct {
			ID string `json:"id"`
		} `json:"client"`
	}
	if err := json.Unmarshal([]byte(s.View), &v); err != nil {
		return fmt.Errorf("%w: view: %w", ErrEvidence, err)
	}
	if v.Request != s.Request || v.Client.ID != Spelled(s.ClientID) {
		return fmt.Errorf("%w: the view is of request %s of client %q", ErrEvidence, v.Request, v.Client.ID)
	}
	return nil
}
