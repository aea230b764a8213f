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
	Devices   []device.Device // active ones that it stands for, at most one a user
}

// Store keeps sessions. Package server/store implements it.
type Store interface {
	CreateSession(ctx context.Context, s Session) error
	// Session returns the session with its active devices, in one indexed read;
	// ErrUnauthorized if there is none or it is over.
	Session(ctx context.Context, id ID) (Session, error)
}

// The refusals of this package.
var (
	ErrUnauthorized = errors.New("session: no valid session")
	ErrProof        = errors.New("session: no valid DPoP proof") // RFC 9449 §7.1, invalid_dpop_proof
	ErrBusy         = errors.New("session: too many proofs at once")
	ErrNoDevice     = errors.New("session: stands for no device")
)
