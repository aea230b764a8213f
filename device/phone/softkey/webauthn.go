package softkey

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// es256 is the one algorithm of this authenticator (RFC 9053 §2.1).
const es256 = -7

// The flags of authenticator data (WebAuthn §6.1). Neither BE nor BS is ever set.
const (
	flagUP = 1 << 0
	flagUV = 1 << 2
	flagAT = 1 << 6
)

// passkey is one WebAuthn credential with its private key.
type passkey struct {
	ID         []byte `json:"id"`
	RPID       string `json:"rp_id"`
	UserHandle []byte `json:"user_handle"`
	Key        []byte `json:"key"` // PKCS #8, P-256
	SignCount  uint32 `json:"sign_count"`
}

// base64url is bytes as WebAuthn's JSON has them.
type base64url []byte

// MarshalJSON implements json.Marshaler.
func (b base64url) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.RawURLEncoding.EncodeToString(b))
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *base64url) UnmarshalJSON(raw []byte) (err error) {
	var s string
	if err = json.Unmarshal(raw, &s); err == nil {
		*b, err = base64.RawURLEncoding.DecodeString(s)
	}
	return err
}

// descriptor names a credential.
type descriptor struct {
	ID base64url `json:"id"`
}

// parameter names an algorithm.
type parameter struct {
	Alg int `json:"alg"`
}

// creationOptions is what we read of PublicKeyCredentialCreationOptionsJSON.
type creationOptions struct {
	Challenge base64url `json:"challenge"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID base64url `json:"id"`
	} `json:"user"`
	Params  []parameter  `json:"pubKeyCredParams"`
	Exclude []descriptor `json:"excludeCredentials"`
}

// requestOptions is what we read of PublicKeyCredentialRequestOptionsJSON.
type requestOptions struct {
	Challenge base64url    `json:"challenge"`
	RPID      string       `json:"rpId"`
	Allow     []descriptor `json:"allowCredentials"`
}

// CreatePasskey implements phone.KeyStore: it makes a passkey with attestation
// "none". The origin is the server's.
func (s *Store) CreatePasskey(server, options string) (string, error) {
	var o creationOptions
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return "", fmt.Errorf("%w: %w", ErrOptions, err)
	}
	origin, rpID, err := scope(server, o.RP.ID)
	if err != nil {
		return "", err
	}
	if !slices.Contains(o.Params, parameter{es256}) || len(o.Challenge) == 0 || len(o.User.ID) == 0 {
		return "", ErrOptions
	}
	pk := &passkey{ID: make([]byte, 32), RPID: rpID, UserHandle: o.User.ID}
	rand.Read(pk.ID) // never fails, says crypto/rand
	if pk.Key, err = newKey(); err != nil {
		return "", err
	}
	answer, err := pk.register(o.Challenge, origin)
	if err != nil {
		return "", err
	}
	err = s.change(server, func(a *account) error {
		for _, old := range a.Passkeys {
			if old.RPID == rpID && named(o.Exclude, old.ID) {
				return ErrExists
			}
		}
		// One passkey for each user handle, as in any authenticator.
		a.Passkeys = slices.DeleteFunc(a.Passkeys, func(old *passkey) bool {
			return old.RPID == rpID && bytes.Equal(old.UserHandle, pk.UserHandle)
		})
		a.Passkeys = append(a.Passkeys, pk)
		return nil
	})
	if err != nil {
		return "", err
	}
	return answer, nil
}

// UsePasskey implements phone.KeyStore: it signs the challenge with the passkey
// that the options name, or the newest for their RP ID if they name none.
func (s *Store) UsePasskey(server, options string) (string, error) {
	var o requestOptions
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return "", fmt.Errorf("%w: %w", ErrOptions, err)
	}
	origin, rpID, err := scope(server, o.RPID)
	if err != nil {
		return "", err
	}
	if len(o.Challenge) == 0 {
		return "", ErrOptions
	}
	<-time.After(s.Pause)
	var used passkey
	err = s.change(server, func(a *account) error {
		for _, pk := range slices.Backward(a.Passkeys) {
			if pk.RPID == rpID && (len(o.Allow) == 0 || named(o.Allow, pk.ID)) {
				pk.SignCount++
				used = *pk
				return nil
			}
		}
		return ErrNoPasskey
	})
	if err != nil {
		return "", err
	}
	return used.assert(o.Challenge, origin)
}

// scope checks that a page of server may use passkeys of rpID (WebAuthn §5.1.3
// step 8, §5.1.4.1 step 7), and returns the origin to sign.
func scope(server, rpID string) (origin, id string, err error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", "", fmt.Errorf("%w: server: %w", ErrOptions, err)
	}
	host := u.Hostname()
	if rpID == "" {
		rpID = host
	}
	under := strings.Contains(rpID, ".") && strings.HasSuffix(host, "."+rpID)
	if rpID != host && !under {
		return "", "", fmt.Errorf("%w: RP ID %q is not of %s", ErrOptions, rpID, host)
	}
	return u.Scheme + "://" + u.Host, rpID, nil
}

func named(list []descriptor, id []byte) bool {
	return slices.ContainsFunc(list, func(d descriptor) bool { return bytes.Equal(d.ID, id) })
}

// authData is the authenticator data (WebAuthn §6.1) without its variable part.
func (pk passkey) authData(flags byte) []byte {
	hash := sha256.Sum256([]byte(pk.RPID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), pk.SignCount)
}

// register is the answer to a creation (WebAuthn §5.1.9, RegistrationResponseJSON).
func (pk passkey) register(challenge []byte, origin string) (string, error) {
	key, err := parseKey(pk.Key)
	if err != nil {
		return "", err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	cose, err := mode.Marshal(map[int]any{1: 2, 3: es256, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	data := append(pk.authData(flagUP|flagUV|flagAT), make([]byte, 16)...) // the AAGUID of nobody
	data = binary.BigEndian.AppendUint16(data, uint16(len(pk.ID)))
	data = append(append(data, pk.ID...), cose...)
	object, err := mode.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		return "", fmt.Errorf("encode attestation: %w", err)
	}
	client, err := clientData("webauthn.create", challenge, origin)
	if err != nil {
		return "", err
	}
	return pk.credential(map[string]any{
		"clientDataJSON": base64url(client), "attestationObject": base64url(object),
		"authenticatorData": base64url(data), "publicKey": base64url(spki),
		"publicKeyAlgorithm": es256, "transports": []string{"internal"},
	})
}

// assert is the answer to a use (WebAuthn §5.1.9, AuthenticationResponseJSON).
func (pk passkey) assert(challenge []byte, origin string) (string, error) {
	key, err := parseKey(pk.Key)
	if err != nil {
		return "", err
	}
	client, err := clientData("webauthn.get", challenge, origin)
	if err != nil {
		return "", err
	}
	data, hash := pk.authData(flagUP|flagUV), sha256.Sum256(client)
	sig, err := sign(key, slices.Concat(data, hash[:]))
	if err != nil {
		return "", err
	}
	return pk.credential(map[string]any{
		"clientDataJSON": base64url(client), "authenticatorData": base64url(data),
		"signature": base64url(sig), "userHandle": base64url(pk.UserHandle),
	})
}

// credential is a PublicKeyCredential as JSON.
func (pk passkey) credential(response map[string]any) (string, error) {
	out, err := json.Marshal(map[string]any{
		"id": base64url(pk.ID), "rawId": base64url(pk.ID), "type": "public-key",
		"authenticatorAttachment": "platform", "clientExtensionResults": struct{}{}, "response": response,
	})
	if err != nil {
		return "", errors.New("softkey: encode credential")
	}
	return string(out), nil
}

// clientData is CollectedClientData in the order that WebAuthn §5.8.1.1 lays down.
func clientData(typ string, challenge []byte, origin string) ([]byte, error) {
	out, err := json.Marshal(struct {
		Type        string    `json:"type"`
		Challenge   base64url `json:"challenge"`
		Origin      string    `json:"origin"`
		CrossOrigin bool      `json:"crossOrigin"`
	}{typ, challenge, origin, false})
	if err != nil {
		return nil, fmt.Errorf("encode client data: %w", err)
	}
	return out, nil
}
