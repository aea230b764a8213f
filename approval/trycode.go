package approval

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// tryCode charges one try, durably and before it compares, so that guesses sent
// in parallel are all counted; then it compares. It returns r with the try
// charged, and a *CodeError unless the code is right.
func (s *Service) tryCode(ctx context.Context, r Request, typed string, by device.Actor) (Request, error) {
	if normalizeCode(typed) == "" {
		return r, ErrCodeMissing // an empty field is a slip, not a guess
	}
	if wait, err := s.codeWait(ctx, r.UserID); err != nil || wait > 0 {
		if err == nil {
			err = &CodeError{Err: ErrCodeWait, TriesLeft: MaxCodeTries - r.Code.Tries, Wait: wait}
		}
		return r, err
	}
	r, err := s.charge(ctx, r, by)
	if err != nil {
		return r, err
	}
	ok, err := r.Code.matches(s.Codes, r.ID, typed)
	if err != nil {
		return r, err
	}
	if ok {
		return r, nil // forgiven once the passkey has signed too
	}
	if r.Code.Tries < MaxCodeTries {
		return r, &CodeError{Err: ErrUserCode, TriesLeft: MaxCodeTries - r.Code.Tries}
	}
	if r, err = s.apply(ctx, r, CodeWrong{}, Change{By: by}, nil); err != nil && !errors.Is(err, ErrSettled) {
		return r, err
	}
	return r, &CodeError{Err: ErrCodeLocked}
}

// charge stores one more try on r. A guess that lost the race for this version
// of r tries again on the next one.
func (s *Service) charge(ctx context.Context, r Request, by device.Actor) (Request, error) {
	for range 2 * MaxCodeTries {
		next, _, err := Step(r, CodeTried{}, s.Now())
		if err != nil {
			return r, err
		}
		if next.State.Final() { // the tries were spent, and whoever spent the last one did not live to say so
			r, err = s.apply(ctx, r, CodeTried{}, Change{By: by}, nil)
			if err != nil {
				return r, err
			}
			return r, &CodeError{Err: ErrCodeLocked}
		}
		err = s.Failures.ChargeCode(ctx, next, s.Now())
		if err == nil {
			next.Version++
			return next, nil
		}
		if !errors.Is(err, ErrConflict) {
			return r, fmt.Errorf("charge code: %w", err)
		}
		if r, err = s.Store.Request(ctx, r.ID); err != nil {
			return r, err
		}
	}
	return r, ErrConflict
}

// codeWait is how long the user must wait before another code is taken: nothing
// for the first five failures in a row, then 30 s doubling to an hour (NIST SP
// 800-63B-4 §3.2.2). Only wrong codes count, so nobody without the user's own
// device can make her wait.
func (s *Service) codeWait(ctx context.Context, u device.UserID) (time.Duration, error) {
	n, last, err := s.Failures.CodeFailures(ctx, u)
	if err != nil {
		return 0, fmt.Errorf("read code failures: %w", err)
	}
	if n < MaxCodeTries {
		return 0, nil
	}
	wait := min(30*time.Second<<min(n-MaxCodeTries, 7), time.Hour)
	return max(0, last.Add(wait).Sub(s.Now())), nil
}
