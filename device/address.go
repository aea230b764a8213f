package device

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"fmt"

	"github.com/mitome-ciba/mitome/push"
)

// maxAddresses is how many addresses a device may have beside its socket. A
// browser that subscribes anew leaves its old subscription behind, and each is
// one more call to a push service for every request.
const maxAddresses = 5

// authSize is how long the secret of a device's key is (RFC 8291 §3.2).
const authSize = 16

// Register says that the caller's device id can be reached at a. The same target
// again is the same address, with the key and the language that a brings now. It
// returns ErrAddress for an address that its channel would not call, or whose
// key nothing can be sealed to.
func (s *Service) Register(ctx context.Context, c Caller, id DeviceID, a push.Address) (push.AddressID, error) {
	_, by, err := s.target(ctx, c, ActReach, id)
	if err != nil {
		return "", err
	}
	if err := s.checkAddress(a); err != nil {
		return "", err
	}
	a.ID, a.Since = push.AddressID(rand.Text()), s.Now()
	n := NewAddress{Device: id, Address: a, Most: maxAddresses}
	for _, d := range c.Devices {
		n.Shared = append(n.Shared, d.ID)
	}
	return s.Addresses.AddAddress(ctx, n, c.by(by))
}

// checkAddress refuses what could not be sent to. A socket's address is made at
// pairing and by nobody else.
func (s *Service) checkAddress(a push.Address) error {
	if a.Channel == push.WebSocket {
		return ErrAddress
	}
	if !a.Key.IsZero() {
		// The point is checked to lie on the curve before anything is computed
		// with it.
		if _, err := ecdh.P256().NewPublicKey(a.Key.P256DH); err != nil || len(a.Key.Auth) != authSize {
			return fmt.Errorf("%w: its key is none", ErrAddress)
		}
	}
	if err := s.CheckTarget(a); err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return nil
}

// Unregister forgets an address of the caller's device id.
func (s *Service) Unregister(ctx context.Context, c Caller, id DeviceID, address push.AddressID) error {
	_, by, err := s.target(ctx, c, ActReach, id)
	if err != nil {
		return err
	}
	return s.Addresses.DropAddress(ctx, id, address, c.by(by))
}

// Test has a test message sent to each address of the caller's device id, and
// returns how many those are.
func (s *Service) Test(ctx context.Context, c Caller, id DeviceID) (int, error) {
	if _, _, err := s.target(ctx, c, ActReach, id); err != nil {
		return 0, err
	}
	return s.Addresses.TestAddresses(ctx, id)
}
