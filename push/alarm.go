package push

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// quiet is how often at most one channel's alarm is logged: a service that takes
// nothing is asked hundreds of times a second.
const quiet = time.Minute

// Alarm knows which channels' credentials are rejected. It says so until the
// channel's next success; no address is ever to blame for it.
type Alarm struct {
	Log *slog.Logger
	Now func() time.Time

	mu     sync.Mutex
	raised map[Channel]raised
	logged map[Channel]time.Time // when last
}

// raised is the alarm of one channel.
type raised struct {
	since time.Time
	said  bool // in the log
}

// Heard takes notice of what came of an attempt on channel c. What tells neither
// of our credentials' good nor of their bad changes nothing: an address that is
// gone, or a service that is away.
func (a *Alarm) Heard(ctx context.Context, c Channel, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case errors.Is(err, ErrBroken):
		a.raise(ctx, c, err)
	case err == nil:
		if a.raised[c].said {
			a.Log.InfoContext(ctx, "push service takes our credentials again", "channel", string(c))
		}
		delete(a.raised, c)
	}
}

func (a *Alarm) raise(ctx context.Context, c Channel, err error) {
	now := a.Now()
	if a.raised == nil {
		a.raised, a.logged = map[Channel]raised{}, map[Channel]time.Time{}
	}
	r, ok := a.raised[c]
	if !ok {
		r.since = now
	}
	if last, ok := a.logged[c]; !ok || now.Sub(last) >= quiet {
		r.said, a.logged[c] = true, now
		a.Log.ErrorContext(ctx, "push service rejects our credentials", "channel", string(c), "since", r.since, "err", err)
	}
	a.raised[c] = r
}

// Broken lists the channels whose credentials were rejected and have not been
// taken since.
func (a *Alarm) Broken() []Channel {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.raised))
}
