package outbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// brokenQueue fails as often as it is told to.
type brokenQueue struct {
	*store.DB
	claims, finishes int // failures left
}

func (q *brokenQueue) ClaimJobs(ctx context.Context, n int, lease time.Duration) ([]outbox.Job, error) {
	if q.claims--; q.claims >= 0 {
		return nil, errors.New("database is away")
	}
	return q.DB.ClaimJobs(ctx, n, lease)
}

func (q *brokenQueue) FinishJobs(ctx context.Context, ends []outbox.End) []error {
	if q.finishes--; q.finishes >= 0 {
		return slices.Repeat([]error{errors.New("database is away")}, len(ends))
	}
	return q.DB.FinishJobs(ctx, ends)
}

// What was done must be written down, or it is done again, or shown as unsure.
func TestWorkerOutlivesTheDatabasesAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storetest.SQLite(t), done)
		r.Queue, r.Wake = &brokenQueue{r.db, 3, 5}, nil
		queue(t, r.db, "a1")
		stop := r.run()
		time.Sleep(2 * outbox.DefaultLease)
		stop()
		if len(r.at) != 1 || r.at[0] != 3*time.Second {
			t.Errorf("carried out at %v, want once, at 3s: after three failures, a second apart", r.at)
		}
		r.wantNone()
		if n := strings.Count(r.log.String(), "outbox cannot claim jobs"); n != 3 {
			t.Errorf("logged %d failed claims, want 3: it must not spin", n)
		}
	})
}

// stoppingQueue is told to stop in the middle of a claim.
type stoppingQueue struct {
	*store.DB
	stop context.CancelFunc
}

func (q stoppingQueue) ClaimJobs(ctx context.Context, n int, lease time.Duration) ([]outbox.Job, error) {
	q.stop()
	return q.DB.ClaimJobs(ctx, n, lease)
}

// What was leased to a worker that stops would otherwise wait for its lease to
// lapse.
func TestStopInTheMiddleOfAClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newRig(t, storetest.SQLite(t), done)
		r.Queue = stoppingQueue{r.db, cancel}
		queue(t, r.db, "a1")
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(r.seen) != 1 {
			t.Errorf("carried out %d jobs, want the one that was claimed", len(r.seen))
		}
		r.wantNone()
	})
}
