package device

// Assertion is a passkey's signature that has been verified.
type Assertion struct {
	Credential        Credential // as stored before this use
	SignCount         uint32     // as signed now
	BackedUp          bool       // the BS flag, as signed now
	UserVerified      bool       // the UV flag; always true where it was demanded
	Origin            string     // where the ceremony ran
	ClientDataJSON    []byte
	AuthenticatorData []byte
	Signature         []byte
}

// Use is what storing the decision must record about the passkey.
func (a Assertion) Use() CredentialUse {
	return CredentialUse{
		ID: a.Credential.ID, Before: a.Credential.SignCount, SignCount: a.SignCount, BackedUp: a.BackedUp,
	}
}

// CredentialUse is one use of a passkey: its counter moves from Before to
// SignCount, or the use is void because another came between.
type CredentialUse struct {
	ID        CredentialID
	Before    uint32
	SignCount uint32
	BackedUp  bool
}
