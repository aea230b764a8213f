package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// The kinds of job that effects become.
const (
	jobReport = "report"
	jobDevice = "device"
	jobTest   = "test"
	jobSignal = "signal"

	jobLockSignal = "lock_signal"
	jobAlert      = "alert"
)

// topicOutbox tells other nodes that jobs were stored.
const topicOutbox = "outbox"

// queue stores effects of request r as jobs. A report waits for r.ReportAfter,
// because some OPs know of the request only after our answer to it.
func (t *tx) queue(ctx context.Context, r approval.Request, effects []approval.Effect) error {
	if err := t.callOff(ctx, r, effects); err != nil {
		return err
	}
	for _, e := range effects {
		var err error
		switch e := e.(type) {
		case approval.Notify:
			err = t.notify(ctx, r, e)
		case approval.Clear:
			err = t.clear(ctx, r, e)
		case approval.Report:
			due := t.now
			if r.ReportAfter.After(due) {
				due = r.ReportAfter
			}
			err = t.enqueue(ctx, jobReport, string(r.ID), "", due)
		case approval.Signal:
			err = t.enqueue(ctx, jobSignal, string(r.ID), string(e.To), t.now)
		default:
			err = fmt.Errorf("store: unknown effect %T", e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enqueue stores one job.
func (t *tx) enqueue(ctx context.Context, kind, subject, target string, due time.Time) error {
	t.queued = true
	return t.then(ctx, "queue "+kind, q(`INSERT INTO outbox (id, kind, subject, target, due_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		t.rowID(), kind, subject, target, micros(due), micros(t.now)))
}

// claimSQL: the lease is tested twice, inside and outside the subquery. SQLite
// needs it once: its writers take turns. On PostgreSQL, of two claims that chose
// the same row the second waits, then checks the outer WHERE again on the row as
// the first one left it. SKIP LOCKED makes that rare and is there for speed; it
// is the outer test that gives a job to one claim alone. The subquery is
// materialized because PostgreSQL's planner may otherwise run it once a row, and
// claim more than the limit.
const claimSQL = `
	WITH due AS MATERIALIZED (
		SELECT id FROM outbox
		WHERE done_at = 0 AND due_at <= $1 AND lease_until <= $1
		ORDER BY due_at, id LIMIT $2 %s)
	UPDATE outbox
	SET lease = $3, lease_until = $4, attempts = attempts + 1
	WHERE done_at = 0 AND due_at <= $1 AND lease_until <= $1
	  AND id IN (SELECT id FROM due)
	RETURNING id, kind, subject, target, attempts, sending, leads, created_at, due_at`

// skipLocked has claims of several nodes pass one another by. SQLite has no such
// words and, with one writer, no need of them.
const skipLocked = `FOR UPDATE SKIP LOCKED`

// ClaimJobs implements outbox.Queue.
func (db *DB) ClaimJobs(ctx context.Context, limit int, lease time.Duration) ([]outbox.Job, error) {
	if db.postgres {
		return db.claim(ctx, skipLocked, limit, lease)
	}
	return db.claim(ctx, "", limit, lease)
}

func (db *DB) claim(ctx context.Context, locking string, limit int, lease time.Duration) ([]outbox.Job, error) {
	type claimed struct {
		job outbox.Job
		due time.Time
	}
	text := fmt.Sprintf(claimSQL, locking)
	var got []claimed
	err := db.alone(ctx, func(t *tx) (err error) {
		token := newID()
		s := q(text, micros(t.now), limit, token, micros(t.now.Add(lease)))
		got, err = collect(ctx, t, s, func(row scanner) (claimed, error) {
			c := claimed{job: outbox.Job{Lease: token}}
			j := &c.job
			err := row.Scan(&j.ID, &j.Kind, &j.Subject, &j.Target, &j.Attempts, &j.Sending, &j.Leads, timeColumn{&j.Created}, timeColumn{&c.due})
			return c, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim jobs: %w", err)
	}
	slices.SortFunc(got, func(a, b claimed) int { // RETURNING promises no order
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.job.ID, b.job.ID))
	})
	jobs := make([]outbox.Job, len(got))
	for i, c := range got {
		jobs[i] = c.job
	}
	return jobs, nil
}

// MarkSending implements outbox.Queue. It alone demands that the lease has time
// left: what is marked is sent next, and by then nobody else may hold the job.
// The other two take what came of an attempt as long as nobody claimed anew.
func (db *DB) MarkSending(ctx context.Context, j outbox.Job) error {
	return db.inTx(ctx, func(t *tx) error {
		return t.thenMust(ctx, "mark job "+j.ID, outbox.ErrLeaseLost, q(`
			UPDATE outbox SET sending = TRUE
			WHERE id = $1 AND lease = $2 AND done_at = 0 AND lease_until > $3`,
			j.ID, j.Lease, micros(t.now)))
	})
}

// FinishJob is FinishJobs of one.
func (db *DB) FinishJob(ctx context.Context, j outbox.Job, outcome outbox.Outcome, cause string) error {
	return db.FinishJobs(ctx, []outbox.End{{Job: j, Outcome: outcome, Cause: cause}})[0]
}

// FinishJobs implements outbox.Queue. If they cannot be written down together,
// each is tried alone, so that one does not hold up the others.
func (db *DB) FinishJobs(ctx context.Context, ends []outbox.End) []error {
	out := make([]error, len(ends))
	err := db.inTx(ctx, func(t *tx) error { return t.finish(ctx, ends, out) })
	for i := range ends {
		switch {
		case err == nil:
		case len(ends) == 1:
			out[i] = err
		default:
			out[i] = db.FinishJobs(ctx, ends[i:i+1])[0]
		}
	}
	return out
}

// finish ends jobs and says of each in lost whether it was the caller's to end.
// With the end of a report, however it went, the OP's handle has served and is
// forgotten.
func (t *tx) finish(ctx context.Context, ends []outbox.End, lost []error) error {
	updates := make([]stmt, len(ends))
	for i, e := range ends {
		updates[i] = q(`UPDATE outbox SET done_at = $1, outcome = $2, cause = $3, lease = '', lease_until = 0
			WHERE id = $4 AND lease = $5 AND done_at = 0`,
			micros(t.now), e.Outcome, storable(e.Cause), e.Job.ID, e.Job.Lease)
	}
	changed, err := t.execAll(ctx, updates)
	if err != nil {
		return fmt.Errorf("finish jobs: %w", err)
	}
	var leaders []outbox.End
	for i, e := range ends {
		lost[i] = nil
		if changed[i] == 0 {
			lost[i] = fmt.Errorf("finish job %s: %w", e.Job.ID, outbox.ErrLeaseLost)
			continue
		}
		if e.Job.Leads {
			leaders = append(leaders, e)
		}
		if e.Job.Kind == "notify" {
			if err := t.auditDelivery(ctx, e); err != nil {
				return err
			}
		}
		if e.Job.Kind != jobReport {
			continue
		}
		id := approval.RequestID(e.Job.Subject)
		if err := t.blank(ctx, id); err != nil {
			return err
		}
		err := t.audit(ctx, audit.Entry{
			Word: audit.ReportEnded, By: device.Mitome, Request: id,
			Detail: map[string]string{"outcome": string(e.Outcome)},
		})
		if err != nil {
			return err
		}
	}
	return t.follow(ctx, leaders)
}

// RetryJob implements outbox.Queue.
func (db *DB) RetryJob(ctx context.Context, j outbox.Job, at time.Time, cause string) error {
	return db.inTx(ctx, func(t *tx) error {
		return t.thenMust(ctx, "retry job "+j.ID, outbox.ErrLeaseLost, q(`
			UPDATE outbox SET due_at = $1, cause = $2, sending = FALSE, lease = '', lease_until = 0
			WHERE id = $3 AND lease = $4 AND done_at = 0`,
			micros(at), storable(cause), j.ID, j.Lease))
	})
}

// NextDue implements outbox.Queue.
func (db *DB) NextDue(ctx context.Context) (time.Time, error) {
	t := db.reader()
	due, err := first(ctx, t, q(`SELECT MIN(due_at) FROM outbox WHERE done_at = 0 AND lease_until <= $1`, micros(t.now)),
		one[sql.NullInt64])
	if err != nil {
		return time.Time{}, fmt.Errorf("next due job: %w", err)
	}
	return moment(due.Int64), nil
}
