package device

import (
	"fmt"
	"time"
)

// EnrollmentID names an enrollment. It is no secret.
type EnrollmentID string

// Enrollment is one pairing of one phone with one user, from the offer to the
// passkey.
type Enrollment struct {
	ID         EnrollmentID
	User       UserID
	SecretHash []byte // SHA-256 of the one-time secret in the QR code
	MatchCode  string // shown on both screens; empty until claimed
	Session    string // id of the session that claimed it; empty until claimed
	DeviceName string // what the phone calls itself; empty until claimed
	Device     DeviceID
	State      EnrollmentState
	OfferedBy  Actor
	CreatedAt  time.Time
	ExpiresAt  time.Time
	Version    int // grows by one on each stored change
}

// EnrollmentState is where an enrollment stands.
type EnrollmentState string

// The states of an enrollment. Completed, expired and cancelled are final.
const (
	Offered   EnrollmentState = "offered"
	Claimed   EnrollmentState = "claimed"
	Confirmed EnrollmentState = "confirmed"
	Completed EnrollmentState = "completed"
	Expired   EnrollmentState = "expired"
	Cancelled EnrollmentState = "cancelled"
)

// Final reports whether no event can move an enrollment out of s.
func (s EnrollmentState) Final() bool {
	return s == Completed || s == Expired || s == Cancelled
}

// How long each part of a pairing may take.
const (
	OfferLife = 120 * time.Second // from the offer to the claim (security.md X2)
	ClaimLife = 5 * time.Minute   // from the claim to the passkey
)

// EnrollmentEvent is something that happens to an enrollment.
type EnrollmentEvent interface{ enrollmentEvent() }

type (
	// ClaimedBy is a phone trading the secret for a session.
	ClaimedBy struct{ Session, DeviceName, MatchCode string }
	// ConfirmedBy is the first screen saying that both match codes are equal.
	ConfirmedBy struct{ MatchCode string }
	// CompletedWith is the phone's passkey, verified, having become a device.
	CompletedWith struct {
		Session string
		Device  DeviceID
	}
	// CancelledBy is anybody who may, taking the pairing back.
	CancelledBy struct{}
	// LapsedAt is the passing of ExpiresAt.
	LapsedAt struct{}
)

func (ClaimedBy) enrollmentEvent()     {}
func (ConfirmedBy) enrollmentEvent()   {}
func (CompletedWith) enrollmentEvent() {}
func (CancelledBy) enrollmentEvent()   {}
func (LapsedAt) enrollmentEvent()      {}

// StateAt is the state of e as of now: one that is past ExpiresAt is over, even
// if nobody has come round to storing that yet.
func (e Enrollment) StateAt(now time.Time) EnrollmentState {
	if !e.State.Final() && !now.Before(e.ExpiresAt) {
		return Expired
	}
	return e.State
}

// Step is the whole life of an enrollment: given where it stands and what
// happened, it returns where it stands next. When it returns an error the
// enrollment has not moved.
func (e Enrollment) Step(ev EnrollmentEvent, now time.Time) (Enrollment, error) {
	if e.State.Final() {
		return e, ErrEnrollmentOver
	}
	late := !now.Before(e.ExpiresAt)
	switch ev := ev.(type) {
	case CancelledBy:
		e.State = Cancelled
		return e, nil
	case LapsedAt:
		if !late {
			return e, fmt.Errorf("device: enrollment %s lapsed before %v", e.ID, e.ExpiresAt)
		}
		e.State = Expired
		return e, nil
	default:
		if late {
			return e, ErrEnrollmentOver
		}
		return e.advance(ev, now)
	}
}

// advance is Step for the events that lead to a device, on time.
func (e Enrollment) advance(ev EnrollmentEvent, now time.Time) (Enrollment, error) {
	switch ev := ev.(type) {
	case ClaimedBy:
		if e.State != Offered {
			return e, ErrEnrollmentStep
		}
		e.State, e.ExpiresAt = Claimed, now.Add(ClaimLife)
		e.Session, e.DeviceName, e.MatchCode = ev.Session, ev.DeviceName, ev.MatchCode
		return e, nil
	case ConfirmedBy:
		if e.State != Claimed {
			return e, ErrEnrollmentStep
		}
		// A wrong code means that another phone than the one in view claimed
		// the secret, so the whole pairing is void, not just this try.
		if ev.MatchCode != e.MatchCode {
			e.State = Cancelled
			return e, nil
		}
		e.State = Confirmed
		return e, nil
	case CompletedWith:
		if e.State != Confirmed {
			return e, ErrEnrollmentStep
		}
		if ev.Session != e.Session {
			return e, ErrEnrollmentNotFound
		}
		e.State, e.Device = Completed, ev.Device
		return e, nil
	}
	return e, fmt.Errorf("device: unknown event %T", ev)
}
