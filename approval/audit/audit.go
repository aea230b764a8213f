// Package audit is the words of the audit log: what an entry says, and the
// closed list of things that can have happened.
package audit

import (
	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
)

// Word is what happened, as it stands in the log.
type Word string

// The words of the log.
const (
	RequestReceived  Word = "request.received"
	RequestRefused   Word = "request.refused" // Mitome's own no, at the door
	RequestApproved  Word = "request.approved"
	RequestDenied    Word = "request.denied"
	RequestExpired   Word = "request.expired"
	RequestWithdrawn Word = "request.withdrawn"
	CodeTried        Word = "request.code_tried"
	RequestDelivered Word = "request.delivered"    // a device was told of it, or could not be
	RequestShown     Word = "request.shown"        // a device was given it to show, for the first time
	RequestViewed    Word = "request.viewed"       // a device has what it is to sign
	PasskeyRefused   Word = "passkey.refused"      // what was said to be signed by one did not hold
	EvidenceRead     Word = "evidence.read"        // by an administrator
	KeysChanged      Word = "keys.changed"         // in the key file, by a command; what was done is in the detail
	AsksRefused      Word = "asks.refused"         // a client asked too much; how often is in the detail
	QuietHoursSet    Word = "user.quiet_hours_set" // or taken away, by her
	ReportEnded      Word = "report.ended"
	UserCreated      Word = "user.created"
	HintAdded        Word = "user.hint_added"
	UserCodeSet      Word = "user.code_set" // the user's own, by her or by an administrator
	UserCodeCleared  Word = "user.code_cleared"
	UserCodeLocked   Word = "user.code_locked" // wrong too often; no user: it was tried for nobody
	PairingOffered   Word = "pairing.offered"
	PairingClaimed   Word = "pairing.claimed"
	PairingConfirmed Word = "pairing.confirmed"
	PairingCompleted Word = "pairing.completed"
	PairingCancelled Word = "pairing.cancelled"
	PairingExpired   Word = "pairing.expired"
	DeviceRenamed    Word = "device.renamed"
	SignedIn         Word = "session.signed_in" // a passkey opened a session
	SignedOut        Word = "session.signed_out"
	DeskOpened       Word = "desk.opened" // a sign-in at the OP
	SignInRefused    Word = "desk.refused"
	DeviceRevoked    Word = "device.revoked"
	DeviceCooling    Word = "device.cooling"        // it is new, and does nothing yet
	DeviceActivated  Word = "device.activated"      // its wait was over, or an administrator said so
	DeviceConfirmed  Word = "device.confirmed"      // an older device said so
	DeviceCancelled  Word = "device.cancelled"      // an older device said no
	DeviceLost       Word = "device.lost"           // another device of the user reported it
	CodesUnlocked    Word = "device.codes_unlocked" // its passkey let it show codes at a till
	CodeRead         Word = "device.code_read"      // an OP learned from a code whom it means
	CodeRefused      Word = "device.code_refused"   // a code came too late, twice or by the wrong way; it is spent
	AddressAdded     Word = "device.address_added"
	ClientFrozen     Word = "client.frozen"  // the user did not start what it asked, and says so
	RequestBarred    Word = "request.barred" // turned away as if its user were unknown: her client is frozen, or she is locked
	UserLocked       Word = "user.locked"    // by herself or by an administrator
	UserUnlocked     Word = "user.unlocked"
	LogPruned        Word = "audit.pruned" // rows older than are kept
	LogErased        Word = "audit.erased" // what rows said of a user who is erased
	UserErased       Word = "user.erased"
	AddressRemoved   Word = "device.address_removed" // dropped by the device, taken over by another, too many, or gone
)

// Entry is one row of the log. It names things by id and holds no secret, no
// code and no words of a request.
type Entry struct {
	Word    Word
	By      device.Actor
	Request approval.RequestID
	User    device.UserID
	Device  device.DeviceID
	Detail  map[string]string // small facts: a reason, an outcome
}

// OfState is the word for a request that has just come to s.
func OfState(s approval.State) Word {
	switch s {
	case approval.Approved:
		return RequestApproved
	case approval.Denied:
		return RequestDenied
	case approval.Expired:
		return RequestExpired
	case approval.Withdrawn:
		return RequestWithdrawn
	}
	return CodeTried
}

// OfRemoval is the word for content that has just left the log.
func OfRemoval(k RemovalKind) Word {
	if k == Erased {
		return LogErased
	}
	return LogPruned
}

// OfActivation is the word for a cooling device that by has just made active.
func OfActivation(by device.Actor) Word {
	if by.Kind == device.ActorDevice {
		return DeviceConfirmed
	}
	return DeviceActivated
}

// OfEnrollment is the word for an enrollment that has just come to s.
func OfEnrollment(s device.EnrollmentState) Word {
	switch s {
	case device.Claimed:
		return PairingClaimed
	case device.Confirmed:
		return PairingConfirmed
	case device.Completed:
		return PairingCompleted
	case device.Cancelled:
		return PairingCancelled
	case device.Expired:
		return PairingExpired
	}
	return PairingOffered
}
