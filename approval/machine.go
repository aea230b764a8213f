package approval

import (
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// An Event is something that happens to a request.
type Event interface{ event() }

type (
	// Answered is the user's decision, its passkey and code already checked.
	Answered struct{ Decision Decision }
	// CodeTried charges one try, before the code is compared.
	CodeTried struct{}
	// CodeWrong is a charged try that did not match.
	CodeWrong struct{}
	// Refused is Mitome's own no, for a reason of policy.
	Refused struct{ Reason Reason }
	// Lapsed is the passing of ExpiresAt.
	Lapsed struct{}
	// Recalled is the OP, or an administrator, taking the request back. An OP
	// that did it itself need not be told.
	Recalled struct{ ByOP bool }
)

func (Answered) event()  {}
func (CodeTried) event() {}
func (CodeWrong) event() {}
func (Refused) event()   {}
func (Lapsed) event()    {}
func (Recalled) event()  {}

// An Effect is something the outside world must be told because of an event.
// Effects are stored with the change that caused them and carried out later.
type Effect interface{ effect() }

type (
	// Notify asks the user's devices. Step leaves it empty; the service makes
	// one of each address, because one job sends to one address.
	Notify struct {
		Address push.AddressID
		Channel push.Channel
		Device  device.DeviceID
		Leads   bool          // the device's other addresses wait for how this one ends,
		Wait    time.Duration // but they no longer than this
	}
	// Clear takes the question off a device again.
	Clear struct {
		Address push.AddressID
		Channel push.Channel
		Device  device.DeviceID
	}
	// Report tells the OP how the request ended.
	Report struct{}
	// Signal tells the operator that the user did not start the request. No event
	// causes it by itself: see [Service.NotMeChallenge].
	Signal struct{ To SignalTarget }
)

func (Notify) effect() {}
func (Clear) effect()  {}
func (Report) effect() {}
func (Signal) effect() {}

// Step is the whole life of a request: given where it stands and what happened,
// it returns where it stands next and who must be told.
//
// Step reads no clock, no store and no randomness, so each rule about who may
// move a request where can be read, and tested, here alone. When it returns an
// error the request has not moved.
func Step(r Request, ev Event, now time.Time) (Request, []Effect, error) {
	if r.State.Final() {
		return r, nil, ErrSettled
	}
	late := !now.Before(r.ExpiresAt)
	switch ev := ev.(type) {
	case Lapsed:
		if !late {
			return r, nil, fmt.Errorf("approval: %s lapsed before %v", r.ID, r.ExpiresAt)
		}
		r.State = Expired
		return r, []Effect{Report{}, Clear{}}, nil
	case Recalled:
		r.State = Withdrawn
		if ev.ByOP {
			return r, []Effect{Clear{}}, nil
		}
		return r, []Effect{Report{}, Clear{}}, nil
	}
	if late {
		return r, nil, ErrExpired
	}
	switch ev := ev.(type) {
	case Answered:
		return settle(r, ev.Decision)
	case Refused:
		return settle(r, Decision{Verdict: Deny, Reason: ev.Reason, At: now})
	case CodeTried:
		if r.Code.Tries >= MaxCodeTries {
			return settle(r, Decision{Verdict: Deny, Reason: ReasonUserCode, At: now})
		}
		r.Code.Tries++
		return r, nil, nil
	case CodeWrong:
		if r.Code.Tries < MaxCodeTries {
			return r, nil, nil
		}
		return settle(r, Decision{Verdict: Deny, Reason: ReasonUserCode, At: now})
	}
	return r, nil, fmt.Errorf("approval: unknown event %T", ev)
}

// settle ends r as d says.
func settle(r Request, d Decision) (Request, []Effect, error) {
	switch d.Verdict {
	case Approve:
		r.State = Approved
	case Deny:
		r.State = Denied
	default:
		return r, nil, fmt.Errorf("approval: verdict %q is neither approve nor deny", d.Verdict)
	}
	r.Decision = &d
	return r, []Effect{Report{}, Clear{}}, nil
}
