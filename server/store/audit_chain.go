package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
)

// settled is how long a row waits before it is sealed: by then those before it
// have been committed, but for a few, which Late lets follow.
const settled = 10 * time.Second

// AuditChain seals the log of DB, so that what is done to it afterwards shows.
type AuditChain struct {
	DB     *DB
	Sign   func(payload []byte) (jws string, err error)
	Issuer string

	looked time.Time // when rows that came late were last looked for
	erased time.Time // when there was last nothing to erase
}

// chainEnd is where the chain stands.
type chainEnd struct {
	audit.Batch
	cursorAt int64
	cursorID string
}

// Seal takes up to limit rows into the chain and returns how many those were. Of
// several nodes that do so at once one succeeds; the others find nothing.
func (c *AuditChain) Seal(ctx context.Context, limit int) (int, error) {
	end, err := c.DB.chainEnd(ctx)
	if err != nil {
		return 0, err
	}
	now := c.DB.Now()
	fresh, err := c.DB.auditRows(ctx, q(auditSelect+`
		WHERE (a.at > $1 OR a.at = $1 AND a.id > $2) AND a.at <= $3 ORDER BY a.at, a.id LIMIT $4`,
		end.cursorAt, end.cursorID, micros(now.Add(-settled)), limit))
	if err != nil {
		return 0, fmt.Errorf("read log: %w", err)
	}
	rows := fresh
	if len(fresh) < limit && now.Sub(c.looked) >= time.Minute {
		late, err := c.late(ctx, end, limit-len(fresh))
		if err != nil {
			return 0, err
		}
		rows, c.looked = append(late, fresh...), now
	}
	if len(rows) == 0 {
		return 0, nil
	}
	next := chainEnd{cursorAt: end.cursorAt, cursorID: end.cursorID}
	if n := len(fresh); n > 0 {
		next.cursorAt, next.cursorID = micros(fresh[n-1].At), fresh[n-1].ID
	}
	next.Batch, err = c.batch(end.Batch, rows, now)
	if err != nil {
		return 0, err
	}
	err = c.DB.storeBatch(ctx, next, rows)
	if errors.Is(err, errSealed) {
		return 0, nil
	}
	return len(rows), err
}

// late is rows that were committed after younger ones had been sealed.
func (c *AuditChain) late(ctx context.Context, end chainEnd, limit int) ([]audit.Row, error) {
	rows, err := c.DB.auditRows(ctx, q(auditSelect+`
		WHERE a.at > $1 AND (a.at < $2 OR a.at = $2 AND a.id <= $3)
		AND NOT EXISTS (SELECT 1 FROM audit_links l WHERE l.row_id = a.id) ORDER BY a.at, a.id LIMIT $4`,
		end.cursorAt-audit.Late.Microseconds(), end.cursorAt, end.cursorID, limit))
	if err != nil {
		return nil, fmt.Errorf("read late rows: %w", err)
	}
	return rows, nil
}

// batch is the signed batch over rows, after prev.
func (c *AuditChain) batch(prev audit.Batch, rows []audit.Row, now time.Time) (audit.Batch, error) {
	b := audit.Batch{N: prev.N + 1, First: prev.Last + 1, Last: prev.Last + int64(len(rows)), Prev: notNil(prev.Hash), SealedAt: moment(micros(now))}
	b.Hash = audit.BatchHash(b.N, b.Prev, linksOf(b.First, rows))
	var err error
	b.Checkpoint, err = c.signed(audit.CheckpointOf(b, c.Issuer))
	return b, err
}

func (c *AuditChain) signed(statement any) (string, error) {
	payload, err := json.Marshal(statement)
	if err != nil {
		return "", fmt.Errorf("encode statement: %w", err)
	}
	return c.Sign(payload)
}

func linksOf(seq int64, rows []audit.Row) []audit.Link {
	links := make([]audit.Link, len(rows))
	for i, r := range rows {
		links[i] = audit.Link{Seq: seq + int64(i), RowID: r.ID, Hash: r.Hash()}
	}
	return links
}

// errSealed: another node has sealed a batch of this number.
var errSealed = errors.New("store: sealed by another node")

func (db *DB) storeBatch(ctx context.Context, b chainEnd, rows []audit.Row) error {
	return db.inTx(ctx, func(t *tx) error {
		err := t.must(ctx, errSealed, q(`
			INSERT INTO audit_batches (n, first_seq, last_seq, prev, hash, cursor_at, cursor_id, sealed_at, checkpoint)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (n) DO NOTHING`,
			b.N, b.First, b.Last, b.Prev, b.Hash, b.cursorAt, b.cursorID, micros(b.SealedAt), b.Checkpoint))
		if err != nil {
			return fmt.Errorf("store batch: %w", err)
		}
		var inserts []stmt
		for _, l := range linksOf(b.First, rows) {
			inserts = append(inserts, q(`INSERT INTO audit_links (seq, row_id, hash) VALUES ($1, $2, $3)`, l.Seq, l.RowID, l.Hash))
		}
		if _, err := t.execAll(ctx, inserts); err != nil {
			return fmt.Errorf("store links: %w", err)
		}
		return nil
	})
}

const batchColumns = `b.n, b.first_seq, b.last_seq, b.prev, b.hash, b.cursor_at, b.cursor_id, b.sealed_at, b.checkpoint`

func scanBatch(row scanner) (b chainEnd, err error) {
	err = row.Scan(&b.N, &b.First, &b.Last, &b.Prev, &b.Hash, &b.cursorAt, &b.cursorID, timeColumn{&b.SealedAt}, &b.Checkpoint)
	return b, err
}

// chainEnd is the newest batch, or the zero value before the first.
func (db *DB) chainEnd(ctx context.Context) (chainEnd, error) {
	b, err := first(ctx, db.reader(), q(`SELECT `+batchColumns+` FROM audit_batches b ORDER BY b.n DESC LIMIT 1`), scanBatch)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return b, fmt.Errorf("read end of chain: %w", err)
	}
	return b, nil
}

// ErrNotSealed: there is no checkpoint yet.
var ErrNotSealed = errors.New("store: nothing of the log is sealed yet")

// Checkpoint returns the newest: a JWS.
func (db *DB) Checkpoint(ctx context.Context) (string, error) {
	b, err := db.chainEnd(ctx)
	if err == nil && b.N == 0 {
		err = ErrNotSealed
	}
	return b.Checkpoint, err
}
