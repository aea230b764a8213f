// Package deliver carries out what follows from a change of a request: it asks
// the user's devices, takes the question off them again, and tells the OP how the
// request ended.
//
// # Why
//
// A handler makes one attempt and says what came of it. It neither waits nor
// repeats: that is the outbox's, which alone knows what survives a crash. One job
// sends to one address, so a phone that is slow delays no other.
//
// The types here say the same as server/outbox's and are not those: this package
// stands below it, and cmd/mitome ties the two together.
package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/push"
)

// The kinds of job that this package carries out.
const (
	KindNotify = "notify"
	KindClear  = "clear"
	KindReport = "report"
)

// Job is one effect to carry out.
type Job struct {
	Request  approval.RequestID
	Address  push.AddressID // of KindNotify and KindClear
	Attempts int            // this one included
	Sending  bool           // an earlier attempt may have sent, and did not live to say so
	Created  time.Time
}

// Outcome is how a job ended.
type Outcome string

// The outcomes. Those of a report are the words of approval.ReportState.
const (
	Done   Outcome = "done"
	Moot   Outcome = "moot"   // nothing to do any more
	Absent Outcome = "absent" // nobody listens at the address; the device asks when it connects
	Gone   Outcome = "gone"   // the address was dead and is removed
	Broken Outcome = "broken" // our credentials were rejected
	Unfit  Outcome = "unfit"  // the channel never takes it
	Late   Outcome = "late"   // the channel did not take it while it mattered

	NotRelayed = Outcome(approval.ReportNotRelayed)
	Refused    = Outcome(approval.ReportRefused)
	Unsure     = Outcome(approval.ReportUnsure)
	TooLate    = Outcome(approval.ReportTooLate)
)

// Result is what came of an attempt.
type Result struct {
	Outcome Outcome       // empty: try again
	Again   time.Duration // how long to wait before that
	Cause   string        // why, for the operator; holds no secret
}

// Requests is where requests are read.
type Requests interface {
	// Request returns approval.ErrNotFound when there is none.
	Request(ctx context.Context, id approval.RequestID) (approval.Request, error)
}

// retry is a further attempt after the wait, unless the deadline comes first;
// then it is end.
func retry(now, deadline time.Time, wait time.Duration, end Result) Result {
	left := deadline.Sub(now)
	if left <= 0 {
		return end
	}
	// The last attempt is made while it still matters, not when the backoff says.
	if wait >= left {
		wait = max(left-lastChance, 0)
		if wait == 0 {
			return end
		}
	}
	return Result{Again: wait, Cause: end.Cause}
}

// lastChance is how long before its deadline a job gets its last attempt.
const lastChance = time.Second

// unread is the result of a job whose request cannot be read.
func unread(err error, wait time.Duration) Result {
	if errors.Is(err, approval.ErrNotFound) {
		return Result{Outcome: Moot, Cause: "request is not there"}
	}
	return Result{Again: wait, Cause: fmt.Sprintf("read request: %v", err)}
}
