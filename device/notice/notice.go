// Package notice carries out what follows from a change of a user's devices: it
// tells the others that something changed, so that a device which somebody else
// paired does not stay unseen. And it sends what a user has sent to a device of
// hers to see whether it is reached.
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
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// The kinds of job that this package carries out.
const (
	Kind     = "device" // a device changed
	KindTest = "test"   // the user tries whether a device is reached

	KindAlert = "alert" // somebody may be trying to get in as her
)

const (
	// life is how long after a change its news is worth sending.
	life = 10 * time.Minute
	// testLife is shorter: who tries whether the phone rings looks at it now.
	testLife = time.Minute
	// testKey has a test take the place of the one before.
	testKey = "test"
)

// Titles for a device without a key. They are keys of the catalogues in package
// approval/show, which stands above this one.
const (
	genericDevices = "push.devices"
	genericTest    = "push.test"
	genericAlert   = "push.alert"
)

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
	Unfit  Outcome = "unfit"  // the channel never takes it
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
	device.Doubts
}

// Teller tells devices of changes. All fields are needed.
type Teller struct {
	Addresses Addresses
	Send      func(context.Context, push.Address, push.Message) error // push.Dispatcher's
	Says      func(kind, key, locale string) ([]byte, error)          // approval/show's
	Seal      func(push.DeviceKey, []byte) ([]byte, error)
	Backoff   func(attempts int) time.Duration
	Now       func() time.Time
}

// Tell makes one attempt to tell one address, and reads what came of it.
func (n *Teller) Tell(ctx context.Context, j Job) Result {
	return n.send(ctx, j, push.Message{Kind: push.Devices, Key: string(j.Changed), Generic: genericDevices, TTL: life})
}

// Alert makes one attempt to tell one address that something is suspicious: what
// Changed names, her other devices did or had done to them. To the channel it is
// a change like any other.
func (n *Teller) Alert(ctx context.Context, j Job) Result {
	return n.send(ctx, j, push.Message{Kind: push.Devices, Key: string(j.Changed), Generic: genericAlert, TTL: life})
}

// Test makes one attempt to send a test message to one address of j.Changed.
func (n *Teller) Test(ctx context.Context, j Job) Result {
	return n.send(ctx, j, push.Message{Kind: push.Test, Key: testKey, Generic: genericTest, TTL: testLife})
}

// send makes one attempt. The message's TTL is how long its news is worth
// sending; what is left of that goes with it.
func (n *Teller) send(ctx context.Context, j Job, m push.Message) Result {
	left := j.Created.Add(m.TTL).Sub(n.Now())
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
	m.TTL = left
	unsaid := n.say(a, &m)
	err = n.Send(ctx, a, m)
	if err == nil {
		return n.judge(ctx, a, Result{Outcome: Done, Cause: unsaid})
	}
	return n.judge(ctx, a, n.failed(ctx, j, left, err))
}

// failed reads what came of an attempt that was not taken.
func (n *Teller) failed(ctx context.Context, j Job, left time.Duration, err error) Result {
	switch {
	case errors.Is(err, push.ErrAbsent):
		return Result{Outcome: Absent}
	case errors.Is(err, push.ErrGone):
		return n.remove(ctx, j, err)
	case errors.Is(err, push.ErrUnfit):
		return Result{Outcome: Unfit, Cause: err.Error()}
	case errors.Is(err, push.ErrBroken), errors.Is(err, push.ErrChannel):
		return Result{Outcome: Broken, Cause: err.Error()}
	}
	return n.again(j, left, push.RetryAfter(err), err)
}

// judge keeps the doubt about the address. What goes wrong with that is for the
// operator: the message has come to its end all the same.
func (n *Teller) judge(ctx context.Context, a push.Address, r Result) Result {
	if r.Outcome != Done && r.Outcome != Late && r.Outcome != Unfit {
		return r
	}
	if err := device.Judge(ctx, n.Addresses, a, r.Outcome == Done); err != nil {
		r.Cause = strings.TrimPrefix(r.Cause+"; ", "; ") + err.Error()
	}
	return r
}

// say puts into m what it says, sealed to a device that has a key. What goes
// wrong is for the operator: the device is woken all the same.
func (n *Teller) say(a push.Address, m *push.Message) (unsaid string) {
	if a.Key.IsZero() {
		return ""
	}
	kind := string(m.Kind)
	if m.Generic == genericAlert {
		kind = KindAlert
	}
	text, err := n.Says(kind, m.Key, a.Locale)
	if err == nil {
		m.Sealed, err = n.Seal(a.Key, text)
	}
	if err != nil {
		return fmt.Sprintf("sent without its text: %v", err)
	}
	return ""
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
