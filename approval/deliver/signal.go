package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/device"
)

// The kinds of job that tell the operator what a user reports.
const (
	KindNotMe  = "signal"      // she did not start a request
	KindLocked = "lock_signal" // she had everything stopped
)

// signalFor is how long an operator that cannot be reached is told again.
const signalFor = 24 * time.Hour

// SignalJob is one signal to one receiver.
type SignalJob struct {
	Subject  string // the request, or of KindLocked the user
	To       approval.SignalTarget
	Attempts int // this one included
	Created  time.Time
}

// Signal is what the operator is told: by itself, and not in the words of a
// standard. It holds no word of what was asked.
type Signal struct {
	ID          string // the same for every repetition
	Type        string // request.not_started_by_user or user.locked
	At          time.Time
	OP          string
	Subject     string // the OP's own name for the user
	User        device.UserID
	Request     approval.RequestID
	ClientID    string
	FrozenUntil time.Time
	By          string // who had it happen, in CAEP's word: user, admin or policy; empty: nobody knows any more
}

// The types of a signal.
const (
	SignalNotMe  = "request.not_started_by_user"
	SignalLocked = "user.locked"
)

// Receiver takes signals for one connection, by one way.
type Receiver interface {
	// Send makes one attempt. It returns nil or wraps one of op's sentinels.
	Send(ctx context.Context, s Signal) error
}

// People is where users are read.
type People interface {
	// User returns device.ErrUnknownUser when there is none.
	User(ctx context.Context, id device.UserID) (device.User, error)
}

// Locks is where locks are read.
type Locks interface {
	// LockOf returns the zero time for a user who is not locked.
	LockOf(ctx context.Context, u device.UserID) (at time.Time, by device.Actor, err error)
}

// Signaller tells operators what their users report. Every signal may be repeated:
// it has an id of its own, and a receiver that knows it has nothing to do.
type Signaller struct {
	Requests  Requests
	People    People
	Locks     Locks
	Receivers map[string]map[approval.SignalTarget]Receiver // by the connection's name
	Backoff   func(attempts int) time.Duration
	Now       func() time.Time
}

// NotMe makes one attempt to say that a user did not start a request.
func (p *Signaller) NotMe(ctx context.Context, j SignalJob) Result {
	r, err := p.Requests.Request(ctx, approval.RequestID(j.Subject))
	if err != nil {
		return unread(err, p.Backoff(j.Attempts))
	}
	if r.Decision == nil || r.Decision.Reason != approval.ReasonNotMe {
		return Result{Outcome: Moot, Cause: "nobody says that she did not start it"}
	}
	return p.send(ctx, j, r.UserID, Signal{
		ID: "not_me_" + string(r.ID), Type: SignalNotMe, At: r.Decision.At,
		Request: r.ID, ClientID: r.ClientID, FrozenUntil: r.Decision.FrozenUntil, By: byUser,
	})
}

// Locked makes one attempt to say that everything was stopped for a user.
func (p *Signaller) Locked(ctx context.Context, j SignalJob) Result {
	at, by, err := p.Locks.LockOf(ctx, device.UserID(j.Subject))
	if err != nil {
		return Result{Again: p.Backoff(j.Attempts), Cause: fmt.Sprintf("read lock: %v", err)}
	}
	s := Signal{ID: fmt.Sprintf("locked_%s_%d", j.Subject, j.Created.UnixMicro()), Type: SignalLocked, At: j.Created}
	switch {
	case !at.Equal(j.Created): // she was unlocked since, and the lock is gone with who made it
	case by.Kind == device.ActorDevice:
		s.By = byUser
	case by.Kind == device.ActorAdmin:
		s.By = byAdmin
	default: // a rule did: too many wrong codes
		s.By = byPolicy
	}
	return p.send(ctx, j, device.UserID(j.Subject), s)
}

// Who had something happen, in the words of CAEP's initiating_entity.
const (
	byUser   = "user"
	byAdmin  = "admin"
	byPolicy = "policy"
)

func (p *Signaller) send(ctx context.Context, j SignalJob, id device.UserID, s Signal) Result {
	u, err := p.People.User(ctx, id)
	switch {
	case errors.Is(err, device.ErrUnknownUser):
		return Result{Outcome: Moot, Cause: "user is not there"}
	case err != nil:
		return Result{Again: p.Backoff(j.Attempts), Cause: fmt.Sprintf("read user: %v", err)}
	}
	s.OP, s.Subject, s.User = u.OP, u.Subject, u.ID
	to := p.Receivers[u.OP][j.To]
	if to == nil {
		return Result{Outcome: Moot, Cause: "the connection has no such receiver"}
	}
	err = to.Send(ctx, s)
	wait := p.Backoff(j.Attempts)
	if later := (*op.Later)(nil); errors.As(err, &later) {
		wait = max(wait, later.After)
	}
	end, again := outcomeOf(err, true)
	if again {
		return retry(p.Now(), j.Created.Add(signalFor), wait, end)
	}
	return end
}
