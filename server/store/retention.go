package store

import (
	"context"
	"fmt"
	"time"
)

// ForgetJobs removes up to limit jobs that ended before a time and returns how
// many. What became of a report stays as long as its request: it says whether
// the OP heard, and keeps a second one from being made.
func (db *DB) ForgetJobs(ctx context.Context, before time.Time, limit int) (int, error) {
	ids, err := collect(ctx, db.slowReader(), q(`SELECT id FROM outbox
		WHERE done_at > 0 AND done_at < $1 AND kind <> 'report' ORDER BY done_at LIMIT $2`, micros(before), limit), one[string])
	if err != nil {
		return 0, fmt.Errorf("find old jobs: %w", err)
	}
	err = db.forEach(ctx, ids, `DELETE FROM outbox WHERE id = $1`)
	return len(ids), err
}

// ForgetRequests removes up to limit requests that came before a time and are
// over, with their evidence, and returns how many. One whose report is still
// under way stays.
func (db *DB) ForgetRequests(ctx context.Context, before time.Time, limit int) (int, error) {
	ids, err := collect(ctx, db.slowReader(), q(`SELECT r.id FROM requests r
		WHERE r.created_at < $1 AND r.expires_at < $1 AND r.state <> 'pending'
		AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.subject = r.id AND o.kind = 'report' AND o.done_at = 0)
		ORDER BY r.created_at, r.id LIMIT $2`, micros(before), limit), one[string])
	if err != nil {
		return 0, fmt.Errorf("find old requests: %w", err)
	}
	err = db.forEach(ctx, ids,
		`DELETE FROM outbox WHERE subject = $1 AND kind = 'report'`,
		`DELETE FROM outbox WHERE subject = $1 AND device_id <> ''`,
		`DELETE FROM requests WHERE id = $1`)
	return len(ids), err
}

// forEach carries out the texts for every id, in one transaction.
func (db *DB) forEach(ctx context.Context, ids []string, texts ...string) error {
	if len(ids) == 0 {
		return nil
	}
	return db.inTx(ctx, func(t *tx) error {
		var all []stmt
		for _, id := range ids {
			for _, text := range texts {
				all = append(all, q(text, id))
			}
		}
		if _, err := t.execAll(ctx, all); err != nil {
			return fmt.Errorf("forget: %w", err)
		}
		return nil
	})
}
