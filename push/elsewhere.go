package push

import (
	"context"
	"errors"
)

// elsewhereError is ErrGone of one target, with another that may be the same
// device's.
type elsewhereError struct {
	error
	target Target
}

// Unwrap makes it whatever the sender said.
func (e *elsewhereError) Unwrap() error { return e.error }

// Elsewhere is err, which must be ErrGone, with the target at which the device
// may be instead. Whoever does not ask for it finds an address that is gone.
func Elsewhere(err error, target Target) error { return &elsewhereError{err, target} }

// ElsewhereOf is the target that err names.
func ElsewhereOf(err error) (Target, bool) {
	var e *elsewhereError
	if !errors.As(err, &e) {
		return "", false
	}
	return e.target, true
}

// Follower sends, and where a channel says that the device may be elsewhere, tries
// there, once. All fields are needed.
//
// # Why
//
// An app that was built for Apple's other environment registers a token that is
// good there only, and cannot know it. The second try belongs to the same job as
// the first: it needs no state of its own, because a job that is repeated after a
// crash is told the same again, and nothing is stored until the device was reached.
type Follower struct {
	Send func(context.Context, Address, Message) error // one attempt
	// Moved stores that the address a is at target now, if it still is what it was.
	Moved func(ctx context.Context, a Address, target Target) error
	// Warn is told of an address that could not be stored; it is found again by the
	// next message.
	Warn func(AddressID, error)
}

// Deliver sends m to a, or to where a is said to be. What comes of that is what
// came of a: a device that is in neither place is gone.
func (f *Follower) Deliver(ctx context.Context, a Address, m Message) error {
	err := f.Send(ctx, a, m)
	target, ok := ElsewhereOf(err)
	if !ok {
		return err
	}
	there := a
	there.Target = target
	if err := f.Send(ctx, there, m); err != nil {
		return err
	}
	if err := f.Moved(ctx, a, target); err != nil {
		f.Warn(a.ID, err)
	}
	return nil
}
