package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// clearFor is how long after its making a Clear is worth sending, at least: a
// question about a request that has expired should leave the screen as well.
const clearFor = time.Minute

// Push sends to the user's devices. All fields are needed.
type Push struct {
	Requests  Prospects
	Addresses Addresses
	Notices   Notices
	Seal      func(push.DeviceKey, []byte) ([]byte, error)
	// Capability is what a device denies a request by; approval.Service's.
	Capability func(approval.RequestID, device.DeviceID) (approval.Secret, error)
	Send       func(context.Context, push.Address, push.Message) error // push.Dispatcher's
	Backoff    func(attempts int) time.Duration
	Now        func() time.Time
}

// Prospects is where it is read whether a request still waits.
type Prospects interface {
	// Prospect returns a request's state as it was stored, and when its time is
	// over; approval.ErrNotFound when there is no such request.
	Prospect(ctx context.Context, id approval.RequestID) (approval.State, time.Time, error)
	// The whole is read only for a device that can be told of it.
	Requests
}

// Notices is what messages say, as bytes for the device. Package approval/show
// implements it.
type Notices interface {
	Asks(r approval.Request, locale string, capability approval.Secret) ([]byte, error)
	Says(kind, key, locale string) ([]byte, error)
}

// Addresses is where a device can be reached.
type Addresses interface {
	// Address returns an address and the device that it belongs to;
	// device.ErrDeviceNotFound when there is none of that id.
	Address(ctx context.Context, id push.AddressID) (push.Address, device.Device, error)
	// RemoveAddress forgets an address. Doing it twice is no error.
	RemoveAddress(ctx context.Context, id push.AddressID) error
	device.Doubts
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
	a, d, err := p.Addresses.Address(ctx, j.Address)
	switch {
	case errors.Is(err, device.ErrDeviceNotFound): // also if its device is revoked
		return Result{Outcome: Moot, Cause: "address was removed"}
	case err != nil:
		return retry(p.Now(), deadline, p.Backoff(j.Attempts), Result{Outcome: Late, Cause: fmt.Sprintf("read address: %v", err)})
	}
	m := push.Message{Kind: kind, Key: string(j.Request), TTL: left}
	unsaid := p.say(ctx, d.ID, a, &m)
	err = p.Send(ctx, a, m)
	switch {
	case err == nil:
		return p.judge(ctx, a, Result{Outcome: Done, Cause: unsaid})
	case errors.Is(err, push.ErrAbsent):
		return Result{Outcome: Absent}
	case errors.Is(err, push.ErrGone):
		return p.remove(ctx, j, err)
	case errors.Is(err, push.ErrUnfit):
		return p.judge(ctx, a, Result{Outcome: Unfit, Cause: err.Error()})
	case errors.Is(err, push.ErrBroken), errors.Is(err, push.ErrChannel):
		return Result{Outcome: Broken, Cause: err.Error()}
	}
	end := Result{Outcome: Late, Cause: err.Error()}
	asked := push.RetryAfter(err)
	if asked >= deadline.Sub(p.Now()) {
		return p.judge(ctx, a, end) // to come back sooner than asked would only make it worse
	}
	next := retry(p.Now(), deadline, max(asked, p.Backoff(j.Attempts)), end)
	if next.Outcome == "" {
		next.Again = max(next.Again, asked) // also where that leaves less than the last chance
	}
	return p.judge(ctx, a, next)
}

// say puts into m what it says, sealed to the device; a device without a key has
// the generic title. What goes wrong is returned for the operator and hinders
// nothing: a device that is woken and told nothing asks what there is.
func (p *Push) say(ctx context.Context, d device.DeviceID, a push.Address, m *push.Message) (unsaid string) {
	if m.Kind == push.Show {
		m.Generic = show.PushRequest
	}
	if a.Key.IsZero() {
		return ""
	}
	text, err := p.text(ctx, d, a.Locale, *m)
	if err == nil {
		m.Sealed, err = p.Seal(a.Key, text)
	}
	if err != nil {
		return fmt.Sprintf("sent without its text: %v", err)
	}
	return ""
}

// text is what m says to device d. It holds the capability to deny, so it may leave
// as ciphertext only.
func (p *Push) text(ctx context.Context, d device.DeviceID, locale string, m push.Message) ([]byte, error) {
	if m.Kind != push.Show {
		return p.Notices.Says(string(m.Kind), m.Key, locale)
	}
	r, err := p.Requests.Request(ctx, approval.RequestID(m.Key))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	capability, err := p.Capability(r.ID, d)
	if err != nil {
		return nil, err
	}
	return p.Notices.Asks(r, locale, capability)
}

// remove forgets a dead address. If that fails the job is over all the same: the
// next message to the address finds out again.
func (p *Push) remove(ctx context.Context, j Job, cause error) Result {
	if err := p.Addresses.RemoveAddress(ctx, j.Address); err != nil {
		return Result{Outcome: Gone, Cause: fmt.Sprintf("%v, and not removed: %v", cause, err)}
	}
	return Result{Outcome: Gone, Cause: cause.Error()}
}
