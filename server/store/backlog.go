package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Backlog returns how many jobs have not ended, and when the most overdue of
// them fell due; the zero time if none is due.
func (db *DB) Backlog(ctx context.Context) (jobs int, oldest time.Time, err error) {
	type row struct {
		n   int
		due sql.NullInt64
	}
	now := db.Now()
	rows, err := collect(ctx, db.slowReader(), q(`SELECT COUNT(*), MIN(due_at) FROM outbox WHERE done_at = 0`),
		func(s scanner) (r row, err error) { return r, s.Scan(&r.n, &r.due) })
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count jobs: %w", err)
	}
	if due := moment(rows[0].due.Int64); rows[0].due.Valid && !due.After(now) {
		oldest = due
	}
	return rows[0].n, oldest, nil
}
