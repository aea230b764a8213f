package approval

import (
	"context"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// Store keeps requests. Package server/store implements it and the ports below;
// approvaltest.RunStore says, as tests, what an implementation must do.
type Store interface {
	// CreateRequest stores r, its effects and an audit row, all or nothing. If
	// (OP, RefHash) was stored before it stores nothing and returns the earlier
	// request with ErrDuplicate.
	CreateRequest(ctx context.Context, r Request, effects []Effect, by device.Actor) (Request, error)

	// Request returns ErrNotFound when there is none.
	Request(ctx context.Context, id RequestID) (Request, error)

	// RequestByRef returns the OP's request under that reference; ErrNotFound when
	// there is none.
	RequestByRef(ctx context.Context, op string, refHash []byte) (Request, error)

	// PendingFor returns the requests of these users that are pending and not
	// past ExpiresAt at now, oldest first.
	PendingFor(ctx context.Context, users []device.UserID, now time.Time) ([]Request, error)

	// DueRequests returns up to limit pending requests past ExpiresAt.
	DueRequests(ctx context.Context, now time.Time, limit int) ([]Request, error)

	// UpdateRequest stores c.Next in place of the version it was computed from
	// and everything else in c, all or nothing. It returns ErrConflict when the
	// stored version is no longer c.Next.Version.
	UpdateRequest(ctx context.Context, c Change) error
}

// Change is everything that one event does to what is stored.
type Change struct {
	Next     Request
	Effects  []Effect
	By       device.Actor
	Spend    *Challenge            // consumed: ErrConflict if it was consumed before
	Used     *device.CredentialUse // the passkey's new counter: ErrConflict if it moved meanwhile
	Evidence *Evidence
	Freeze   *Freeze // the user said that she did not start it, and her passkey that it was she
	Calms    bool    // the user approved: how often she was asked begins anew
}

// Challenges keeps what a device was shown and must sign.
type Challenges interface {
	// SaveChallenge replaces what is kept for (c.Request, c.Device).
	SaveChallenge(ctx context.Context, c Challenge) error
	// Challenge returns ErrChallenge when there is none.
	Challenge(ctx context.Context, r RequestID, d device.DeviceID) (Challenge, error)
}

// Failures counts wrong codes per user, across requests, so that a new request
// does not give new tries (NIST SP 800-63B-4 §3.2.2).
type Failures interface {
	// ChargeCode stores next (a request with one more try charged) and adds one
	// to its user's count, both or neither. ErrConflict as for UpdateRequest.
	ChargeCode(ctx context.Context, next Request, now time.Time) error
	// CodeFailures returns the user's count and when it last grew.
	CodeFailures(ctx context.Context, u device.UserID) (count int, last time.Time, err error)
	// ForgiveCode takes all charges off the count: a right code and a passkey
	// came together.
	ForgiveCode(ctx context.Context, u device.UserID) error
}

// EvidenceStore reads evidence; it is written by UpdateRequest.
type EvidenceStore interface {
	// Evidence returns ErrNotFound when there is none.
	Evidence(ctx context.Context, id RequestID) (Evidence, error)
}

// Listing is what an operator may ask of requests as a whole.
type Listing interface {
	// ListRequests returns newest first.
	ListRequests(ctx context.Context, q Query) ([]Listed, error)
	// Deliveries returns what became of each message about a request, oldest
	// first, also where the address is no more.
	Deliveries(ctx context.Context, id RequestID) ([]Delivery, error)
}

// Delivery is what became of one message to one address of a device.
type Delivery struct {
	Kind       string // "notify" or "clear"
	Channel    push.Channel
	Device     device.DeviceID
	DeviceName string // what it is called now; empty if it is erased
	Outcome    string // in package deliver's words; empty: it has not ended
	Cause      string // of the last attempt; holds no secret
	Attempts   int
	Created    time.Time
	Ended      time.Time // zero: it has not
}

// Query chooses requests; a zero field does not restrict.
type Query struct {
	Request RequestID
	OP      string
	User    device.UserID
	State   State
	Unsure  bool // only those of which nobody knows whether the OP heard
	Limit   int  // at most 1,000; zero is 100
}

// Listed is a request as an operator sees it: without its handle, with what
// became of its report.
type Listed struct {
	Request  Request
	Report   ReportState
	Cause    string // why the last attempt did not end well; holds no secret
	Attempts int
}

// ReportState is what became of telling the OP.
type ReportState string

// The states of a report. All but ReportWaiting are final.
const (
	NoReport         ReportState = ""            // there was nothing to tell
	ReportWaiting    ReportState = "waiting"     // not yet, or to be tried again
	Reported         ReportState = "done"        // the OP took it
	ReportNotRelayed ReportState = "not_relayed" // the OP took it and could not ping its client
	ReportRefused    ReportState = "refused"     // the OP would not have it
	ReportUnsure     ReportState = "unsure"      // it may have arrived, and must not be repeated
	ReportTooLate    ReportState = "too_late"    // it never left before the request's time was over
)
