package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// rollbackTime bounds the taking back of a transaction, which must not end with
// the call that failed.
const rollbackTime = 5 * time.Second

// pipeline is one transaction of PostgreSQL. What need not be waited for is kept
// back and sent together with what comes next, BEGIN and COMMIT too, because most
// of what a small transaction costs is the way there and back.
type pipeline struct {
	conn  *pgxpool.Conn // nil until something is sent
	pool  *pgxpool.Pool
	kept  []step
	begun bool
}

// runPipeline carries out run in a transaction that is committed when it returns
// nil.
func runPipeline(ctx context.Context, pool *pgxpool.Pool, run func(querier) error) error {
	p := &pipeline{pool: pool}
	defer p.end(ctx)
	if err := run(p); err != nil {
		return err
	}
	return p.commit(ctx)
}

// execAll implements querier.
func (p *pipeline) execAll(ctx context.Context, all []stmt) ([]int64, error) {
	out := make([]int64, len(all))
	err := p.send(ctx, all, func(r pgx.BatchResults) error {
		for i := range all {
			tag, err := r.Exec()
			if err != nil {
				return err
			}
			out[i] = tag.RowsAffected()
		}
		return nil
	})
	return out, err
}

// each implements querier.
func (p *pipeline) each(ctx context.Context, s stmt, scan func(scanner) error) error {
	return p.send(ctx, []stmt{s}, func(r pgx.BatchResults) error {
		rows, err := r.Query()
		if err != nil {
			return err
		}
		return scanAll(rows, scan)
	})
}

// later implements querier.
func (p *pipeline) later(_ context.Context, s step) error {
	p.kept = append(p.kept, s)
	return nil
}

// send sends what was kept, and then more, whose outcome read takes.
func (p *pipeline) send(ctx context.Context, more []stmt, read func(pgx.BatchResults) error) (err error) {
	if p.conn == nil {
		if p.conn, err = p.pool.Acquire(ctx); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
	}
	var b pgx.Batch
	begin := !p.begun
	if begin {
		b.Queue(`BEGIN`)
	}
	kept := p.kept
	for _, k := range kept {
		b.Queue(k.text, k.args...)
	}
	for _, s := range more {
		b.Queue(s.text, s.args...)
	}
	p.begun, p.kept = true, nil
	r := p.conn.SendBatch(ctx, &b)
	defer func() {
		if closed := r.Close(); err == nil {
			err = closed
		}
	}()
	if begin {
		if _, err := r.Exec(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
	}
	for _, k := range kept {
		tag, err := r.Exec()
		if err := k.result(tag.RowsAffected(), err); err != nil {
			return err
		}
	}
	if len(more) == 0 {
		return nil
	}
	return read(r)
}

// commit makes the transaction durable. Steps that must change rows are waited
// for before it; where there is but one, it is a transaction of its own.
func (p *pipeline) commit(ctx context.Context) error {
	if !p.begun && len(p.kept) == 0 {
		return nil
	}
	if !p.begun && len(p.kept) == 1 { // changes nothing if it does not do what it must
		tag, err := p.pool.Exec(ctx, p.kept[0].text, p.kept[0].args...)
		return p.kept[0].result(tag.RowsAffected(), err)
	}
	for _, k := range p.kept {
		if k.none != nil {
			if err := p.send(ctx, nil, nil); err != nil {
				return err
			}
			break
		}
	}
	var tag pgconn.CommandTag
	err := p.send(ctx, []stmt{{text: `COMMIT`}}, func(r pgx.BatchResults) (err error) {
		tag, err = r.Exec()
		return err
	})
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if tag.String() != "COMMIT" { // PostgreSQL's word for a transaction that had failed is ROLLBACK
		return fmt.Errorf("commit: %w", pgx.ErrTxCommitRollback)
	}
	p.begun = false
	return nil
}

// end takes back what was not committed, and gives the connection back.
func (p *pipeline) end(ctx context.Context) {
	if p.conn == nil {
		return
	}
	if p.begun {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
		defer cancel()
		// A connection on which this fails is one that the pool throws away.
		_, _ = p.conn.Exec(ctx, `ROLLBACK`)
	}
	p.conn.Release()
}

// scanAll calls scan for every row and closes rows.
func scanAll(rows pgx.Rows, scan func(scanner) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
