// Package session says who is calling: it issues sessions to phones and
// browsers, checks the token and proof of possession that come with a call, and
// keeps nothing but hashes.
//
// # Why
//
// A session is not a device: one browser may stand for a device at each of
// several OPs, and a session exists from the moment a phone claims a pairing,
// before there is any device at all. Its rights are the devices that the store
// ties to it, read anew on every call, so a revocation holds from the next call
// on, on every node.
package session

import (
	"context"
	"errors"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// ID names a session. It is the hex SHA-256 of the token, so it may be stored
// and compared, and gives no right.
type ID string

// Session is one caller's standing.
type Session struct {
	ID        ID
	JKT       string // RFC 7638 thumbprint of the DPoP key that must sign every call; empty for a browser
	CreatedAt time.Time
	ExpiresAt time.Time
	Devices   []device.Device // that it stands for, at most one a user; none is revoked, some may be cooling
}

// Store keeps sessions. Package server/store implements it.
type Store interface {
	CreateSession(ctx context.Context, s Session) error
	// Session returns the session with its devices but the revoked, in one indexed read;
	// ErrUnauthorized if there is none or it is over.
	Session(ctx context.Context, id ID) (Session, error)
	// SignIn stores in.Session, which stands for in.Device and for what
	// in.Before stood for of other users, and ends in.Before. It returns
	// device.ErrPasskey if the device was revoked or the passkey used meanwhile.
	SignIn(ctx context.Context, in SignIn) error
	// EndSession forgets a session and what it stood for. It is no error where
	// there is none.
	EndSession(ctx context.Context, id ID, by device.Actor) error
}

// SignIn is a passkey that opens a session.
type SignIn struct {
	Session Session
	Before  ID // the session that the caller had, if any; it ends
	Device  device.DeviceID
	Used    device.CredentialUse
	By      device.Actor
}

// Change is something that happened to what sessions stand for: a device was
// revoked (no Session), a session is over (no Device), or it stands for a device
// more.
type Change struct {
	Session ID
	Device  device.DeviceID
}

// The refusals of this package.
var (
	ErrUnauthorized = errors.New("session: no valid session")
	ErrProof        = errors.New("session: no valid DPoP proof") // RFC 9449 §7.1, invalid_dpop_proof
	ErrCrossSite    = errors.New("session: call of another site's page")
	ErrBusy         = errors.New("session: too many proofs at once")
	ErrNoDevice     = errors.New("session: stands for no device")
)
