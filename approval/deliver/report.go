package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// expiredFor is how long an OP that wants to hear of it is told that a request
// has expired.
const expiredFor = time.Minute

// Reporter tells OPs how requests ended.
type Reporter struct {
	Requests Requests
	Adapters map[string]op.Adapter // by the connection's name
	Acks     *op.Acks
	Backoff  func(attempts int) time.Duration
	Now      func() time.Time
	// Observe, if set, is told how each report ended, for metrics.
	Observe func(op string, s approval.State, o Outcome)
}

// Report makes one attempt to tell the OP. Mark, called just before bytes leave
// for an OP that must not hear them twice, commits that they may have left.
//
// A job that comes back with the mark on it was in the middle of sending when its
// worker died. Whether the OP heard cannot be known, so it is not said again: the
// operator is shown it as unsure. Without the mark nothing has left, and the job
// is carried out as if for the first time.
func (p *Reporter) Report(ctx context.Context, j Job, mark func(context.Context) error) Result {
	r, err := p.Requests.Request(ctx, j.Request)
	if err != nil {
		return unread(err, p.Backoff(j.Attempts))
	}
	result := p.report(ctx, j, r, mark)
	if result.Outcome != "" && p.Observe != nil {
		p.Observe(r.OP, r.State, result.Outcome)
	}
	return result
}

func (p *Reporter) report(ctx context.Context, j Job, r approval.Request, mark func(context.Context) error) Result {
	adapter, ok := p.Adapters[r.OP]
	safe := ok && adapter.RepeatSafe(r.State)
	deadline := deadlineOf(r)
	wait := p.Backoff(j.Attempts)
	switch now := p.Now(); {
	case !r.State.Final():
		return Result{Outcome: Moot, Cause: "request is " + string(r.State)}
	case j.Sending && !safe:
		return Result{Outcome: Unsure, Cause: "stopped in the middle of sending"}
	case now.Before(r.ReportAfter):
		return Result{Again: r.ReportAfter.Sub(now), Cause: "OP needs time to store the request"}
	case !now.Before(deadline):
		return Result{Outcome: TooLate, Cause: "no time left"}
	case !ok: // another node may know it, or this one after a restart
		return retry(now, deadline, wait, Result{Outcome: TooLate, Cause: "no such connection is configured"})
	}
	if err := p.Acks.Wait(ctx, r.ID); err != nil {
		return retry(p.Now(), deadline, wait, Result{Outcome: TooLate, Cause: "OP was not answered yet"})
	}
	if !safe {
		if err := mark(ctx); err != nil {
			return retry(p.Now(), deadline, wait, Result{Outcome: TooLate, Cause: fmt.Sprintf("mark: %v", err)})
		}
	}
	err := adapter.Report(ctx, r)
	end, again := outcomeOf(err, safe)
	if later := (*op.Later)(nil); errors.As(err, &later) {
		wait = max(wait, later.After)
	}
	if again {
		return retry(p.Now(), deadline, wait, end)
	}
	return end
}

// deadlineOf is when telling the OP becomes pointless. Who answered in the last
// second answered in time, so an answer may use up the margin that every adapter
// leaves; an expiry is news only after the time is over.
func deadlineOf(r approval.Request) time.Time {
	if r.State == approval.Expired {
		return r.ExpiresAt.Add(expiredFor)
	}
	return r.ExpiresAt.Add(op.Margin)
}

// outcomes is what an attempt's error means: how the report ends, and whether it
// is tried again first, where the state is safe to repeat and where it is not. The
// first match counts.
var outcomes = []struct {
	err              error
	end              Outcome
	againSafe, again bool
}{
	{op.ErrNotRelayed, NotRelayed, false, false},
	{op.ErrRefused, Refused, false, false},
	{op.ErrUnsure, Unsure, true, false},
	{op.ErrNotSent, TooLate, true, true},
}

// outcomeOf looks err up. An error outside the table is an adapter's fault; what
// it did is not known, so it counts as ErrUnsure.
func outcomeOf(err error, safe bool) (end Result, again bool) {
	if err == nil {
		return Result{Outcome: Done}, false
	}
	for _, row := range outcomes {
		if errors.Is(err, row.err) {
			return Result{Outcome: row.end, Cause: err.Error()}, row.again || safe && row.againSafe
		}
	}
	return Result{Outcome: Unsure, Cause: err.Error()}, safe
}
