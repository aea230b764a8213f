package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// timed gives db a clock that stands at the samples' start.
func timed(db *store.DB) *clock {
	c := &clock{now: approvaltest.Start}
	db.Now = c.Now
	return c
}

// enqueue stores a request with effects and returns its id.
func enqueue(t testing.TB, db *store.DB, effects ...approval.Effect) approval.RequestID {
	t.Helper()
	r := approvaltest.Request("")
	if _, err := db.CreateRequest(t.Context(), r, effects, device.Mitome); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// claim claims the one job that is due.
func claim(t testing.TB, db *store.DB) outbox.Job {
	t.Helper()
	jobs, err := db.ClaimJobs(t.Context(), 10, time.Minute)
	if err != nil || len(jobs) != 1 {
		t.Fatalf("claimed %d jobs, %v, want 1", len(jobs), err)
	}
	return jobs[0]
}

func TestClaimGivesEachJobOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { claimRace(t, db, 7, db.ClaimJobs) })
	// Without SKIP LOCKED claims meet on the same rows, and the lease alone must
	// tell them apart; by one job at a time, so that they cannot deadlock.
	t.Run("meeting", func(t *testing.T) {
		db := storetest.Postgres(t)
		claimRace(t, db, 1, db.ClaimUnlocked)
	})
}

type claimFunc func(ctx context.Context, limit int, lease time.Duration) ([]outbox.Job, error)

// claimRace has many claimers empty the outbox at once.
func claimRace(t *testing.T, db *store.DB, limit int, claim claimFunc) {
	const requests, perRequest, claimers = 50, 4, 8
	for range requests {
		var effects []approval.Effect
		for range perRequest {
			effects = append(effects, approval.Notify{Address: push.AddressID("a")})
		}
		enqueue(t, db, effects...)
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range claimers {
		wg.Go(func() {
			// A claim that finds everything locked by others finds nothing, so
			// it is the number of jobs seen that ends the race.
			for done := false; !done; {
				jobs, err := claim(t.Context(), limit, time.Minute)
				if err != nil || len(jobs) > limit {
					t.Errorf("claimed %d jobs of at most %d, %v", len(jobs), limit, err)
					return
				}
				mu.Lock()
				for _, j := range jobs {
					seen[j.ID]++
				}
				done = len(seen) == requests*perRequest
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("job %s was claimed %d times", id, n)
		}
	}
}

func TestLeaseLapses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db)
		id := enqueue(t, db, approval.Notify{Address: "a1"})
		first := claim(t, db)
		if first.Subject != string(id) || first.Kind != "notify" || first.Target != "a1" || first.Attempts != 1 || !first.Created.Equal(approvaltest.Start) {
			t.Errorf("got %+v", first)
		}
		c.pass(59 * time.Second)
		if jobs, err := db.ClaimJobs(t.Context(), 10, time.Minute); err != nil || len(jobs) != 0 {
			t.Errorf("claimed %d leased jobs, %v", len(jobs), err)
		}
		c.pass(time.Second)
		second := claim(t, db)
		if second.ID != first.ID || second.Attempts != 2 || second.Lease == first.Lease {
			t.Errorf("got %+v after %+v", second, first)
		}
		// The first claimer wakes up late.
		for what, err := range map[string]error{
			"mark":   db.MarkSending(t.Context(), first),
			"finish": db.FinishJob(t.Context(), first, outbox.Done, ""),
			"retry":  db.RetryJob(t.Context(), first, c.Now(), ""),
		} {
			if !errors.Is(err, outbox.ErrLeaseLost) {
				t.Errorf("%s: got %v, want ErrLeaseLost", what, err)
			}
		}
		if err := db.FinishJob(t.Context(), second, outbox.Done, ""); err != nil {
			t.Error(err)
		}
		if err := db.FinishJob(t.Context(), second, outbox.Done, ""); !errors.Is(err, outbox.ErrLeaseLost) {
			t.Errorf("finishing twice: got %v, want ErrLeaseLost", err)
		}
	})
}

// TestLateMark: who marks is about to send, and must not when somebody else may
// claim the job meanwhile. What came of an attempt is taken late, if nobody did.
func TestLateMark(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db)
		enqueue(t, db, approval.Notify{Address: "a1"})
		j := claim(t, db)
		c.pass(time.Minute)
		if err := db.MarkSending(t.Context(), j); !errors.Is(err, outbox.ErrLeaseLost) {
			t.Errorf("got %v, want ErrLeaseLost", err)
		}
		if err := db.FinishJob(t.Context(), j, outbox.Done, ""); err != nil {
			t.Error(err)
		}
	})
}

func TestMarkSurvives(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db)
		enqueue(t, db, approval.Notify{Address: "a1"})
		j := claim(t, db)
		if j.Sending {
			t.Error("a fresh job is marked")
		}
		if err := db.MarkSending(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Minute) // whoever marked it died
		j = claim(t, db)
		if !j.Sending {
			t.Error("the mark is gone")
		}
		if err := db.RetryJob(t.Context(), j, c.Now().Add(time.Second), "nothing left"); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Second)
		if j = claim(t, db); j.Sending || j.Attempts != 3 {
			t.Errorf("got %+v, want no mark at the third attempt", j)
		}
	})
}

func TestReportWaitsForGuard(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db) // samples report a second after Start
		enqueue(t, db, approval.Report{})
		due, err := db.NextDue(t.Context())
		if err != nil || !due.Equal(approvaltest.Start.Add(time.Second)) {
			t.Errorf("next due at %v, %v", due, err)
		}
		c.pass(time.Second - time.Microsecond)
		if jobs, err := db.ClaimJobs(t.Context(), 10, time.Minute); err != nil || len(jobs) != 0 {
			t.Errorf("claimed %d reports too early, %v", len(jobs), err)
		}
		c.pass(time.Microsecond)
		claim(t, db)
		if due, err := db.NextDue(t.Context()); err != nil || !due.IsZero() {
			t.Errorf("with all jobs leased, next due at %v, %v", due, err)
		}
		c.pass(time.Hour)
		enqueue(t, db, approval.Notify{Address: "a1"})
		if due, err := db.NextDue(t.Context()); err != nil || due.After(c.Now()) {
			t.Errorf("next due at %v, %v, want by now", due, err)
		}
	})
}

func TestJobsComeInOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db)
		var want []string
		for range 5 {
			want = append(want, string(enqueue(t, db, approval.Notify{Address: "a1"})))
			c.pass(time.Second)
		}
		for _, limit := range []int{2, 3} {
			jobs, err := db.ClaimJobs(t.Context(), limit, time.Minute)
			if err != nil || len(jobs) != limit {
				t.Fatalf("claimed %d, %v, want %d", len(jobs), err, limit)
			}
			for _, j := range jobs {
				if j.Subject != want[0] {
					t.Errorf("got %s, want %s", j.Subject, want[0])
				}
				want = want[1:]
			}
		}
	})
}

func TestSecondReportIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := approvaltest.Request("")
		_, err := db.CreateRequest(t.Context(), r, []approval.Effect{approval.Report{}, approval.Report{}}, device.Mitome)
		if err == nil {
			t.Error("two reports of one request were stored")
		}
		if _, err := db.Request(t.Context(), r.ID); !errors.Is(err, approval.ErrNotFound) {
			t.Errorf("got %v, want nothing stored", err)
		}
	})
}

func TestCommitWakesWorker(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		enqueue(t, db)
		select {
		case <-db.Wake():
			t.Error("woken although no job was stored")
		default:
		}
		enqueue(t, db, approval.Notify{Address: "a1"})
		enqueue(t, db, approval.Notify{Address: "a1"})
		select {
		case <-db.Wake():
		default:
			t.Error("not woken")
		}
	})
}

// TestCauseIsStored: a cause may quote an OP, and an OP may send anything.
func TestCauseIsStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		timed(db)
		enqueue(t, db, approval.Notify{Address: "a1"})
		if err := db.FinishJob(context.WithoutCancel(t.Context()), claim(t, db), "refused", "said \x00\xff"); err != nil {
			t.Error(err)
		}
	})
}

// TestEndsAreWrittenTogether: of jobs that end together each is the caller's own
// matter. One whose lease is lost does not end, and its request keeps what the
// next report of it needs.
func TestEndsAreWrittenTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := timed(db)
		ids := []approval.RequestID{
			enqueue(t, db, approval.Report{}), enqueue(t, db, approval.Report{}), enqueue(t, db, approval.Notify{Address: "a1"}),
		}
		c.pass(time.Second)
		jobs, err := db.ClaimJobs(t.Context(), 10, time.Minute)
		if err != nil || len(jobs) != 3 {
			t.Fatalf("claimed %d jobs, %v", len(jobs), err)
		}
		ends := map[approval.RequestID]outbox.End{}
		for _, j := range jobs {
			ends[approval.RequestID(j.Subject)] = outbox.End{Job: j, Outcome: outbox.Done, Cause: "said \x00\xff"}
		}
		lost := ends[ids[1]]
		lost.Job.Lease = "another's"
		got := db.FinishJobs(t.Context(), []outbox.End{ends[ids[0]], lost, ends[ids[2]]})
		if len(got) != 3 || got[0] != nil || !errors.Is(got[1], outbox.ErrLeaseLost) || got[2] != nil {
			t.Fatalf("got %v, want the second alone refused", got)
		}
		for i, want := range []struct{ done, handle int }{{1, 0}, {0, 1}, {1, 1}} {
			done := count(t, db, `SELECT COUNT(*) FROM outbox WHERE subject = $1 AND done_at > 0`, ids[i])
			handle := count(t, db, `SELECT COUNT(*) FROM requests WHERE id = $1 AND handle IS NOT NULL`, ids[i])
			if done != want.done || handle != want.handle {
				t.Errorf("job %d: done %d, handle kept %d; want %d, %d", i, done, handle, want.done, want.handle)
			}
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1`, audit.ReportEnded); n != 1 {
			t.Errorf("%d audit rows of reports, want 1", n)
		}
	})
}
