package device

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
)

// Passkeys finds a passkey by what the browser calls it. Package server/store
// implements it.
type Passkeys interface {
	// Passkey returns ErrPasskey when there is none of that WebAuthn ID.
	Passkey(ctx context.Context, webauthnID []byte) (Credential, error)
}

// unlockStatement is what a passkey signs that signs somebody in: nothing is
// shown before it, so it says nothing more.
var unlockStatement = []byte(`{"act":"unlock"}`)

// BeginUnlock asks any passkey of ours to sign in, and says nothing of which
// there are. It returns PublicKeyCredentialRequestOptions as {"publicKey": …}
// and the id under which the answer is awaited.
func (s *Service) BeginUnlock(ctx context.Context) (id string, options json.RawMessage, err error) {
	g := NewGesture(Gesture{
		ID: rand.Text(), Purpose: PurposeUnlock, Statement: unlockStatement, ExpiresAt: s.Now().Add(GestureLife),
	})
	if options, err = s.RP.UnlockOptions(g.Challenge()); err != nil {
		return "", nil, err
	}
	if err := s.Gestures.SaveGesture(ctx, g); err != nil {
		return "", nil, err
	}
	return g.ID, options, nil
}

// Unlock returns the device whose passkey answered. Every failure is ErrGesture
// or ErrPasskey: whether a passkey is unknown, revoked or another's is not for
// the caller to learn.
func (s *Service) Unlock(ctx context.Context, id string, assertion []byte) (Device, Assertion, error) {
	g, err := s.Gestures.TakeGesture(ctx, id, PurposeUnlock, s.Now())
	if err != nil {
		return Device{}, Assertion{}, err
	}
	webauthnID, handle, err := readAnswer(assertion)
	if err != nil {
		return Device{}, Assertion{}, err
	}
	c, err := s.Passkeys.Passkey(ctx, webauthnID)
	if err != nil {
		return Device{}, Assertion{}, err
	}
	a, err := s.RP.VerifyAssertion([]Credential{c}, g.Challenge(), assertion)
	if err != nil {
		return Device{}, Assertion{}, err
	}
	d, err := s.Devices.Device(ctx, c.Device)
	if err != nil {
		return Device{}, Assertion{}, fmt.Errorf("device of passkey: %w", err)
	}
	// WebAuthn §7.2 step 6: nobody was named before, so the handle must come, and
	// be the one that the passkey was made under.
	if d.State == Revoked || subtle.ConstantTimeCompare(handle, userHandle(d.Enrollment)) != 1 {
		return Device{}, Assertion{}, ErrPasskey
	}
	return d, a, nil
}
