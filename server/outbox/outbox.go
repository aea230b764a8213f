// Package outbox carries out stored effects, one attempt at a time, until each
// is done or given up. It knows neither what they are nor who stored them.
//
// # Why
//
// Our own and not a library: a job is enqueued in the transaction that causes
// it, on SQLite as on PostgreSQL, and is claimed within a millisecond of the
// commit. The libraries that do one of these do not do the other.
package outbox

import (
	"context"
	"errors"
	"time"
)

// ErrLeaseLost is the queue's answer to a caller that no longer holds a job: its
// lease lapsed and another has the job, or has ended it.
var ErrLeaseLost = errors.New("outbox: lease is lost")

// Job is one effect waiting to be carried out.
type Job struct {
	ID       string
	Kind     string // chooses the handler
	Subject  string // what it is about, for people: a request id
	Target   string // the one thing it goes to: an address id, or empty
	Attempts int    // this one included
	Leads    bool   // others wait for how this one ends: done ends them too, else they fall due
	Sending  bool   // an earlier attempt was about to send, and did not live to say what came of it
	Lease    string // proves to the queue that the caller holds the job
	Created  time.Time
}

// Outcome is how a job ended, for operators and metrics.
type Outcome string

// The outcomes that the outbox itself knows. Handlers have words of their own.
const (
	Done Outcome = "done"
	Lost Outcome = "lost" // no handler, or given up without one
)

// Result is what a handler makes of a job: it ended, or is to be tried again.
type Result struct {
	Outcome Outcome       // empty: try again
	Again   time.Duration // how long to wait before that
	Cause   string        // why, for the operator; holds no secret
}

// End is how a job ended, to be written down.
type End struct {
	Job     Job
	Outcome Outcome
	Cause   string // for the operator
}

// Handler carries out one job. Mark, called just before bytes leave for a
// receiver that must not hear them twice, commits the fact that they may have
// left. A panic is the program's fault and is not caught.
type Handler func(ctx context.Context, j Job, mark func(context.Context) error) Result

// Queue is the durable side. Package server/store implements it. Each method but
// ClaimJobs takes jobs whose lease the caller still holds, and returns
// ErrLeaseLost for one that it does not.
type Queue interface {
	// ClaimJobs leases up to limit due jobs to the caller. No other caller gets a
	// job while it is leased; a caller that dies loses it after the lease.
	ClaimJobs(ctx context.Context, limit int, lease time.Duration) ([]Job, error)
	// MarkSending commits that the job's bytes may leave from now on.
	MarkSending(ctx context.Context, j Job) error
	// FinishJobs writes down how jobs ended, with one commit for all of them. It
	// returns one error for each of ends, nil where it was written down; where it
	// was not, that hinders no other.
	FinishJobs(ctx context.Context, ends []End) []error
	// RetryJob makes the job due again at a later time and takes the mark off.
	RetryJob(ctx context.Context, j Job, at time.Time, cause string) error
	// NextDue returns when the next job that is not leased falls due; zero if
	// there is none.
	NextDue(ctx context.Context) (time.Time, error)
}
