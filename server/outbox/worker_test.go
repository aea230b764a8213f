package outbox_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// queue stores one job for each address, in one transaction.
func queue(t *testing.T, db *store.DB, addresses ...push.AddressID) {
	t.Helper()
	now := time.Now()
	r := approval.Request{
		ID: approval.NewRequestID(), OP: "corp", RefHash: []byte(rand.Text()), Fingerprint: []byte("f"), State: approval.Pending,
		CreatedAt: now, ExpiresAt: now.Add(2 * time.Minute),
	}
	var effects []approval.Effect
	for _, a := range addresses {
		effects = append(effects, approval.Notify{Address: a})
	}
	if _, err := db.CreateRequest(t.Context(), r, effects, device.Mitome); err != nil {
		t.Fatal(err)
	}
}

// rig is a worker at a real queue, and what its handler was given.
type rig struct {
	*outbox.Worker
	t    *testing.T
	db   *store.DB
	log  *bytes.Buffer
	mu   sync.Mutex
	seen []outbox.Job
	at   []time.Duration // since the rig was made
}

// newRig makes a worker whose handler records the job and then calls handle.
func newRig(t *testing.T, db *store.DB, handle outbox.Handler) *rig {
	r := &rig{t: t, db: db, log: new(bytes.Buffer)}
	start := time.Now()
	r.Worker = &outbox.Worker{
		Queue: db, Wake: db.Wake(), Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Handlers: map[string]outbox.Handler{
			"notify": func(ctx context.Context, j outbox.Job, mark func(context.Context) error) outbox.Result {
				r.mu.Lock()
				r.seen, r.at = append(r.seen, j), append(r.at, time.Since(start))
				r.mu.Unlock()
				return handle(ctx, j, mark)
			},
		},
	}
	return r
}

// run starts the worker; stop ends it and waits.
func (r *rig) run() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		r.t.Helper()
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run: %v", err)
		}
	}
}

func done(context.Context, outbox.Job, func(context.Context) error) outbox.Result {
	return outbox.Result{Outcome: outbox.Done}
}

// count is how often the handler was called so far.
func (r *rig) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// wantNone checks that no job is left.
func (r *rig) wantNone() {
	r.t.Helper()
	if due, err := r.db.NextDue(r.t.Context()); err != nil || !due.IsZero() {
		r.t.Errorf("a job is left, due at %v (err %v)", due, err)
	}
}

func TestWorkerIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storetest.SQLite(t), done)
		stop := r.run()
		time.Sleep(10*time.Second + 300*time.Millisecond) // between two looks of its own
		queue(t, r.db, "a1", "a2")
		synctest.Wait()
		stop()
		if want := 10*time.Second + 300*time.Millisecond; len(r.at) != 2 || r.at[0] != want || r.at[1] != want {
			t.Errorf("carried out at %v, want twice at %v: as soon as they were stored", r.at, want)
		}
		r.wantNone()
	})
}

func TestWorkerLooksByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storetest.SQLite(t), done)
		r.Wake = nil // every wake-up is lost
		stop := r.run()
		time.Sleep(300 * time.Millisecond)
		queue(t, r.db, "a1")
		time.Sleep(time.Second)
		stop()
		if len(r.at) != 1 || r.at[0] != time.Second {
			t.Errorf("carried out at %v, want at 1s", r.at)
		}
	})
}

func TestWorkerRetries(t *testing.T) {
	tests := []struct {
		name  string
		again time.Duration
		want  []time.Duration
	}{
		{"with backoff", 0, []time.Duration{0, 1, 3, 7, 15, 31, 61, 91}},
		{"when the handler says", 5 * time.Second, []time.Duration{0, 5, 10, 15, 20, 25, 30, 35}},
		{"sooner than the worker would look", 400 * time.Millisecond, []time.Duration{0, 0.4e9, 0.8e9, 1.2e9, 1.6e9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, storetest.SQLite(t), func(_ context.Context, j outbox.Job, _ func(context.Context) error) outbox.Result {
					if j.Attempts < len(tt.want) {
						return outbox.Result{Again: tt.again, Cause: "no luck"}
					}
					return outbox.Result{Outcome: "gone"}
				})
				queue(t, r.db, "a1")
				stop := r.run()
				time.Sleep(5 * time.Minute)
				stop()
				for i, at := range tt.want {
					if at < time.Millisecond {
						tt.want[i] *= time.Second
					}
				}
				if !slices.EqualFunc(r.at, tt.want, near) {
					t.Errorf("attempts at %v, want %v", r.at, tt.want)
				}
				r.wantNone()
			})
		})
	}
}

// TestWorkerWaitingHoldsNoPlace: phones that sleep must not keep an OP from
// hearing of a decision.
func TestWorkerWaitingHoldsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storetest.SQLite(t), func(ctx context.Context, _ outbox.Job, _ func(context.Context) error) outbox.Result {
			outbox.Waits(ctx)
			outbox.Waits(ctx) // twice is once
			time.Sleep(time.Second)
			return outbox.Result{Outcome: outbox.Done}
		})
		r.Concurrency = 3
		queue(t, r.db, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
		stop := r.run()
		time.Sleep(900 * time.Millisecond)
		if n := r.count(); n != 10 {
			t.Errorf("%d of 10 jobs have begun while all of them wait", n)
		}
		stop() // which waits for them
		r.wantNone()
	})
}

// near allows for the few milliseconds by which the worker rounds its sleep.
func near(a, b time.Duration) bool { return a >= b && a-b < 50*time.Millisecond }

func TestWorkerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		busy, most := 0, 0
		r := newRig(t, storetest.SQLite(t), func(context.Context, outbox.Job, func(context.Context) error) outbox.Result {
			mu.Lock()
			busy++
			most = max(most, busy)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			busy--
			mu.Unlock()
			return outbox.Result{Outcome: outbox.Done}
		})
		r.Concurrency = 3
		queue(t, r.db, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
		stop := r.run()
		time.Sleep(4 * time.Second) // ten jobs of a second each, three at once
		synctest.Wait()
		stop()
		if most != 3 || len(r.seen) != 10 {
			t.Errorf("%d jobs, %d at once; want 10 jobs in four seconds, 3 at once", len(r.seen), most)
		}
		r.wantNone()
	})
}

// A job in hand is finished, and its end written down, though the program was
// told to stop: half a report is worse than a slow stop.
func TestStopLetsJobsInHandFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storetest.SQLite(t), func(ctx context.Context, _ outbox.Job, mark func(context.Context) error) outbox.Result {
			time.Sleep(10 * time.Second)
			if err := errors.Join(ctx.Err(), mark(ctx)); err != nil {
				return outbox.Result{Outcome: "spoilt", Cause: err.Error()}
			}
			return outbox.Result{Outcome: outbox.Done}
		})
		queue(t, r.db, "a1")
		stop := r.run()
		time.Sleep(5 * time.Second)
		start := time.Now()
		queue(t, r.db, "a2") // taken a moment before the stop
		synctest.Wait()
		stop()
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("stopped after %v, want after the jobs in hand: 10s", took)
		}
		if strings.Contains(r.log.String(), "spoilt") {
			t.Errorf("the stop reached the handler: %s", r.log)
		}
		r.wantNone()
	})
}

func TestHandlerIsTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storetest.SQLite(t), func(ctx context.Context, _ outbox.Job, _ func(context.Context) error) outbox.Result {
			<-ctx.Done()
			return outbox.Result{Outcome: "timed out"}
		})
		queue(t, r.db, "a1")
		stop := r.run()
		time.Sleep(outbox.DefaultTimeout + time.Millisecond)
		stop()
		if !strings.Contains(r.log.String(), "timed out") {
			t.Errorf("not ended after %v: %s", outbox.DefaultTimeout, r.log)
		}
	})
}

// A worker that died in the middle of a job, with or without the mark, leaves it
// to another, which sees the mark.
func TestJobOfADeadWorkerIsTakenOver(t *testing.T) {
	for _, marked := range []bool{false, true} {
		t.Run(fmt.Sprint("marked ", marked), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := storetest.SQLite(t)
				queue(t, db, "a1")
				jobs, err := db.ClaimJobs(t.Context(), 10, outbox.DefaultLease) // the worker that dies
				if err != nil || len(jobs) != 1 {
					t.Fatalf("claimed %d jobs, err %v", len(jobs), err)
				}
				if marked {
					if err := db.MarkSending(t.Context(), jobs[0]); err != nil {
						t.Fatal(err)
					}
				}
				r := newRig(t, db, done)
				stop := r.run()
				time.Sleep(outbox.DefaultLease - 2*time.Second)
				synctest.Wait()
				if r.count() != 0 {
					t.Error("taken over while it was leased")
				}
				time.Sleep(4 * time.Second)
				stop()
				if len(r.seen) != 1 || r.seen[0].Sending != marked || r.seen[0].Attempts != 2 {
					t.Errorf("taken over: %+v, want once, sending %v", r.seen, marked)
				}
				r.wantNone()
			})
		})
	}
}

// A worker that was too slow finds its lease gone: whoever has the job now says
// how it ended.
func TestLostLeaseIsNotFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := storetest.SQLite(t)
		var stolen []outbox.Job
		r := newRig(t, db, func(ctx context.Context, j outbox.Job, mark func(context.Context) error) outbox.Result {
			time.Sleep(outbox.DefaultLease + time.Second) // does not look at its context
			var err error
			if stolen, err = db.ClaimJobs(t.Context(), 1, outbox.DefaultLease); err != nil {
				t.Error(err)
			}
			if err := mark(context.WithoutCancel(ctx)); !errors.Is(err, outbox.ErrLeaseLost) {
				t.Errorf("mark: got %v, want %v", err, outbox.ErrLeaseLost)
			}
			return outbox.Result{Outcome: outbox.Done}
		})
		r.Concurrency = 1 // so that the worker itself does not take it over
		queue(t, db, "a1")
		stop := r.run()
		time.Sleep(outbox.DefaultLease + 2*time.Second)
		stop()
		if !strings.Contains(r.log.String(), outbox.ErrLeaseLost.Error()) {
			t.Errorf("not logged: %s", r.log)
		}
		if len(stolen) != 1 {
			t.Fatalf("stole %d jobs, want 1", len(stolen))
		}
		if err := db.FinishJob(t.Context(), stolen[0], "thief's", ""); err != nil {
			t.Errorf("the job is not the new holder's: %v", err)
		}
	})
}

func TestJobNobodyHandlesIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storetest.SQLite(t), done)
		r.Handlers = nil
		var observed []outbox.Outcome
		r.Observe = func(_ outbox.Job, res outbox.Result, _ time.Duration) { observed = append(observed, res.Outcome) }
		queue(t, r.db, "a1")
		stop := r.run()
		synctest.Wait()
		stop()
		if !slices.Equal(observed, []outbox.Outcome{outbox.Lost}) || !strings.Contains(r.log.String(), "level=ERROR") {
			t.Errorf("observed %v, logged %s; want it lost, as an error", observed, r.log)
		}
		r.wantNone()
	})
}

func TestBackoff(t *testing.T) {
	for attempts, want := range map[int]time.Duration{0: 1, 1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 6: 30, 7: 30, 1000: 30} {
		if got := outbox.Backoff(attempts); got != want*time.Second {
			t.Errorf("after %d attempts: got %v, want %v", attempts, got, want*time.Second)
		}
	}
}

// TestJittered: what failed together comes back spread out, and no later than
// Backoff says; the first time within a second.
func TestJittered(t *testing.T) {
	for attempts := range 8 {
		full, least, most := outbox.Backoff(attempts), time.Hour, time.Duration(0)
		for range 1000 {
			d := outbox.Jittered(attempts)
			least, most = min(least, d), max(most, d)
		}
		if least < full/2 || most > full || most-least < full/4 {
			t.Errorf("after %d attempts: from %v to %v, want it spread from %v to %v", attempts, least, most, full/2, full)
		}
	}
}
