package device

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/push"
)

// Service is what the rest of Mitome may do with users, devices and pairings.
// All fields up to Now are needed; cmd/mitome/wire.go fills them.
type Service struct {
	Users       Users
	Devices     Devices
	Enrollments Enrollments
	Ceremonies  Ceremonies
	Lifecycle   Lifecycle
	Gestures    Gestures
	Addresses   Addresses
	HintTokens  HintTokens
	UserCodes   UserCodes
	CodeKeys    CodeKeys
	CheckTarget func(push.Address) error // push.Dispatcher's Check
	Passkeys    Passkeys
	RP          RelyingParty
	Now         func() time.Time

	CoolingOff time.Duration // how long a new device cools; DefaultCoolingOff if zero
	MaxDevices int           // of one user; DefaultMaxDevices if zero

	// Locks keeps who is locked; Locked, if set, is told of each who has just been.
	Locks  Locks
	Locked func(ctx context.Context, u UserID)

	// Models knows authenticators, and Proof says how much a pairing with a user of
	// an OP wants to know of one. Without them nobody is asked.
	Models Models
	Proof  func(op string) Proof

	hashing hashing
}

// CodeKeys makes keyed hashes. Package server/seal implements it.
type CodeKeys interface {
	// Lookup returns a keyed hash of value that stays the same for ever. Kind
	// keeps equal values of different meaning apart.
	Lookup(kind, value string) []byte
}

// What is where nothing else was configured.
const (
	DefaultCoolingOff = 24 * time.Hour
	DefaultMaxDevices = 10
)

// maxSubject is how long a sub may be (OpenID Connect Core §2).
const maxSubject = 255

// AddUser makes the user that u says by its OP, Subject and Name; the rest is
// filled in. It returns ErrUserExists if the OP's subject is known already.
func (s *Service) AddUser(ctx context.Context, u User, by Actor) (User, error) {
	if u.OP == "" || u.Subject == "" || len(u.Subject) > maxSubject {
		return User{}, ErrSubject
	}
	if u.Name != "" {
		var err error
		if u.Name, err = cleanName(u.Name); err != nil {
			return User{}, err
		}
	}
	u.ID, u.CreatedAt = UserID(rand.Text()), s.Now()
	if err := s.Users.CreateUser(ctx, u, by); err != nil {
		return User{}, err
	}
	return u, nil
}

// AddHint has h mean user id from now on. It returns ErrHint for a hint that
// nothing could match, and ErrHintTaken if it means another user of that OP.
func (s *Service) AddHint(ctx context.Context, id UserID, h Hint, by Actor) error {
	h, err := h.normal()
	if err != nil {
		return err
	}
	u, err := s.Users.User(ctx, id)
	if err != nil {
		return err
	}
	return s.Users.AddHint(ctx, u, h, by)
}

// ListUsers returns the users of op (of all OPs if empty), by OP and name.
func (s *Service) ListUsers(ctx context.Context, op string) ([]User, error) {
	return s.Users.ListUsers(ctx, op)
}

// User returns ErrUnknownUser when there is none.
func (s *Service) User(ctx context.Context, id UserID) (User, error) {
	return s.Users.User(ctx, id)
}

// FindUser finds by subject, or by hint where there is no subject. It returns
// ErrUnknownUser when nobody is meant; a hint of a form unknown here is a person
// unknown here.
func (s *Service) FindUser(ctx context.Context, sub Subject) (User, error) {
	if sub.Sub == "" {
		h, err := sub.Hint.normal()
		if err != nil {
			return User{}, ErrUnknownUser
		}
		sub.Hint = h
	}
	return s.Users.FindUser(ctx, sub)
}

// Device returns ErrDeviceNotFound when there is none.
func (s *Service) Device(ctx context.Context, id DeviceID) (Device, error) {
	return s.Devices.Device(ctx, id)
}

// DevicesOf returns a user's devices, the revoked ones too, oldest first.
func (s *Service) DevicesOf(ctx context.Context, u UserID) ([]Device, error) {
	return s.Devices.DevicesOf(ctx, u)
}

// Rename gives a device another name. It returns ErrName for one that is not fit
// to be shown and ErrDeviceNotFound when there is no such device.
func (s *Service) Rename(ctx context.Context, id DeviceID, name string, by Actor) error {
	name, err := cleanName(name)
	if err != nil {
		return err
	}
	if _, err := s.Devices.Device(ctx, id); err != nil {
		return err
	}
	return s.Devices.RenameDevice(ctx, id, name, by)
}

// Revoke ends a device for good: it approves nothing from the next call on, on
// any node. Revoking twice is no error; an unknown device is ErrDeviceNotFound.
func (s *Service) Revoke(ctx context.Context, id DeviceID, by Actor) error {
	if _, err := s.Devices.Device(ctx, id); err != nil {
		return err
	}
	return s.Devices.RevokeDevice(ctx, id, by)
}

// CredentialsOf returns the passkeys of one device.
func (s *Service) CredentialsOf(ctx context.Context, id DeviceID) ([]Credential, error) {
	creds, err := s.Devices.CredentialsOf(ctx, id)
	return s.judged(creds), err
}

// AssertionOptions asks the passkeys of one device to sign challenge; see
// [RelyingParty.AssertionOptions].
func (s *Service) AssertionOptions(ctx context.Context, id DeviceID, challenge []byte) (json.RawMessage, error) {
	creds, err := s.Devices.CredentialsOf(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("find passkeys: %w", err)
	}
	return s.RP.AssertionOptions(creds, challenge)
}

// VerifyAssertion checks that a passkey of that one device signed challenge; see
// [RelyingParty.VerifyAssertion].
func (s *Service) VerifyAssertion(ctx context.Context, id DeviceID, challenge, assertion []byte) (Assertion, error) {
	creds, err := s.Devices.CredentialsOf(ctx, id)
	if err != nil {
		return Assertion{}, fmt.Errorf("find passkeys: %w", err)
	}
	return s.RP.VerifyAssertion(s.judged(creds), challenge, assertion)
}
