package approval

import (
	"context"
	"fmt"
	"time"
)

// ReadingTime is how long a page keeps from approving a user who is asked for the
// second time within [several]: who is asked again and again says yes without
// reading, and that is what somebody counts on who asks her so often.
const ReadingTime = 1500 * time.Millisecond

const several = 10 * time.Minute

// unhurried returns ErrTooSoon for a yes that comes sooner after its challenge than
// a person takes to read and her passkey to sign (ASVS 2.4.2): nobody has looked at
// what it approves. Both times are the server's. The challenge serves on, because
// who is only quick may send the same again.
func (s *Service) unhurried(r Request, c Challenge) error {
	if s.Limits == nil || s.Now().Sub(c.CreatedAt) >= s.Limits.Fastest(r.OP) {
		return nil
	}
	return ErrTooSoon
}

// Pause is how long the page that shows r, one of the caller's, keeps from
// approving it.
func (s *Service) Pause(ctx context.Context, w Who, r Request) (time.Duration, error) {
	if !s.limited(r.OP) {
		return 0, nil
	}
	lately, err := s.Store.PendingFor(ctx, w.users(), s.Now())
	if err != nil {
		return 0, fmt.Errorf("requests of late: %w", err)
	}
	over, err := s.Past.EndedFor(ctx, w.users(), maxHistory)
	if err != nil {
		return 0, fmt.Errorf("requests of late: %w", err)
	}
	var asked int
	for _, other := range append(lately, over...) {
		if other.UserID == r.UserID && s.Now().Sub(other.CreatedAt) < several {
			asked++
		}
	}
	if asked < 2 {
		return 0, nil
	}
	return ReadingTime, nil
}
