package approval

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// Quiet says why a request is listed and not pushed. Empty: it is pushed.
type Quiet string

// The reasons to keep quiet.
const (
	QuietPending Quiet = "pending_limit" // enough others wait already
	QuietPrompts Quiet = "prompt_limit"  // too many since the user last approved one
	QuietHours   Quiet = "quiet_hours"   // the user sleeps
)

// Prompts is how often a user was asked of late, and what waits for her.
type Prompts struct {
	Recent  []time.Time // of the last hour, oldest first; none since she last approved
	Streak  int         // how often in a row a limit was reached
	Until   time.Time   // no other before
	Version int

	// These are read and never stored with it.
	OfClient int // pending requests that were pushed, of the client that asks
	OfUser   int // of all clients
	Hours    Hours
}

// Limits is how often a user may be asked. Package approval/policy implements it.
type Limits interface {
	// Limited reports whether anything is limited for what this OP asks.
	Limited(op string) bool
	// Fastest is how long after its challenge an approval is taken at the soonest.
	Fastest(op string) time.Duration
	// Prompt says whether r may be pushed to a user who stands at p, and where she
	// stands afterwards.
	Prompt(r Request, p Prompts) (Prompts, Quiet)
}

// Prompting keeps where each user stands.
type Prompting interface {
	// Standing is where user u stands at now before that client, and as
	// [Bars].BarOf says, what keeps it from asking her. Nobody, the empty id, is
	// read like anybody else.
	Standing(ctx context.Context, u device.UserID, client string, now time.Time) (Prompts, Bar, error)
	// CreatePrompted is [Store].CreateRequest, and stores next for the user. It
	// returns ErrConflict if that is no longer the version it was computed from.
	CreatePrompted(ctx context.Context, r Request, effects []Effect, by device.Actor, next Prompts) (Request, error)
	// HoursOf is when user u does not want to be woken.
	HoursOf(ctx context.Context, u device.UserID) (Hours, error)
	// SetHours stores h in place of that.
	SetHours(ctx context.Context, u device.UserID, h Hours, by device.Actor) error
}

// Gate bounds how much is asked. Package server/limit implements it.
type Gate interface {
	// Take counts one ask and reports whether it is within bounds.
	Take(a Ask, now time.Time) bool
}

// passes counts a and reports whether it may be put to anybody.
func (s *Service) passes(a Ask) bool { return s.Gate == nil || s.Gate.Take(a, s.Now()) }

// unknown is the answer to an ask that means nobody we know, and to one that is
// too much: whoever asks must not learn from it whether there is such a user.
func (a Ask) unknown() error {
	if a.ByCode() {
		return ErrHintToken
	}
	return ErrUnknownUser
}

// promptTurns bounds how often a request is judged anew because the user was
// asked something else meanwhile.
const promptTurns = 8

// limited reports whether anything limits what this OP asks.
func (s *Service) limited(op string) bool { return s.Limits != nil && s.Limits.Limited(op) }

// standing reads what keeps u from being asked and, where anything is limited,
// how often she was asked: in one, because every request waits for it.
func (s *Service) standing(ctx context.Context, u device.UserID, a Ask) (Bar, *Prompts, error) {
	if !s.limited(a.OP) {
		b, err := s.bar(ctx, u, a.ClientID)
		return b, nil, err
	}
	p, b, err := s.Prompts.Standing(ctx, u, a.ClientID, s.Now())
	if err != nil {
		return b, nil, fmt.Errorf("find prompts: %w", err)
	}
	if s.Bars == nil {
		b = NotBarred
	}
	return b, &p, nil
}

// prompted stores r with its effects if its user, who was found to stand at p, may
// be asked, and quietly if not. Of many at one moment no more pass than of as many
// one after the other: where the user stands is moved by compare-and-set with the
// request itself.
func (s *Service) prompted(ctx context.Context, r Request, effects []Effect, by device.Actor, p Prompts) (Request, error) {
	r.Quiet = QuietPending // who loses every turn lost it to requests that now wait
	for range promptTurns {
		next, why := s.Limits.Prompt(r, p)
		if why != "" {
			r.Quiet = why
			break
		}
		asked := r
		asked.Quiet = ""
		stored, err := s.Prompts.CreatePrompted(ctx, asked, effects, by, next)
		if !errors.Is(err, ErrConflict) {
			return stored, err
		}
		if p, _, err = s.Prompts.Standing(ctx, r.UserID, r.ClientID, r.CreatedAt); err != nil {
			return Request{}, fmt.Errorf("find prompts: %w", err)
		}
	}
	return s.Store.CreateRequest(ctx, r, nil, by)
}
