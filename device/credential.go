package device

import "time"

// CredentialID names a passkey inside Mitome. It is not the WebAuthn credential
// ID, which is in [Credential.WebAuthnID].
type CredentialID string

// Credential is the public half of a passkey that lives on one device.
type Credential struct {
	ID             CredentialID
	Device         DeviceID
	WebAuthnID     []byte // WebAuthn §4, credential ID
	PublicKey      []byte // COSE_Key
	AAGUID         []byte
	Attestation    string // attestation statement format, "none" for most
	SignCount      uint32
	BackupEligible bool // the BE flag: the passkey may be synced
	BackedUp       bool // the BS flag, as last seen
	Transports     []string
	Attested       Attested
	CreatedAt      time.Time
}

// Replays reports whether an assertion that carries the counter next would
// repeat or run behind what was seen before. WebAuthn §6.1.1: zero on both
// sides means that the authenticator has no counter.
func (c Credential) Replays(next uint32) bool {
	return (next != 0 || c.SignCount != 0) && next <= c.SignCount
}
