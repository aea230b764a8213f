package device

import (
	"crypto/sha256"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
)

// KeyProtection is where authenticators of a model keep their private keys, by
// what their maker told FIDO and nobody but an attestation can prove.
type KeyProtection string

// The ways. The zero value says that nothing is known.
const (
	KeyHardware KeyProtection = "hardware" // also a secure element or a trusted execution environment
	KeySoftware KeyProtection = "software"
)

// Attested is what the attestation of a passkey proved when it was made, by
// FIDO's metadata of that day. The zero value proves nothing.
type Attested struct {
	At    time.Time
	Model string // what the metadata calls the model; for people
	Keys  KeyProtection

	// Against is what the metadata of now says against the model, REVOKED for
	// one; empty if nothing. It is looked up with each reading, and not stored.
	Against string
}

// Proven reports whether c is of a model that was proved and is trusted still.
func (c Credential) Proven() bool { return !c.Attested.At.IsZero() && c.Attested.Against == "" }

// Keys is where c's private key is proved to be. Of one that may be synced
// nobody knows, whatever its authenticator is.
func (c Credential) Keys() KeyProtection {
	if !c.Proven() || c.BackupEligible {
		return ""
	}
	return c.Attested.Keys
}

// Proof is how much a pairing wants to know of an authenticator.
type Proof string

// The ways. Where it is wanted, a passkey without it is taken as well: it serves
// those clients that ask for none.
const (
	NoProof       Proof = ""
	ProofWanted   Proof = "wanted"
	ProofRequired Proof = "required"
)

// Models knows the models of authenticators. Package device/mds implements it.
type Models interface {
	// Attest returns what an attestation proves, or ErrAttestation. That the
	// object is an answer to our challenge, the caller has checked.
	Attest(o protocol.AttestationObject, clientDataHash []byte) (Attested, error)
	// Against says what is known against the model now; empty if nothing.
	Against(aaguid []byte) string
}

// unchecked stands in Attested.Against where there is no metadata to look into.
const unchecked = "UNCHECKED"

// judged looks up what is known now against the models of creds.
func (s *Service) judged(creds []Credential) []Credential {
	for i := range creds {
		a := &creds[i].Attested
		switch {
		case a.At.IsZero():
		case s.Models == nil:
			a.Against = unchecked
		default:
			a.Against = s.Models.Against(creds[i].AAGUID)
		}
	}
	return creds
}

// party is the relying party for a pairing with a user of op.
func (s *Service) party(op string) RelyingParty {
	rp := s.RP
	if s.Proof != nil && s.Models != nil {
		rp.proof, rp.models = s.Proof(op), s.Models
	}
	return rp
}

// conveyance is what the browser is told. Where nothing is to be proved it does
// not ask the user to show her authenticator's model either.
func (rp RelyingParty) conveyance() protocol.ConveyancePreference {
	if rp.proof == NoProof {
		return protocol.PreferNoAttestation
	}
	return protocol.PreferDirectAttestation
}

// attested returns what p's attestation proves. What proves nothing is an error
// only where a proof is required.
func (rp RelyingParty) attested(p *protocol.ParsedCredentialCreationData) (Attested, error) {
	if rp.proof == NoProof {
		return Attested{}, nil
	}
	hash := sha256.Sum256(p.Raw.AttestationResponse.ClientDataJSON)
	a, err := rp.models.Attest(p.Response.AttestationObject, hash[:])
	switch {
	case err == nil:
		return a, nil
	case rp.proof == ProofRequired || !errors.Is(err, ErrAttestation):
		return Attested{}, err
	}
	return Attested{}, nil
}
