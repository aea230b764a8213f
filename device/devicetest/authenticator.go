// Package devicetest has what tests of devices need: a passkey in software that
// can misbehave, and what every store of devices must do.
package devicetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// Authenticator is a passkey in software, for tests. It does as it is told,
// wrongly too: see [Lie].
//
// # Why
//
// Written apart from device/phone/softkey, so that one misreading of WebAuthn
// does not stand on both sides of a test. Not virtualwebauthn either, which
// writes one key in 128 with a coordinate too short.
type Authenticator struct {
	RPID    string
	Origin  string
	ID      []byte // the WebAuthn credential ID
	Counter uint32 // as last signed; grows by one with each use

	key    crypto.Signer
	cose   []byte
	handle []byte
}

// The COSE algorithms that an Authenticator can be made for.
const (
	ES256 = -7
	EdDSA = -8
	RS256 = -257
)

// NewAuthenticator makes one with a fresh key.
func NewAuthenticator(t testing.TB, rpID, origin string, alg int) *Authenticator {
	t.Helper()
	a := &Authenticator{RPID: rpID, Origin: origin, ID: make([]byte, 32)}
	rand.Read(a.ID)
	a.newKey(t, alg)
	return a
}

// newKey makes the key pair, and the public half as a COSE_Key (RFC 9053).
func (a *Authenticator) newKey(t testing.TB, alg int) {
	t.Helper()
	var cose map[int]any
	switch alg {
	case ES256:
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
		point := must(key.PublicKey.Bytes())(t)
		a.key, cose = key, map[int]any{1: 2, 3: alg, -1: 1, -2: point[1:33], -3: point[33:]}
	case EdDSA:
		pub, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		a.key, cose = key, map[int]any{1: 1, 3: alg, -1: 6, -2: []byte(pub)}
	case RS256:
		key := must(rsa.GenerateKey(rand.Reader, 2048))(t)
		a.key, cose = key, map[int]any{1: 3, 3: alg, -1: key.N.Bytes(), -2: []byte{1, 0, 1}}
	default:
		t.Fatalf("no such algorithm: %d", alg)
	}
	a.cose = encodeCBOR(t, cose)
}

// ceremony is one answer in the making, for a Lie to spoil.
type ceremony struct {
	typ, origin, rpID string
	challenge         []byte
	flags             byte
	counter           uint32
	extra             string // more members of the client data
	key               crypto.Signer
	id                []byte
	spoilSignature    bool
	selfAttested      bool
	aaguid            [16]byte
}

// Lie makes an answer wrong in one way.
type Lie func(testing.TB, *ceremony)

// WithoutUV leaves the user unverified.
func WithoutUV() Lie { return func(_ testing.TB, c *ceremony) { c.flags &^= flagUV } }

// WithoutUP leaves the user absent.
func WithoutUP() Lie { return func(_ testing.TB, c *ceremony) { c.flags &^= flagUP } }

// BackupEligible sets the BE flag, which must never change.
func BackupEligible() Lie { return func(_ testing.TB, c *ceremony) { c.flags |= flagBE } }

// BackedUpOnly sets BS without BE, which cannot be.
func BackedUpOnly() Lie { return func(_ testing.TB, c *ceremony) { c.flags |= flagBS } }

// FromOrigin runs the ceremony on another origin: a phishing page.
func FromOrigin(o string) Lie { return func(_ testing.TB, c *ceremony) { c.origin = o } }

// ForRPID signs for another relying party.
func ForRPID(id string) Lie { return func(_ testing.TB, c *ceremony) { c.rpID = id } }

// OverChallenge signs another challenge than the one that was set.
func OverChallenge(b []byte) Lie { return func(_ testing.TB, c *ceremony) { c.challenge = b } }

// OfType calls the ceremony something else.
func OfType(typ string) Lie { return func(_ testing.TB, c *ceremony) { c.typ = typ } }

// AtCount says another sign count.
func AtCount(n uint32) Lie { return func(_ testing.TB, c *ceremony) { c.counter = n } }

// AsCredential claims to be another credential.
func AsCredential(id []byte) Lie { return func(_ testing.TB, c *ceremony) { c.id = id } }

// WithMember adds members to the client data, given as `,"name":value`.
func WithMember(json string) Lie { return func(_ testing.TB, c *ceremony) { c.extra = json } }

// WithOtherKey signs with a key that nobody registered.
func WithOtherKey() Lie {
	return func(t testing.TB, c *ceremony) {
		c.key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	}
}

// WithBadSignature changes one bit of the signature.
func WithBadSignature() Lie { return func(_ testing.TB, c *ceremony) { c.spoilSignature = true } }

// SelfAttested has the passkey itself attest what it is (WebAuthn §6.5.3).
func SelfAttested() Lie { return func(_ testing.TB, c *ceremony) { c.selfAttested = true } }

// OfModel says of what model the authenticator is; of none otherwise.
func OfModel(aaguid [16]byte) Lie { return func(_ testing.TB, c *ceremony) { c.aaguid = aaguid } }

// The flags of authenticator data (WebAuthn §6.1).
const (
	flagUP, flagUV, flagBE, flagBS, flagAT byte = 1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 6
)

// Create answers {"publicKey": PublicKeyCredentialCreationOptions} with a
// PublicKeyCredential, both as JSON; the attestation is none.
func (a *Authenticator) Create(t testing.TB, options []byte, lies ...Lie) []byte {
	t.Helper()
	var o struct {
		PublicKey struct {
			Challenge string `json:"challenge"`
			User      struct {
				ID string `json:"id"`
			} `json:"user"`
		} `json:"publicKey"`
	}
	decodeJSON(t, options, &o)
	a.handle = decodeBase64(t, o.PublicKey.User.ID)
	c := a.begin(t, "webauthn.create", o.PublicKey.Challenge, lies)
	c.flags |= flagAT
	data := c.authData()
	data = append(data, c.aaguid[:]...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(c.id)))
	data = append(append(data, c.id...), a.cose...)
	format, statement := "none", map[string]any{}
	if c.selfAttested {
		format, statement = "packed", map[string]any{"alg": ES256, "sig": c.sign(t, data, c.clientData())}
	}
	object := encodeCBOR(t, map[string]any{"fmt": format, "attStmt": statement, "authData": data})
	return credential(t, c.id, map[string]any{
		"clientDataJSON": encodeBase64(c.clientData()), "attestationObject": encodeBase64(object),
		"transports": []string{"internal"},
	})
}

// Get answers {"publicKey": PublicKeyCredentialRequestOptions} with a
// PublicKeyCredential, both as JSON.
func (a *Authenticator) Get(t testing.TB, options []byte, lies ...Lie) []byte {
	t.Helper()
	var o struct {
		PublicKey struct {
			Challenge string `json:"challenge"`
		} `json:"publicKey"`
	}
	decodeJSON(t, options, &o)
	a.Counter++
	c := a.begin(t, "webauthn.get", o.PublicKey.Challenge, lies)
	client, data := c.clientData(), c.authData()
	return credential(t, c.id, map[string]any{
		"clientDataJSON": encodeBase64(client), "authenticatorData": encodeBase64(data),
		"signature": encodeBase64(c.sign(t, data, client)), "userHandle": encodeBase64(a.handle),
	})
}

// begin is an honest ceremony, and then what the lies make of it.
func (a *Authenticator) begin(t testing.TB, typ, challenge string, lies []Lie) ceremony {
	t.Helper()
	c := ceremony{
		typ: typ, origin: a.Origin, rpID: a.RPID, challenge: decodeBase64(t, challenge),
		flags: flagUP | flagUV, counter: a.Counter, key: a.key, id: a.ID,
	}
	for _, lie := range lies {
		lie(t, &c)
	}
	return c
}

func (c ceremony) clientData() []byte {
	return []byte(`{"type":"` + c.typ + `","challenge":"` + encodeBase64(c.challenge) +
		`","origin":"` + c.origin + `","crossOrigin":false` + c.extra + `}`)
}

func (c ceremony) authData() []byte {
	hash := sha256.Sum256([]byte(c.rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], c.flags), c.counter)
}

func (c ceremony) sign(t testing.TB, data, client []byte) []byte {
	t.Helper()
	hash := sha256.Sum256(client)
	message, opts := append(data[:len(data):len(data)], hash[:]...), crypto.Hash(0)
	if _, ok := c.key.(ed25519.PrivateKey); !ok {
		sum := sha256.Sum256(message)
		message, opts = sum[:], crypto.SHA256
	}
	sig := must(c.key.Sign(rand.Reader, message, opts))(t)
	if c.spoilSignature {
		sig[len(sig)-1] ^= 1
	}
	return sig
}

// credential is a PublicKeyCredential as JSON.
func credential(t testing.TB, id []byte, response map[string]any) []byte {
	t.Helper()
	return must(json.Marshal(map[string]any{
		"id": encodeBase64(id), "rawId": encodeBase64(id), "type": "public-key",
		"clientExtensionResults": map[string]any{}, "response": response,
	}))(t)
}

func encodeCBOR(t testing.TB, v any) []byte {
	t.Helper()
	mode := must(cbor.CTAP2EncOptions().EncMode())(t)
	return must(mode.Marshal(v))(t)
}

func encodeBase64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decodeBase64(t testing.TB, s string) []byte {
	t.Helper()
	return must(base64.RawURLEncoding.DecodeString(s))(t)
}

func decodeJSON(t testing.TB, b []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// must ends the test on an error; it is called as must(f())(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
