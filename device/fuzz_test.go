package device_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// fuzzed is a passkey under a name that is the same in every process: the workers
// of a fuzz test do not share what one of them draws.
func fuzzed(f *testing.F, alg int) (device.RelyingParty, *devicetest.Authenticator, device.Credential) {
	rp := relyingParty()
	a := devicetest.NewAuthenticator(f, rpID, origin, alg)
	options, ceremony, err := rp.BeginRegistration(device.User{Name: "Aiko", OP: "corp", Subject: "s-1"}, "e1")
	if err != nil {
		f.Fatal(err)
	}
	c, err := rp.FinishRegistration(ceremony, a.Create(f, options))
	if err != nil {
		f.Fatal(err)
	}
	c.WebAuthnID = []byte("credential-0001")
	return rp, a, c
}

// answerIn is the parts of what a browser answers.
type answerIn struct {
	Response map[string]any `json:"response"`
}

func part(f *testing.F, answer []byte, name string) []byte {
	var in answerIn
	if err := json.Unmarshal(answer, &in); err != nil {
		f.Fatal(err)
	}
	text, _ := in.Response[name].(string)
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// FuzzAssertion: whatever is sent for a passkey's answer, without its key nothing
// is taken.
func FuzzAssertion(f *testing.F) {
	rp, a, cred := fuzzed(f, devicetest.ES256)
	ch := bytes.Repeat([]byte{9}, 64)
	options, err := rp.AssertionOptions([]device.Credential{cred}, ch)
	if err != nil {
		f.Fatal(err)
	}
	as := devicetest.AsCredential(cred.WebAuthnID)
	for _, lie := range []devicetest.Lie{devicetest.WithOtherKey(), devicetest.WithBadSignature(), devicetest.WithoutUV(), devicetest.FromOrigin("https://evil.example"), devicetest.WithMember(`,"challenge":"AA"`)} {
		f.Add(a.Get(f, options, as, devicetest.WithOtherKey(), lie))
	}
	for _, s := range []string{``, `{}`, `null`, `{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		if _, err := rp.VerifyAssertion([]device.Credential{cred}, ch, response); !errors.Is(err, device.ErrPasskey) {
			t.Fatalf("got %v, want %v", err, device.ErrPasskey)
		}
	})
}

// FuzzAttestation: of whatever an authenticator says when it is made, only a key
// is taken that can be read again.
func FuzzAttestation(f *testing.F) {
	for _, alg := range []int{devicetest.ES256, devicetest.EdDSA, devicetest.RS256} {
		rp, a, _ := fuzzed(f, alg)
		options, _, err := rp.BeginRegistration(device.User{OP: "corp"}, "e1")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(part(f, a.Create(f, options), "attestationObject"))
	}
	f.Add([]byte("\xa3cfmtdnonegattStmt\xa0hauthDataX\x00"))
	f.Add([]byte("\xa1cfmtfpacked"))
	rp := relyingParty()
	options, ceremony, err := rp.BeginRegistration(device.User{OP: "corp"}, "e1")
	if err != nil {
		f.Fatal(err)
	}
	var asked struct {
		PublicKey struct{ Challenge string } `json:"publicKey"`
	}
	if err := json.Unmarshal(options, &asked); err != nil || asked.PublicKey.Challenge == "" {
		f.Fatalf("%v in %s", err, options)
	}
	encode := base64.RawURLEncoding.EncodeToString
	client := encode([]byte(`{"type":"webauthn.create","challenge":"` + asked.PublicKey.Challenge + `","origin":"` + origin + `"}`))
	id := encode([]byte("x"))
	f.Fuzz(func(t *testing.T, object []byte) {
		c, err := rp.FinishRegistration(ceremony, []byte(`{"id":"`+id+`","rawId":"`+id+`","type":"public-key","response":{"clientDataJSON":"`+client+`","attestationObject":"`+encode(object)+`"}}`))
		if err != nil {
			if !errors.Is(err, device.ErrPasskey) {
				t.Fatalf("refused as %v", err)
			}
			return
		}
		if len(c.PublicKey) == 0 || len(c.WebAuthnID) == 0 {
			t.Fatalf("took %+v", c)
		}
		ch := bytes.Repeat([]byte{9}, 64)
		if err := device.CheckAssertion(c.PublicKey, rpID, ch, device.Assertion{}); !errors.Is(err, device.ErrPasskey) {
			t.Fatal(err)
		}
	})
}

// FuzzCheckAssertion: an auditor's check of whatever stands in a bundle says no,
// and does not fall.
func FuzzCheckAssertion(f *testing.F) {
	ch := bytes.Repeat([]byte{9}, 64)
	for _, alg := range []int{devicetest.ES256, devicetest.EdDSA, devicetest.RS256} {
		_, _, key := fuzzed(f, alg)
		rp, a, cred := fuzzed(f, alg)
		options, err := rp.AssertionOptions([]device.Credential{cred}, ch)
		if err != nil {
			f.Fatal(err)
		}
		// Whole, and by another key: a signature with a bit changed is one bit from
		// holding, and that is not far for a fuzzer.
		answer := a.Get(f, options)
		f.Add(key.PublicKey, part(f, answer, "clientDataJSON"), part(f, answer, "authenticatorData"), part(f, answer, "signature"))
	}
	f.Add([]byte("\xa4\x01\x01\x03\x27\x20\x06\x21\x40"), []byte(`{"type":"webauthn.get"}`), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, client, data, sig []byte) {
		err := device.CheckAssertion(key, rpID, ch, device.Assertion{ClientDataJSON: client, AuthenticatorData: data, Signature: sig})
		if !errors.Is(err, device.ErrPasskey) {
			t.Fatalf("got %v, want %v", err, device.ErrPasskey)
		}
	})
}
