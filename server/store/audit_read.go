package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
)

const (
	auditColumns = `a.id, a.at, a.word, a.actor_kind, a.actor_id, a.actor_ip, a.request_id, a.user_id, a.device_id, a.detail, a.salt`
	auditSelect  = `SELECT ` + auditColumns + ` FROM audit a`
	auditPage    = 500 // rows, batches or links read at a time
)

func scanAudit(row scanner) (r audit.Row, err error) {
	err = row.Scan(&r.ID, timeColumn{&r.At}, &r.Word, &r.ActorKind, &r.ActorID, &r.ActorIP, &r.Request, &r.User, &r.Device, &r.Detail, &r.Salt)
	return r, err
}

// auditRows reads auditSelect. The log is long, so nobody is to wait behind it.
func (db *DB) auditRows(ctx context.Context, s stmt) ([]audit.Row, error) {
	return collect(ctx, db.slowReader(), s, scanAudit)
}

// AuditFilter chooses rows of the log; a zero field does not restrict.
type AuditFilter struct {
	Since, Until time.Time // from, and before
	User         string
	Request      string
	Word         string
}

// EachAudit calls yield for every row that f chooses, oldest first.
func (db *DB) EachAudit(ctx context.Context, f AuditFilter, yield func(audit.Row) error) error {
	until := int64(1<<63 - 1)
	if !f.Until.IsZero() {
		until = micros(f.Until)
	}
	at, id := micros(f.Since), ""
	for {
		rows, err := db.auditRows(ctx, q(auditSelect+`
			WHERE (a.at > $1 OR a.at = $1 AND a.id > $2) AND a.at < $3
			AND (CAST($4 AS TEXT) = '' OR a.user_id = $4) AND (CAST($5 AS TEXT) = '' OR a.request_id = $5)
			AND (CAST($6 AS TEXT) = '' OR a.word = $6) ORDER BY a.at, a.id LIMIT $7`,
			at, id, until, f.User, f.Request, f.Word, auditPage))
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		for _, r := range rows {
			at, id = micros(r.At), r.ID
			if err := yield(r); err != nil {
				return err
			}
		}
		if len(rows) < auditPage {
			return nil
		}
	}
}

// VerifyAudit leads v along the whole log.
func (db *DB) VerifyAudit(ctx context.Context, v *audit.Verifier) (audit.Report, error) {
	if err := db.eachBatch(ctx, v); err != nil {
		return audit.Report{}, fmt.Errorf("read chain: %w", err)
	}
	at, id := int64(0), ""
	for {
		rows, err := db.auditRows(ctx, q(auditSelect+`
			WHERE (a.at > $1 OR a.at = $1 AND a.id > $2)
			AND NOT EXISTS (SELECT 1 FROM audit_links l WHERE l.row_id = a.id) ORDER BY a.at, a.id LIMIT $3`, at, id, auditPage))
		if err != nil {
			return audit.Report{}, fmt.Errorf("read rows in no batch: %w", err)
		}
		for _, r := range rows {
			v.Loose(r)
			at, id = micros(r.At), r.ID
		}
		if len(rows) < auditPage {
			break
		}
	}
	err := db.slowReader().each(ctx, q(`SELECT id, statement FROM audit_removals ORDER BY at, id`), func(row scanner) error {
		var id, statement string
		if err := row.Scan(&id, &statement); err != nil {
			return err
		}
		v.Removed(id, statement)
		return nil
	})
	if err != nil {
		return audit.Report{}, fmt.Errorf("read removals: %w", err)
	}
	return v.Done(), nil
}

func (db *DB) eachBatch(ctx context.Context, v *audit.Verifier) error {
	for n := int64(-1 << 63); ; {
		batches, err := collect(ctx, db.slowReader(), q(`SELECT `+batchColumns+` FROM audit_batches b
			WHERE b.n > $1 ORDER BY b.n LIMIT $2`, n, auditPage), scanBatch)
		if err != nil {
			return err
		}
		for _, b := range batches {
			links, err := db.links(ctx, b.Batch)
			if err != nil {
				return err
			}
			v.Batch(b.Batch, links)
			n = b.N
		}
		if len(batches) < auditPage {
			return nil
		}
	}
}

// links are those of b, each with its row if that is there.
func (db *DB) links(ctx context.Context, b audit.Batch) ([]audit.Link, error) {
	return collect(ctx, db.slowReader(), q(`
		SELECT l.seq, l.row_id, l.hash, l.removed, a.at, a.word, a.actor_kind, a.actor_id, a.actor_ip, a.request_id, a.user_id,
			a.device_id, a.detail, a.salt
		FROM audit_links l LEFT JOIN audit a ON a.id = l.row_id
		WHERE l.seq >= $1 AND l.seq <= $2 ORDER BY l.seq`, b.First, b.Last), scanLink)
}

func scanLink(row scanner) (l audit.Link, err error) {
	var at sql.NullInt64
	var text [8]sql.NullString // from word to detail
	var salt []byte
	dest := []any{&l.Seq, &l.RowID, &l.Hash, &l.Removed, &at}
	for i := range text {
		dest = append(dest, &text[i])
	}
	if err := row.Scan(append(dest, &salt)...); err != nil || !at.Valid {
		return l, err
	}
	l.Row = &audit.Row{
		ID: l.RowID, At: moment(at.Int64), Word: audit.Word(text[0].String), ActorKind: text[1].String, ActorID: text[2].String,
		ActorIP: text[3].String, Request: text[4].String, User: text[5].String, Device: text[6].String, Detail: text[7].String, Salt: salt,
	}
	return l, nil
}
