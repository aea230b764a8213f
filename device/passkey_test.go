package device_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

const (
	rpID   = "mitome.example"
	origin = "https://mitome.example"
)

func relyingParty() device.RelyingParty {
	return device.RelyingParty{RPID: rpID, RPName: "Mitome", Origins: []string{origin}}
}

// registered is an authenticator whose passkey rp has taken.
func registered(t *testing.T, rp device.RelyingParty, alg int) (*devicetest.Authenticator, device.Credential) {
	t.Helper()
	a := devicetest.NewAuthenticator(t, rpID, origin, alg)
	options, ceremony, err := rp.BeginRegistration(device.User{Name: "Aiko", OP: "corp", Subject: "s-1"}, "e1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := rp.FinishRegistration(ceremony, a.Create(t, options))
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

func challenge() []byte {
	b := make([]byte, 64)
	rand.Read(b)
	return b
}

func TestPasskeyOfEachAlgorithmApproves(t *testing.T) {
	for name, alg := range map[string]int{"ES256": devicetest.ES256, "EdDSA": devicetest.EdDSA, "RS256": devicetest.RS256} {
		t.Run(name, func(t *testing.T) {
			rp := relyingParty()
			a, cred := registered(t, rp, alg)
			ch := challenge()
			options, err := rp.AssertionOptions([]device.Credential{cred}, ch)
			if err != nil {
				t.Fatal(err)
			}
			got, err := rp.VerifyAssertion([]device.Credential{cred}, ch, a.Get(t, options))
			if err != nil {
				t.Fatal(err)
			}
			if !got.UserVerified || got.SignCount != 1 || got.Origin != origin || !bytes.Equal(got.Credential.WebAuthnID, a.ID) {
				t.Errorf("got %+v", got)
			}
			if err := device.CheckAssertion(cred.PublicKey, rpID, ch, got); err != nil {
				t.Errorf("offline: %v", err)
			}
		})
	}
}

func TestAssertionThatLiesIsRefused(t *testing.T) {
	rp := relyingParty()
	tests := []struct {
		name string
		lie  devicetest.Lie
		// offline: public data alone shows it. Origin, counter and the backup
		// flag can only be judged by who knows what they should be.
		offline bool
	}{
		{"user not verified", devicetest.WithoutUV(), true},
		{"user not present", devicetest.WithoutUP(), true},
		{"phishing origin", devicetest.FromOrigin("https://mitome.example.evil"), false},
		{"plain http", devicetest.FromOrigin("http://mitome.example"), false},
		{"other port", devicetest.FromOrigin("https://mitome.example:8443"), false},
		{"other relying party", devicetest.ForRPID("evil.example"), true},
		{"other challenge", devicetest.OverChallenge(challenge()), true},
		{"half the challenge", devicetest.OverChallenge(make([]byte, 32)), true},
		{"registration instead", devicetest.OfType("webauthn.create"), true},
		{"payment instead", devicetest.OfType("payment.get"), true},
		{"counter stands still", devicetest.AtCount(7), false},
		{"counter runs back", devicetest.AtCount(6), false},
		{"counter gone", devicetest.AtCount(0), false},
		{"suddenly synced", devicetest.BackupEligible(), false},
		{"backed up but not eligible", devicetest.BackedUpOnly(), false},
		{"other key", devicetest.WithOtherKey(), true},
		{"bad signature", devicetest.WithBadSignature(), true},
		{"other credential", devicetest.AsCredential([]byte("somebody else's passkey")), false},
		{"two challenges", devicetest.WithMember(`,"Challenge":"AAAA"`), true},
		{"two origins", devicetest.WithMember(`,"origin":"https://mitome.example"`), true},
		{"in a frame of another site", devicetest.WithMember(`,"topOrigin":"https://evil.example"`), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, cred := registered(t, rp, devicetest.ES256)
			a.Counter, cred.SignCount = 7, 7
			creds, ch := []device.Credential{cred}, challenge()
			options, err := rp.AssertionOptions(creds, ch)
			if err != nil {
				t.Fatal(err)
			}
			answer := a.Get(t, options, tt.lie)
			if _, err := rp.VerifyAssertion(creds, ch, answer); !errors.Is(err, device.ErrPasskey) {
				t.Errorf("got %v, want %v", err, device.ErrPasskey)
			}
			err = device.CheckAssertion(cred.PublicKey, rpID, ch, signedOf(t, answer))
			if tt.offline != errors.Is(err, device.ErrPasskey) {
				t.Errorf("offline: got %v, refused should be %v", err, tt.offline)
			}
		})
	}
}

// signedOf is what an auditor has of an answer.
func signedOf(t *testing.T, answer []byte) device.Assertion {
	t.Helper()
	var c struct {
		Response struct {
			ClientDataJSON    base64url `json:"clientDataJSON"`
			AuthenticatorData base64url `json:"authenticatorData"`
			Signature         base64url `json:"signature"`
		} `json:"response"`
	}
	if err := json.Unmarshal(answer, &c); err != nil {
		t.Fatal(err)
	}
	return device.Assertion{
		ClientDataJSON:    c.Response.ClientDataJSON,
		AuthenticatorData: c.Response.AuthenticatorData,
		Signature:         c.Response.Signature,
	}
}

func TestRegistrationThatLiesIsRefused(t *testing.T) {
	rp := relyingParty()
	tests := map[string]devicetest.Lie{
		"user not verified":          devicetest.WithoutUV(),
		"user not present":           devicetest.WithoutUP(),
		"phishing origin":            devicetest.FromOrigin("https://evil.example"),
		"other relying party":        devicetest.ForRPID("evil.example"),
		"other challenge":            devicetest.OverChallenge(challenge()),
		"assertion instead":          devicetest.OfType("webauthn.get"),
		"backed up but not eligible": devicetest.BackedUpOnly(),
		"two challenges":             devicetest.WithMember(`,"CHALLENGE":"AAAA"`),
		"two origins":                devicetest.WithMember(`,"Origin":"https://mitome.example"`),
	}
	for name, lie := range tests {
		t.Run(name, func(t *testing.T) {
			a := devicetest.NewAuthenticator(t, rpID, origin, devicetest.ES256)
			options, ceremony, err := rp.BeginRegistration(device.User{Name: "Aiko"}, "e1")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := rp.FinishRegistration(ceremony, a.Create(t, options, lie)); !errors.Is(err, device.ErrPasskey) {
				t.Errorf("got %v, want %v", err, device.ErrPasskey)
			}
		})
	}
}

func TestGarbageIsRefused(t *testing.T) {
	rp := relyingParty()
	_, cred := registered(t, rp, devicetest.ES256)
	_, ceremony, err := rp.BeginRegistration(device.User{OP: "corp"}, "e1")
	if err != nil {
		t.Fatal(err)
	}
	for _, garbage := range []string{``, `null`, `[]`, `{}`, `{"id":"AA"}`, strings.Repeat(`[`, 20000),
		`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"bnVsbA","authenticatorData":"AA","attestationObject":"oA","signature":"AA"}}`} {
		if _, err := rp.VerifyAssertion([]device.Credential{cred}, challenge(), []byte(garbage)); !errors.Is(err, device.ErrPasskey) {
			t.Errorf("assertion %.20q: got %v, want %v", garbage, err, device.ErrPasskey)
		}
		if _, err := rp.FinishRegistration(ceremony, []byte(garbage)); !errors.Is(err, device.ErrPasskey) {
			t.Errorf("registration %.20q: got %v, want %v", garbage, err, device.ErrPasskey)
		}
		err := device.CheckAssertion([]byte(garbage), rpID, challenge(), device.Assertion{ClientDataJSON: []byte(garbage)})
		if !errors.Is(err, device.ErrPasskey) {
			t.Errorf("offline %.20q: got %v, want %v", garbage, err, device.ErrPasskey)
		}
	}
}

func TestOneDeviceIsAskedForItsOwnPasskeyOnly(t *testing.T) {
	rp := relyingParty()
	mine, mineCred := registered(t, rp, devicetest.ES256)
	_, otherCred := registered(t, rp, devicetest.ES256)
	ch := challenge()
	options, err := rp.AssertionOptions([]device.Credential{otherCred}, ch)
	if err != nil {
		t.Fatal(err)
	}
	var o struct {
		PublicKey struct {
			RPID             string `json:"rpId"`
			UserVerification string `json:"userVerification"`
			AllowCredentials []struct {
				ID base64url `json:"id"`
			} `json:"allowCredentials"`
		} `json:"publicKey"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	if p := o.PublicKey; p.RPID != rpID || p.UserVerification != "required" || len(p.AllowCredentials) != 1 ||
		!bytes.Equal(p.AllowCredentials[0].ID, otherCred.WebAuthnID) {
		t.Errorf("options: %s", options)
	}
	if _, err := rp.VerifyAssertion([]device.Credential{otherCred}, ch, mine.Get(t, options)); !errors.Is(err, device.ErrPasskey) {
		t.Errorf("another device's passkey: got %v, want %v", err, device.ErrPasskey)
	}
	if _, err := rp.VerifyAssertion([]device.Credential{mineCred, otherCred}, ch, mine.Get(t, options)); err != nil {
		t.Errorf("one of two passkeys: %v", err)
	}
}

func TestFaultsAreNotTheUsersFailures(t *testing.T) {
	rp := relyingParty()
	a, cred := registered(t, rp, devicetest.ES256)
	creds := []device.Credential{cred}
	options, err := rp.AssertionOptions(creds, challenge())
	if err != nil {
		t.Fatal(err)
	}
	answer := a.Get(t, options)
	if _, err := rp.VerifyAssertion(creds, make([]byte, 32), answer); err == nil || errors.Is(err, device.ErrPasskey) {
		t.Errorf("short challenge: got %v, want a fault", err)
	}
	if _, err := (device.RelyingParty{RPID: rpID}).VerifyAssertion(creds, challenge(), answer); err == nil || errors.Is(err, device.ErrPasskey) {
		t.Errorf("no origins: got %v, want a fault", err)
	}
	if _, err := rp.FinishRegistration([]byte("{"), answer); err == nil || errors.Is(err, device.ErrPasskey) {
		t.Errorf("broken ceremony: got %v, want a fault", err)
	}
}

func TestRegistrationTellsTheAuthenticatorNothingOfTheSubject(t *testing.T) {
	rp := relyingParty()
	u := device.User{ID: "u1", OP: "corp", Subject: "subject-0815", Name: "Aiko"}
	first, _, err := rp.BeginRegistration(u, "e1")
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := rp.BeginRegistration(u, "e2")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(first, []byte(u.Subject)) {
		t.Errorf("options name the subject: %s", first)
	}
	if a, b := handleOf(t, first), handleOf(t, second); len(a) != 32 || bytes.Equal(a, b) {
		t.Errorf("two pairings share the user handle %x, so one's passkey overwrites the other's", a)
	}
}

func handleOf(t *testing.T, options []byte) []byte {
	t.Helper()
	var o struct {
		PublicKey struct {
			User struct {
				ID base64url `json:"id"`
			} `json:"user"`
		} `json:"publicKey"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	return o.PublicKey.User.ID
}
