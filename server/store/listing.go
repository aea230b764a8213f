package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mitome-ciba/mitome/approval"
)

const (
	listDefault = 100
	listMax     = 1000
)

// ListRequests implements approval.Listing. A filter that is not set is compared
// with the column itself, so that there is one text.
func (db *DB) ListRequests(ctx context.Context, query approval.Query) ([]approval.Listed, error) {
	limit := query.Limit
	if limit <= 0 {
		limit = listDefault
	}
	out, err := collect(ctx, db.slowReader(), q(`
		SELECT `+openColumns+`, j.done_at, j.outcome, j.cause, j.attempts
		FROM requests r LEFT JOIN outbox j ON j.subject = r.id AND j.kind = 'report'
		WHERE (CAST($1 AS TEXT) = '' OR r.op = $1)
		  AND (CAST($2 AS TEXT) = '' OR r.user_id = $2)
		  AND (CAST($3 AS TEXT) = '' OR r.state = $3)
		  AND (CAST($4 AS TEXT) = '' OR j.outcome = $4)
		  AND (CAST($6 AS TEXT) = '' OR r.id = $6)
		ORDER BY r.created_at DESC, r.id DESC LIMIT $5`,
		query.OP, query.User, query.State, outcomeOf(query), min(limit, listMax), query.Request), scanListed)
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	return out, nil
}

func outcomeOf(query approval.Query) approval.ReportState {
	if query.Unsure {
		return approval.ReportUnsure
	}
	return ""
}

func scanListed(row scanner) (l approval.Listed, err error) {
	var done, attempts sql.NullInt64
	var outcome, cause sql.NullString
	if l.Request, err = scanOpen(row, &done, &outcome, &cause, &attempts); err != nil {
		return approval.Listed{}, err
	}
	switch {
	case !done.Valid:
		l.Report = approval.NoReport
	case done.Int64 == 0:
		l.Report = approval.ReportWaiting
	default:
		l.Report = approval.ReportState(outcome.String)
	}
	l.Cause, l.Attempts = cause.String, int(attempts.Int64)
	return l, nil
}
