package approval

import (
	"context"
	"fmt"

	"github.com/mitome-ciba/mitome/device"
)

// Past is what a user may ask of requests that are over.
type Past interface {
	// EndedFor returns up to limit requests of these users that are not pending,
	// newest first.
	EndedFor(ctx context.Context, users []device.UserID, limit int) ([]Request, error)
}

// maxHistory bounds one look back.
const maxHistory = 100

// History returns up to limit of the caller's requests that are over, newest
// first, with the view that each would have in locale. A device that is cooling
// off sees none: it may be a stranger's.
func (s *Service) History(ctx context.Context, w Who, limit int, locale string) ([]Shown, error) {
	users := w.users()
	if len(users) == 0 {
		return nil, nil
	}
	past, err := s.Past.EndedFor(ctx, users, min(limit, maxHistory))
	if err != nil {
		return nil, err
	}
	out := make([]Shown, len(past))
	for i, r := range past {
		view, err := s.Views.View(r, s.viewer(r, w, locale))
		if err != nil {
			return nil, fmt.Errorf("view of %s: %w", r.ID, err)
		}
		out[i] = Shown{r, view}
	}
	return out, nil
}

// users are those for whom w may decide.
func (w Who) users() (out []device.UserID) {
	for _, d := range w.Devices {
		if d.MayApprove() {
			out = append(out, d.User)
		}
	}
	return out
}
