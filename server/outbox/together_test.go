package outbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// slowQueue takes its time to commit, and counts how often it is called.
type slowQueue struct {
	*store.DB
	mu             sync.Mutex
	claims, commit int
}

func (q *slowQueue) ClaimJobs(ctx context.Context, n int, lease time.Duration) ([]outbox.Job, error) {
	q.mu.Lock()
	q.claims++
	q.mu.Unlock()
	return q.DB.ClaimJobs(ctx, n, lease)
}

func (q *slowQueue) FinishJobs(ctx context.Context, ends []outbox.End) []error {
	q.mu.Lock()
	q.commit++
	q.mu.Unlock()
	time.Sleep(50 * time.Millisecond)
	return q.DB.FinishJobs(ctx, ends)
}

// TestEndsShareACommit: attempts that end while another end is being committed
// are written down together, and each is over only when its end is durable.
func TestEndsShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storetest.SQLite(t), done)
		q := &slowQueue{DB: r.db}
		r.Queue = q
		var addresses []push.AddressID
		for i := range 40 {
			addresses = append(addresses, push.AddressID(fmt.Sprint("a", i)))
		}
		queue(t, r.db, addresses...)
		stop := r.run()
		time.Sleep(time.Second)
		stop()
		if len(r.seen) != 40 || q.commit > 3 {
			t.Errorf("%d jobs ended with %d commits, want 40 with at most 3", len(r.seen), q.commit)
		}
		r.wantNone()
	})
}

// TestClaimsKeepAPace: jobs that come in a stream are claimed several at a time,
// and none waits for long.
func TestClaimsKeepAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storetest.SQLite(t), done)
		q := &slowQueue{DB: r.db}
		r.Queue = q
		stop := r.run()
		synctest.Wait()
		q.claims = 0
		begun := time.Now()
		for range 100 {
			queue(t, r.db, "a")
			time.Sleep(100 * time.Microsecond)
		}
		time.Sleep(time.Second - time.Since(begun))
		stop()
		if len(r.seen) != 100 || q.claims > 10 {
			t.Errorf("%d jobs with %d claims in 10 ms, want 100 with at most 10", len(r.seen), q.claims)
		}
		r.wantNone()
	})
}
