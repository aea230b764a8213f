package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// What a Worker's zero fields stand for.
const (
	DefaultConcurrency = 64
	// DefaultLease must exceed DefaultTimeout by what it takes to write down how
	// an attempt ended: a job whose lease lapses meanwhile is done twice.
	DefaultLease   = 60 * time.Second
	DefaultTimeout = 20 * time.Second
	// mostWaiting is how many attempts that only wait hold no place.
	mostWaiting = 4096
	// poll is how often the queue is asked without being told to: leases that
	// lapsed, and wake-ups that were lost, wait no longer.
	poll = time.Second
	// lateRecord is the least time for writing down how an attempt ended.
	lateRecord = 5 * time.Second
	// floor is the shortest sleep.
	floor = 5 * time.Millisecond
	// pace is the least time from one claim to the next. A job that comes alone is
	// claimed at once; of those that come in a stream several share a claim.
	pace = 2 * time.Millisecond
)

// Worker drains a Queue. Several may share one, on one node or many.
type Worker struct {
	Queue    Queue
	Handlers map[string]Handler // by Job.Kind
	Wake     <-chan struct{}    // receives when jobs were stored
	Log      *slog.Logger
	// Observe, if set, is told of each attempt, for metrics.
	Observe func(j Job, r Result, took time.Duration)

	Concurrency    int // attempts at once, besides those that only wait
	Lease, Timeout time.Duration

	ends    writer
	waiting atomic.Int64
}

// Backoff is how long to wait after the given number of failed attempts: 1, 2,
// 4 … seconds, at most 30. A CIBA request rarely lives five minutes, so a longer
// wait would outlast it.
func Backoff(attempts int) time.Duration {
	return min(time.Second<<min(max(attempts-1, 0), 5), 30*time.Second)
}

// Jittered is Backoff less up to half of it. What failed together, because a
// service was away, must not all come back in the same moment.
func Jittered(attempts int) time.Duration {
	full := Backoff(attempts)
	return full - rand.N(full/2)
}

// Run drains the queue until ctx is done, then waits for the jobs in hand: half
// a report is worse than a slow stop.
func (w *Worker) Run(ctx context.Context) error {
	w.defaults()
	w.ends = writer{queue: w.Queue, timeout: w.Timeout, ends: make(chan ending)}
	var inHand, writing sync.WaitGroup
	writing.Go(w.ends.run)
	defer func() { inHand.Wait(); close(w.ends.ends); writing.Wait() }()
	slots := make(chan struct{}, w.Concurrency)
	freed := make(chan struct{}, 1)   // a slot is free again
	delayed := make(chan struct{}, 1) // a job has a new time
	wake := w.Wake
	for last := (time.Time{}); ctx.Err() == nil; {
		if !sleep(ctx, pace-time.Since(last)) {
			break
		}
		last = time.Now()
		free := w.Concurrency - len(slots)
		jobs, err := w.claim(ctx, free)
		for _, j := range jobs {
			slots <- struct{}{}
			release := sync.OnceFunc(func() { <-slots; notify(freed) })
			inHand.Go(func() {
				ctx, ended := w.waits(ctx, release)
				if again := w.attempt(ctx, j); again {
					notify(delayed)
				}
				ended()
			})
		}
		wait, more := poll, (<-chan struct{})(nil)
		switch {
		case err != nil:
		case len(jobs) == free: // there may be more than we could take
			more = freed
		default:
			wait = w.untilDue(ctx)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case _, open := <-wake:
			if !open {
				wake = nil
			}
		case <-more:
		case <-delayed:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

func (w *Worker) defaults() {
	if w.Concurrency == 0 {
		w.Concurrency = DefaultConcurrency
	}
	if w.Lease == 0 {
		w.Lease = DefaultLease
	}
	if w.Timeout == 0 {
		w.Timeout = DefaultTimeout
	}
}

// sleep waits for d and reports whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// notify fills c unless it is full.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// claim takes up to limit jobs. It does not stop in the middle for ctx: jobs that
// were leased to nobody would wait for their lease to lapse.
func (w *Worker) claim(ctx context.Context, limit int) ([]Job, error) {
	if limit == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.Timeout)
	defer cancel()
	jobs, err := w.Queue.ClaimJobs(ctx, limit, w.Lease)
	if err != nil {
		w.Log.ErrorContext(ctx, "outbox cannot claim jobs", "err", err)
	}
	return jobs, err
}

// untilDue is how long to sleep if nothing wakes us: until the next job is due,
// but never longer than poll.
func (w *Worker) untilDue(ctx context.Context) time.Duration {
	due, err := w.Queue.NextDue(ctx)
	if err != nil && ctx.Err() == nil {
		w.Log.ErrorContext(ctx, "outbox cannot tell what is due", "err", err)
	}
	if err != nil || due.IsZero() {
		return poll
	}
	// A job that is due though we have just claimed all that was fell due a
	// moment ago. The floor keeps a queue that contradicts itself from having us
	// spin.
	return min(max(time.Until(due), floor), poll)
}

// attempt carries out j once and writes down what came of it: it ended, or it is
// to be tried again.
func (w *Worker) attempt(ctx context.Context, j Job) (again bool) {
	ctx = context.WithoutCancel(ctx)
	start := time.Now()
	result := w.carryOut(ctx, j)
	took := time.Since(start)
	err := w.record(ctx, j, result, start.Add(w.Lease))

	level, outcome := slog.LevelInfo, string(result.Outcome)
	switch result.Outcome {
	case "":
		level, outcome = slog.LevelWarn, "again"
	case Lost:
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("job", j.ID), slog.String("kind", j.Kind), slog.String("subject", j.Subject),
		slog.String("target", j.Target), slog.Int("attempt", j.Attempts), slog.String("outcome", outcome),
		slog.Duration("took", took), slog.Duration("age", start.Sub(j.Created)),
	}
	if result.Cause != "" {
		attrs = append(attrs, slog.String("cause", result.Cause))
	}
	if err != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.Any("err", err))
	}
	w.Log.LogAttrs(ctx, level, "job", attrs...)
	if w.Observe != nil {
		w.Observe(j, result, took)
	}
	return result.Outcome == ""
}

// carryOut calls j's handler.
func (w *Worker) carryOut(ctx context.Context, j Job) Result {
	handle, ok := w.Handlers[j.Kind]
	if !ok {
		return Result{Outcome: Lost, Cause: "nobody handles this kind"}
	}
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	return handle(ctx, j, func(ctx context.Context) error { return w.Queue.MarkSending(ctx, j) })
}

// waitsKey is where a handler's context has what Waits calls.
type waitsKey struct{}

// Waits is for a handler that from now on only waits for an answer that may never
// come. It gives its place to another: else a few phones that sleep would keep an
// OP from hearing of a decision. Once is enough.
func Waits(ctx context.Context) {
	if give, ok := ctx.Value(waitsKey{}).(func()); ok {
		give()
	}
}

// waits returns an attempt's context, from which [Waits] gives up its place
// unless too many have done that, and what to call when it has ended.
func (w *Worker) waits(ctx context.Context, release func()) (attempt context.Context, ended func()) {
	waiting := false
	give := func() {
		switch {
		case waiting:
		case w.waiting.Add(1) > mostWaiting:
			w.waiting.Add(-1)
		default:
			waiting = true
			release()
		}
	}
	return context.WithValue(ctx, waitsKey{}, give), func() {
		if waiting {
			w.waiting.Add(-1)
		}
		release()
	}
}

// record writes down how j's attempt ended. While the lease lasts it insists: an
// OP's yes that is not written down becomes a report of which nobody knows
// whether it arrived. After the lease it tries all the same: as long as nobody
// else has claimed the job, the queue takes it.
func (w *Worker) record(ctx context.Context, j Job, r Result, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, max(time.Until(until), lateRecord))
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		err := w.recordOnce(ctx, j, r)
		if err == nil || errors.Is(err, ErrLeaseLost) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

func (w *Worker) recordOnce(ctx context.Context, j Job, r Result) error {
	if r.Outcome != "" {
		return w.ends.finish(ctx, End{j, r.Outcome, r.Cause})
	}
	again := r.Again
	if again <= 0 {
		again = Backoff(j.Attempts)
	}
	return w.Queue.RetryJob(ctx, j, time.Now().Add(again), r.Cause)
}
