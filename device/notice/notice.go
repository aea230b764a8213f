// Package notice carries out what follows from a change of a user's devices: it
// tells the others that something changed, so that a device which somebody else
// paired does not stay unseen.
//
// # Why
//
// The message says that there is a change and to which device, and no more: what
// it is, the one who hears it asks for. So a message that comes late or twice is
// never wrong, and what was missed is seen at the next look at the list.
//
// As in approval/deliver one job sends to one address, once; the outbox repeats.
package notice

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// Kind is the kind of job that this package carries out.
const Kind = "device"

// life is how long after a change its news is worth sending.
const life = 10 * time.Minute

// Job is one effect to carry out.
type Job struct {
	Changed  device.DeviceID
	Address  push.AddressID
	Attempts int // this one included
	Created  time.Time
}

// Outcome is how a job ended.
type Outcome string

// The outcomes.
const (
	Done   Outcome = "done"
	Moot   Outcome = "moot"   // the address was removed
	Absent Outcome = "absent" // nobody listens at the address; the device asks when it connects
	Gone   Outcome = "gone"   // the address was dead and is removed
	Broken Outcome = "broken" // our credentials were rejected
	Late   Outcome = "late"   // the channel did not take it while it mattered
)

// Result is what came of an attempt.
type Result struct {
	Outcome Outcome       // empty: try again
	Again   time.Duration // how long to wait before that
	Cause   string        // why, for the operator; holds no secret
}

// Addresses is where a device can be reached.
type Addresses interface {
	// Address returns an address and the device that it belongs to;
	// device.ErrDeviceNotFound when there is none of that id.
	Address(ctx context.Context, id push.AddressID) (push.Address, device.Device, error)
	// RemoveAddress forgets an address. Doing it twice is no error.
	RemoveAddress(ctx context.Context, id push.AddressID) error
}

// Teller tells devices of changes. All fields are needed.
type Teller struct {
	Addresses Addresses
	Send      func(context.Context, push.Address, push.Message) error // push.Dispatcher's
	Backoff   func(attempts int) time.Duration
	Now       func() time.Time
}

// Tell makes one attempt to tell one address, and reads what came of it.
func (n *Teller) Tell(ctx context.Context, j Job) Result {
	left := j.Created.Add(life).Sub(n.Now())
	if left <= 0 {
		return Result{Outcome: Late, Cause: "no time left"}
	}
	a, _, err := n.Addresses.Address(ctx, j.Address)
	switch {
	case errors.Is(err, device.ErrDeviceNotFound):
		return Result{Outcome: Moot, Cause: "address was removed"}
	case err != nil:
		return n.again(j, left, 0, fmt.Errorf("read address: %w", err))
	}
	err = n.Send(ctx, a, push.Message{Kind: push.Devices, Key: string(j.Changed), TTL: left})
	switch {
	case err == nil:
		return Result{Outcome: Done}
	case errors.Is(err, push.ErrAbsent):
		return Result{Outcome: Absent}
	case errors.Is(err, push.ErrGone):
		return n.remove(ctx, j, err)
	case errors.Is(err, push.ErrBroken), errors.Is(err, push.ErrChannel), errors.Is(err, push.ErrUnfit):
		return Result{Outcome: Broken, Cause: err.Error()}
	}
	return n.again(j, left, push.RetryAfter(err), err)
}

// again is a further attempt, unless that would come too late.
func (n *Teller) again(j Job, left, asked time.Duration, cause error) Result {
	wait := max(asked, n.Backoff(j.Attempts))
	if wait >= left {
		return Result{Outcome: Late, Cause: cause.Error()}
	}
	return Result{Again: wait, Cause: cause.Error()}
}

// remove forgets a dead address. If that fails the job is over all the same: the
// next message to the address finds out again.
func (n *Teller) remove(ctx context.Context, j Job, cause error) Result {
	if err := n.Addresses.RemoveAddress(ctx, j.Address); err != nil {
		return Result{Outcome: Gone, Cause: fmt.Sprintf("%v, and not removed: %v", cause, err)}
	}
	return Result{Outcome: Gone, Cause: cause.Error()}
}
