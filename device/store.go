package device

import (
	"context"
	"time"

	"github.com/mitome-ciba/mitome/push"
)

// Users keeps users and the hints that mean them. Package server/store
// implements it and the ports below; devicetest.RunStore says, as tests, what
// an implementation must do. Each change writes its audit row in the same
// transaction.
type Users interface {
	// CreateUser returns ErrUserExists if (OP, Subject) is taken.
	CreateUser(ctx context.Context, u User, by Actor) error
	// User returns ErrUnknownUser when there is none.
	User(ctx context.Context, id UserID) (User, error)
	// FindUser finds by subject, or by hint where there is no subject. It
	// returns ErrUnknownUser when nobody is meant.
	FindUser(ctx context.Context, s Subject) (User, error)
	// ListUsers returns the users of op (of all OPs if empty), by OP and name.
	ListUsers(ctx context.Context, op string) ([]User, error)
	// AddHint has h mean u; ErrHintTaken if it means another user of that OP.
	AddHint(ctx context.Context, u User, h Hint, by Actor) error
	// EraseUser removes a user and whatever refers to her; ErrUserBusy while an
	// OP waits for an answer about her.
	EraseUser(ctx context.Context, id UserID, by Actor) error
}

// Devices keeps devices and their passkeys.
type Devices interface {
	// Device returns ErrDeviceNotFound when there is none.
	Device(ctx context.Context, id DeviceID) (Device, error)
	// DevicesOf returns a user's devices, the revoked ones too, oldest first.
	DevicesOf(ctx context.Context, u UserID) ([]Device, error)
	RenameDevice(ctx context.Context, id DeviceID, name string, by Actor) error
	// RevokeDevice makes a device revoked, removes its addresses and ends its
	// part in every session. Doing it twice is no error.
	RevokeDevice(ctx context.Context, id DeviceID, by Actor) error
	// CredentialsOf returns the passkeys of a device.
	CredentialsOf(ctx context.Context, id DeviceID) ([]Credential, error)
}

// Enrollments keeps pairings.
type Enrollments interface {
	CreateEnrollment(ctx context.Context, e Enrollment) error
	// Enrollment returns ErrEnrollmentNotFound when there is none.
	Enrollment(ctx context.Context, id EnrollmentID) (Enrollment, error)
	// EnrollmentBySecret finds by the SHA-256 of the secret.
	EnrollmentBySecret(ctx context.Context, hash []byte) (Enrollment, error)
	// UpdateEnrollment stores next in place of the version it was computed
	// from; ErrEnrollmentChanged if that has moved.
	UpdateEnrollment(ctx context.Context, next Enrollment, by Actor) error
	// CompleteEnrollment stores what c says and the session's right to the
	// device, all or nothing. It returns ErrEnrollmentChanged if the enrollment
	// moved or the user has another number of devices than c.Had by now.
	CompleteEnrollment(ctx context.Context, c Completion, by Actor) error
	// DueEnrollments returns up to limit that are not final and past ExpiresAt.
	DueEnrollments(ctx context.Context, now time.Time, limit int) ([]Enrollment, error)
}

// Completion is the end of a pairing.
type Completion struct {
	Next    Enrollment
	Device  Device // with its addresses
	Passkey Credential
	Had     int // devices of the user, but the revoked, when it was decided how this one begins
}

// Lifecycle keeps how devices come to be active, or never do. Each change tells
// the user's active devices of it in the same transaction.
type Lifecycle interface {
	// ActivateDevice makes a cooling device active, CancelDevice revoked. Both
	// return ErrDeviceChanged if it is not cooling any more.
	ActivateDevice(ctx context.Context, id DeviceID, by Actor) error
	CancelDevice(ctx context.Context, id DeviceID, by Actor) error
	// LoseDevice revokes a device and moves the counter of the passkey that
	// signed for it; ErrDeviceChanged if that moved meanwhile.
	LoseDevice(ctx context.Context, id DeviceID, used CredentialUse, by Actor) error
	// DueDevices returns up to limit cooling devices whose ActiveAt has come.
	DueDevices(ctx context.Context, now time.Time, limit int) ([]Device, error)
	// DeviceOfSession returns the device of u that a session stands for;
	// ErrDeviceNotFound when there is none.
	DeviceOfSession(ctx context.Context, session string, u UserID) (Device, error)
}

// Addresses keeps where devices can be reached.
type Addresses interface {
	// AddAddress stores an address, or refreshes the one of the same target that
	// the device has, and returns its id. Devices other than those of n.Shared
	// lose the target, and the device those beyond n.Most that were refreshed
	// longest ago; its socket is not counted. An address that is new to the device
	// is tested by itself; one that is refreshed is not doubtful any more. It returns
	// ErrDeviceNotFound if the device is revoked.
	AddAddress(ctx context.Context, n NewAddress, by Actor) (push.AddressID, error)
	// DropAddress forgets an address of the device; ErrAddressNotFound when it
	// has none of that id.
	DropAddress(ctx context.Context, d DeviceID, id push.AddressID, by Actor) error
	// DoubtAddress writes down whether an address is doubtful, see
	// push.Address.Doubtful. When a doubt that stands began does not change, and an
	// address that is not there is no error.
	DoubtAddress(ctx context.Context, id push.AddressID, doubtful bool) error
	// TestAddresses has a test message sent to each address of the device, and
	// returns how many those are.
	TestAddresses(ctx context.Context, d DeviceID) (int, error)
}

// NewAddress is an address that a device says it can be reached at.
type NewAddress struct {
	Device  DeviceID
	Address push.Address // its ID serves if the target is new to the device
	Shared  []DeviceID   // the devices that may have the target: one browser is several
	Most    int          // addresses of one device, beside its socket
}

// Ceremonies keeps the challenge of a registration between its two halves.
type Ceremonies interface {
	// SaveCeremony replaces what is kept for the enrollment.
	SaveCeremony(ctx context.Context, id EnrollmentID, data []byte) error
	// TakeCeremony returns and removes what is kept, so that a challenge serves
	// once; ErrPasskey when there is nothing.
	TakeCeremony(ctx context.Context, id EnrollmentID) ([]byte, error)
}
