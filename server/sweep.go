package server

import (
	"context"
	"log/slog"
	"time"
)

// sweepBatch is how much one task settles in one go.
const sweepBatch = 200

// Sweep is one thing that time alone brings about. Do settles up to limit of
// what is due and returns how many it found.
type Sweep struct {
	Name string
	Do   func(ctx context.Context, limit int) (int, error)
}

// Sweeper lets what is over lapse, once a second. That it is late, or that many
// nodes do it at once, harms nothing: readers judge by the clock, and the store
// moves nothing twice.
type Sweeper struct {
	Every  time.Duration
	Sweeps []Sweep
	Log    *slog.Logger
}

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, sw := range s.Sweeps {
			s.sweep(ctx, sw)
		}
	}
}

// sweep goes on for as long as there are full batches. A fault is logged and the
// next tick tries again: the database may be back by then.
func (s *Sweeper) sweep(ctx context.Context, sw Sweep) {
	for ctx.Err() == nil {
		n, err := sw.Do(ctx, sweepBatch)
		if err != nil {
			if ctx.Err() == nil {
				s.Log.Error("sweep failed", "what", sw.Name, "err", err)
			}
			return
		}
		if n < sweepBatch {
			return
		}
	}
}
