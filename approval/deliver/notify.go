package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// clearFor is how long after its making a Clear is worth sending, at least: a
// question about a request that has expired should leave the screen as well.
const clearFor = time.Minute

// Push sends to the user's devices.
type Push struct {
	Requests  Prospects
	Addresses Addresses
	Send      func(context.Context, push.Address, push.Message) error // push.Dispatcher's
	Backoff   func(attempts int) time.Duration
	Now       func() time.Time
}

// Prospects is where it is read whether a request still waits.
type Prospects interface {
	// Prospect returns a request's state as it was stored, and when its time is
	// over; approval.ErrNotFound when there is no such request.
	Prospect(ctx context.Context, id approval.RequestID) (approval.State, time.Time, error)
}

// Addresses is where a device can be reached.
type Addresses interface {
	// Address returns an address and the device that it belongs to;
	// device.ErrDeviceNotFound when there is none of that id.
	Address(ctx context.Context, id push.AddressID) (push.Address, device.Device, error)
	// RemoveAddress forgets an address. Doing it twice is no error.
	RemoveAddress(ctx context.Context, id push.AddressID) error
}

// Notify asks one device. Nobody is asked about what is settled or over.
func (p *Push) Notify(ctx context.Context, j Job) Result {
	state, expires, err := p.Requests.Prospect(ctx, j.Request)
	if err != nil {
		return unread(err, p.Backoff(j.Attempts))
	}
	r := approval.Request{State: state, ExpiresAt: expires}
	if state := r.StateAt(p.Now()); state != approval.Pending {
		return Result{Outcome: Moot, Cause: "request is " + string(state)}
	}
	return p.send(ctx, j, push.Show, expires)
}

// Clear takes the question off one device again.
func (p *Push) Clear(ctx context.Context, j Job) Result {
	_, deadline, err := p.Requests.Prospect(ctx, j.Request)
	if err != nil {
		return unread(err, p.Backoff(j.Attempts))
	}
	if least := j.Created.Add(clearFor); least.After(deadline) {
		deadline = least
	}
	return p.send(ctx, j, push.Clear, deadline)
}

// send makes one attempt and reads what came of it.
func (p *Push) send(ctx context.Context, j Job, kind push.Kind, deadline time.Time) Result {
	left := deadline.Sub(p.Now())
	if left <= 0 {
		return Result{Outcome: Late, Cause: "no time left"}
	}
	a, _, err := p.Addresses.Address(ctx, j.Address)
	switch {
	case errors.Is(err, device.ErrDeviceNotFound): // also if its device is revoked
		return Result{Outcome: Moot, Cause: "address was removed"}
	case err != nil:
		return retry(p.Now(), deadline, p.Backoff(j.Attempts), Result{Outcome: Late, Cause: fmt.Sprintf("read address: %v", err)})
	}
	err = p.Send(ctx, a, push.Message{Kind: kind, Key: string(j.Request), TTL: left})
	switch {
	case err == nil:
		return Result{Outcome: Done}
	case errors.Is(err, push.ErrAbsent):
		return Result{Outcome: Absent}
	case errors.Is(err, push.ErrGone):
		return p.remove(ctx, j, err)
	case errors.Is(err, push.ErrBroken), errors.Is(err, push.ErrChannel), errors.Is(err, push.ErrUnfit):
		return Result{Outcome: Broken, Cause: err.Error()}
	}
	end := Result{Outcome: Late, Cause: err.Error()}
	asked := push.RetryAfter(err)
	if asked >= deadline.Sub(p.Now()) {
		return end // to come back sooner than asked would only make it worse
	}
	return retry(p.Now(), deadline, max(asked, p.Backoff(j.Attempts)), end)
}

// remove forgets a dead address. If that fails the job is over all the same: the
// next message to the address finds out again.
func (p *Push) remove(ctx context.Context, j Job, cause error) Result {
	if err := p.Addresses.RemoveAddress(ctx, j.Address); err != nil {
		return Result{Outcome: Gone, Cause: fmt.Sprintf("%v, and not removed: %v", cause, err)}
	}
	return Result{Outcome: Gone, Cause: cause.Error()}
}
