package device

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"
)

// challengeSize is 32 random bytes and the SHA-256 of what was shown.
const challengeSize = 64

// RelyingParty runs WebAuthn ceremonies. It holds no state.
//
// # Why
//
// The user handle is a hash of the pairing and not of the user. An authenticator
// keeps one passkey for each handle: with one handle a user, pairing a second
// phone of the same synced account would silently overwrite the passkey of the
// first. For the same reason nothing is put on excludeCredentials, which would
// instead make that second phone impossible to pair. A ceremony names the
// credentials of its one device, so a second passkey is never offered by mistake.
type RelyingParty struct {
	RPID    string   // the domain that passkeys belong to
	RPName  string   // shown by the platform's passkey dialogue
	Origins []string // web origins that ceremonies may run on
	Apps    []string // what Android writes there for an app: android:apk-key-hash:…

	proof  Proof // of a pairing: whether the authenticator is asked what it is,
	models Models
}

// BeginRegistration starts the making of a passkey for the device that e pairs.
// It returns PublicKeyCredentialCreationOptions as {"publicKey": …}, and what
// FinishRegistration must be given back.
func (rp RelyingParty) BeginRegistration(u User, e EnrollmentID) (options json.RawMessage, ceremony []byte, err error) {
	w, err := rp.webauthn()
	if err != nil {
		return nil, nil, err
	}
	creation, session, err := w.BeginRegistration(account{handle: userHandle(e), user: u},
		webauthn.WithCredentialParameters(webauthn.CredentialParametersRecommendedL3()), // EdDSA, ES256, RS256
		webauthn.WithConveyancePreference(rp.conveyance()))
	if err != nil {
		return nil, nil, fmt.Errorf("begin registration: %w", err)
	}
	if options, err = json.Marshal(creation); err != nil {
		return nil, nil, fmt.Errorf("encode creation options: %w", err)
	}
	if ceremony, err = json.Marshal(session); err != nil {
		return nil, nil, fmt.Errorf("encode ceremony: %w", err)
	}
	return options, ceremony, nil
}

// FinishRegistration checks the phone's answer (a PublicKeyCredential as JSON)
// and returns the new passkey; the caller gives it an id, a device and a time.
// It returns ErrPasskey if any check fails, and ErrAttestation if the authenticator
// had to prove what it is and did not.
func (rp RelyingParty) FinishRegistration(ceremony, response []byte) (Credential, error) {
	w, err := rp.webauthn()
	if err != nil {
		return Credential{}, err
	}
	var session webauthn.SessionData
	if err := json.Unmarshal(ceremony, &session); err != nil {
		return Credential{}, fmt.Errorf("decode ceremony: %w", err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return Credential{}, refuse(err)
	}
	if _, err := readClientData(parsed.Raw.AttestationResponse.ClientDataJSON); err != nil {
		return Credential{}, refuse(err)
	}
	c, err := w.CreateCredential(account{handle: session.UserID}, session, parsed)
	if err != nil {
		return Credential{}, refuse(err)
	}
	var transports []string
	for _, t := range c.Transport {
		transports = append(transports, string(t))
	}
	attested, err := rp.attested(parsed)
	if err != nil {
		return Credential{}, err
	}
	return Credential{
		WebAuthnID: c.ID, PublicKey: c.PublicKey, AAGUID: c.Authenticator.AAGUID,
		Attestation: c.AttestationFormat, SignCount: c.Authenticator.SignCount, Attested: attested,
		BackupEligible: c.Flags.BackupEligible, BackedUp: c.Flags.BackupState, Transports: transports,
	}, nil
}

// AssertionOptions asks one of creds to sign challenge, with user verification.
// It returns PublicKeyCredentialRequestOptions as {"publicKey": …}.
func (rp RelyingParty) AssertionOptions(creds []Credential, challenge []byte) (json.RawMessage, error) {
	_, assertion, _, err := rp.login(account{creds: creds}, challenge)
	if err != nil {
		return nil, err
	}
	options, err := json.Marshal(assertion)
	if err != nil {
		return nil, fmt.Errorf("encode request options: %w", err)
	}
	return options, nil
}

// UnlockOptions asks whatever passkey of ours the browser has to sign challenge,
// with user verification. It names none: who it is, the answer tells.
func (rp RelyingParty) UnlockOptions(challenge []byte) (json.RawMessage, error) {
	if len(challenge) != challengeSize {
		return nil, fmt.Errorf("device: challenge of %d bytes", len(challenge))
	}
	w, err := rp.webauthn()
	if err != nil {
		return nil, err
	}
	assertion, _, err := w.BeginDiscoverableLogin(webauthn.WithChallenge(challenge),
		webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, fmt.Errorf("begin assertion: %w", err)
	}
	options, err := json.Marshal(assertion)
	if err != nil {
		return nil, fmt.Errorf("encode request options: %w", err)
	}
	return options, nil
}

// readAnswer reads from an assertion whose it says to be. Nothing of it is
// verified.
func readAnswer(response []byte) (webauthnID, handle []byte, err error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return nil, nil, refuse(err)
	}
	return parsed.RawID, parsed.Response.UserHandle, nil
}

// VerifyAssertion checks that one of creds signed exactly this challenge, on an
// origin and for the RP ID of ours, with the user present and verified, and with
// a counter that was not seen before. Every failed check is ErrPasskey. That a
// challenge serves once is the caller's to see to.
func (rp RelyingParty) VerifyAssertion(creds []Credential, challenge, response []byte) (Assertion, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return Assertion{}, refuse(err)
	}
	// The handle is not signed and tells nothing that the credential's own id
	// does not, so whatever came is taken as that of the account.
	w, _, session, err := rp.login(account{handle: parsed.Response.UserHandle, creds: creds}, challenge)
	if err != nil {
		return Assertion{}, err
	}
	raw := parsed.Raw.AssertionResponse
	if _, err := readClientData(raw.ClientDataJSON); err != nil {
		return Assertion{}, refuse(err)
	}
	if _, err = w.ValidateLogin(account{handle: session.UserID, creds: creds}, *session, parsed); err != nil {
		return Assertion{}, refuse(err)
	}
	data := parsed.Response.AuthenticatorData
	stored := creds[slices.IndexFunc(creds, func(c Credential) bool { return bytes.Equal(c.WebAuthnID, parsed.RawID) })]
	// The library only warns of this: a counter that stands still or runs back
	// means that somebody has a copy of the key, or of an old answer.
	if stored.Replays(data.Counter) {
		return Assertion{}, refuse(errors.New("sign counter was seen before"))
	}
	return Assertion{
		Credential: stored, SignCount: data.Counter,
		BackedUp: data.Flags.HasBackupState(), UserVerified: data.Flags.UserVerified(),
		Origin:         parsed.Response.CollectedClientData.Origin,
		ClientDataJSON: raw.ClientDataJSON, AuthenticatorData: raw.AuthenticatorData, Signature: raw.Signature,
	}, nil
}

// webauthn is the library set up for our rules.
func (rp RelyingParty) webauthn() (*webauthn.WebAuthn, error) {
	w, err := webauthn.New(&webauthn.Config{
		RPID: rp.RPID, RPDisplayName: rp.RPName, RPOrigins: rp.Origins, RPOpaqueOrigins: rp.Apps,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey:      protocol.ResidentKeyRequirementPreferred,
			UserVerification: protocol.VerificationRequired,
		},
		// WebAuthn §7.1 leaves it to us: what was not asked for is not read, and
		// some password managers answer credProps to everybody.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("configure webauthn: %w", err)
	}
	return w, nil
}

// login is the same ceremony from the same input each time, so nothing of it
// need be kept between asking and verifying but the challenge.
func (rp RelyingParty) login(a account, challenge []byte) (*webauthn.WebAuthn, *protocol.CredentialAssertion, *webauthn.SessionData, error) {
	if len(challenge) != challengeSize {
		return nil, nil, nil, fmt.Errorf("device: challenge of %d bytes", len(challenge))
	}
	if len(a.creds) == 0 {
		return nil, nil, nil, fmt.Errorf("%w: device has none", ErrPasskey)
	}
	w, err := rp.webauthn()
	if err != nil {
		return nil, nil, nil, err
	}
	options, session, err := w.BeginLogin(a, webauthn.WithChallenge(challenge))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("begin assertion: %w", err)
	}
	return w, options, session, nil
}

// CheckAssertion verifies a passkey's signature from public data alone: publicKey
// is a COSE_Key, and of a only what was signed is read. It has neither origin nor
// counter to compare with; those were Mitome's to check when it took the answer.
func CheckAssertion(publicKey []byte, rpID string, challenge []byte, a Assertion) error {
	client, err := readClientData(a.ClientDataJSON)
	if err != nil {
		return refuse(err)
	}
	var data protocol.AuthenticatorData
	if err := data.Unmarshal(a.AuthenticatorData); err != nil {
		return refuse(err)
	}
	rpIDHash := sha256.Sum256([]byte(rpID))
	switch {
	case client.Type != string(protocol.AssertCeremony):
		return refuse(errors.New("not an assertion"))
	case len(challenge) != challengeSize, client.Challenge != base64.RawURLEncoding.EncodeToString(challenge):
		return refuse(errors.New("another challenge was signed"))
	case !bytes.Equal(data.RPIDHash, rpIDHash[:]):
		return refuse(errors.New("signed for another RP ID"))
	case !data.Flags.UserPresent(), !data.Flags.UserVerified():
		return refuse(errors.New("user was not verified"))
	}
	key, err := webauthncose.ParsePublicKey(publicKey)
	if err != nil {
		return refuse(err)
	}
	hash := sha256.Sum256(a.ClientDataJSON)
	ok, err := webauthncose.VerifySignature(key, slices.Concat(a.AuthenticatorData, hash[:]), a.Signature)
	if err != nil || !ok {
		return refuse(errors.New("signature does not verify"))
	}
	return nil
}

// clientData is what we read of WebAuthn's CollectedClientData (§5.8.1).
type clientData struct {
	Type      string `json:"type"`
	Challenge string `json:"challenge"`
	Origin    string `json:"origin"`
}

// readClientData reads the client data and refuses one that two readers could
// read differently. encoding/json takes the last of equal names and does not
// mind their case, so {"challenge":A,"Challenge":B} would be A to an auditor's
// tool and B to us.
func readClientData(raw []byte) (clientData, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return clientData{}, fmt.Errorf("client data: %w", err)
	}
	folded := map[string]bool{}
	for name := range members {
		folded[strings.ToLower(name)] = true
	}
	if n, err := countMembers(raw); err != nil || n != len(folded) {
		return clientData{}, errors.New("client data: a member stands twice")
	}
	var c clientData
	for name, into := range map[string]*string{"type": &c.Type, "challenge": &c.Challenge, "origin": &c.Origin} {
		if err := json.Unmarshal(members[name], into); err != nil {
			return clientData{}, fmt.Errorf("client data: %s: %w", name, err)
		}
	}
	return c, nil
}

// countMembers counts the members of the JSON object raw, equal names too.
func countMembers(raw []byte) (n int, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return 0, err
	}
	for ; dec.More(); n++ {
		var value json.RawMessage
		if _, err := dec.Token(); err != nil {
			return 0, err
		}
		if err := dec.Decode(&value); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// refuse wraps a failed check. The library's own word for it says what was
// wrong; the values, which it keeps apart, stay out.
func refuse(err error) error { return fmt.Errorf("%w: %s", ErrPasskey, err.Error()) }

// userHandle is WebAuthn's user.id for one pairing. It is stored on devices that
// we know nothing of, so it is a hash: no subject, nothing to search by.
func userHandle(e EnrollmentID) []byte {
	sum := sha256.Sum256([]byte("mitome/user-handle/v1\x00" + string(e)))
	return sum[:]
}

// account is a device's passkeys and its user, as the library wants to see them.
type account struct {
	handle []byte
	user   User
	creds  []Credential
}

// WebAuthnID implements webauthn.User.
func (a account) WebAuthnID() []byte { return a.handle }

// WebAuthnName implements webauthn.User.
func (a account) WebAuthnName() string {
	if a.user.Name == "" {
		return a.user.OP
	}
	return a.user.Name + " (" + a.user.OP + ")"
}

// WebAuthnDisplayName implements webauthn.User.
func (a account) WebAuthnDisplayName() string { return a.WebAuthnName() }

// WebAuthnCredentials implements webauthn.User.
func (a account) WebAuthnCredentials() []webauthn.Credential {
	out := make([]webauthn.Credential, 0, len(a.creds))
	for _, c := range a.creds {
		w := webauthn.Credential{
			ID: c.WebAuthnID, PublicKey: c.PublicKey, AttestationFormat: c.Attestation,
			Flags:         webauthn.CredentialFlags{BackupEligible: c.BackupEligible, BackupState: c.BackedUp},
			Authenticator: webauthn.Authenticator{AAGUID: c.AAGUID, SignCount: c.SignCount},
		}
		for _, t := range c.Transports {
			w.Transport = append(w.Transport, protocol.AuthenticatorTransport(t))
		}
		out = append(out, w)
	}
	return out
}
