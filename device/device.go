package device

import (
	"time"

	"github.com/mitome-ciba/mitome/push"
)

// DeviceID names a device inside Mitome.
type DeviceID string

// Device is one phone, browser or program of one user.
type Device struct {
	ID         DeviceID
	User       UserID
	Enrollment EnrollmentID // the pairing that made it
	Name       string       // given by the user at pairing; shown to the user and to administrators
	State      State
	Addresses  []push.Address // where its wake-ups go
	CreatedAt  time.Time
	ActiveAt   time.Time // when a cooling device becomes active by itself; zero for any other
	RevokedAt  time.Time // zero until revoked
	UsedAt     time.Time // when it last decided or opened a session, to the minute; zero for never
}

// State is where a device stands.
type State string

// The states of a device. Revoked is final.
const (
	// Cooling is new, made with a sign-in at the OP alone while the user had a
	// device already: it receives and decides nothing, and does nothing to others.
	Cooling State = "cooling"
	Active  State = "active"
	Revoked State = "revoked"
)

// MayApprove reports whether a decision may be taken on d.
func (d Device) MayApprove() bool { return d.State == Active }
