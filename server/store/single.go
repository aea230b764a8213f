package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// maxReads bounds how many reads go together.
	maxReads = 32
	// readTime bounds reads that go together, which must not end with the call of
	// one of them.
	readTime = 10 * time.Second
)

// single is the statements of PostgreSQL that stand alone.
//
// Queries that come while all lanes are busy go together when one is free: what a
// read costs is mostly the way there and back, and the connections are fewer than
// the calls. One that finds a lane goes at once, by itself. Those that go together
// are one transaction, so they must be reads.
type single struct {
	pool  *pgxpool.Pool
	lanes int // reads, or groups of them, under way at once

	mu      sync.Mutex
	busy    int
	waiting []*read
}

// read is one query that waits.
type read struct {
	ctx     context.Context
	stmt    stmt
	scan    func(scanner) error
	err     error
	group   []*read   // those that it leads, itself among them
	turn    chan bool // true: lead; false: it is over
	scanned bool      // rows were handed out
}

// execAll implements querier.
func (p *single) execAll(ctx context.Context, all []stmt) ([]int64, error) {
	out := make([]int64, len(all))
	for i, s := range all {
		tag, err := p.pool.Exec(ctx, s.text, s.args...)
		if err != nil {
			return nil, err
		}
		out[i] = tag.RowsAffected()
	}
	return out, nil
}

// later implements querier: there is nothing to wait for.
func (p *single) later(ctx context.Context, s step) error {
	tag, err := p.pool.Exec(ctx, s.text, s.args...)
	return s.result(tag.RowsAffected(), err)
}

// each implements querier.
func (p *single) each(ctx context.Context, s stmt, scan func(scanner) error) error {
	r := &read{ctx: ctx, stmt: s, scan: scan, turn: make(chan bool, 1)}
	p.mu.Lock()
	lead := p.busy < p.lanes
	if lead {
		p.busy++
		r.group = []*read{r}
	} else {
		p.waiting = append(p.waiting, r)
	}
	p.mu.Unlock()
	if !lead {
		var err error
		if lead, err = p.wait(r); err != nil {
			return err
		}
	}
	if lead {
		p.lead(r.group)
	}
	return r.err
}

// wait returns when r was carried out, or is to lead. Whose time ends while he
// still stands in the queue leaves it.
func (p *single) wait(r *read) (lead bool, err error) {
	select {
	case lead = <-r.turn:
		return lead, nil
	case <-r.ctx.Done():
	}
	p.mu.Lock()
	i := slices.Index(p.waiting, r)
	if i < 0 {
		p.mu.Unlock()
		return <-r.turn, nil
	}
	p.waiting = slices.Delete(p.waiting, i, i+1)
	p.mu.Unlock()
	return false, r.ctx.Err()
}

// lead carries out group, whose first is the caller's, and passes the lane on.
func (p *single) lead(group []*read) {
	defer func() { // also if scan panics: whoever waits must not wait for ever
		p.mu.Lock()
		if n := min(len(p.waiting), maxReads); n > 0 {
			next := slices.Clone(p.waiting[:n])
			p.waiting = slices.Delete(p.waiting, 0, n)
			next[0].group = next
			next[0].turn <- true
		} else {
			p.busy--
		}
		p.mu.Unlock()
		for _, r := range group[1:] {
			r.turn <- false
		}
	}()
	left := group
	if len(group) > 1 {
		left = p.together(group)
	}
	for _, r := range left {
		r.err = p.alone(r)
	}
}

// alone carries out one read.
func (p *single) alone(r *read) error {
	rows, err := p.pool.Query(r.ctx, r.stmt.text, r.stmt.args...)
	if err != nil {
		return err
	}
	return scanAll(rows, r.scan)
}

// together carries out reads with one way there and back, and returns those that
// must be tried alone: PostgreSQL carries out nothing after one that fails.
func (p *single) together(group []*read) (left []*read) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(group[0].ctx), readTime)
	defer cancel()
	var b pgx.Batch
	for _, r := range group {
		b.Queue(r.stmt.text, r.stmt.args...)
	}
	results := p.pool.SendBatch(ctx, &b)
	defer results.Close()
	for i, r := range group {
		rows, err := results.Query()
		if err == nil {
			err = scanAll(rows, func(row scanner) error {
				r.scanned = true
				return r.scan(row)
			})
		}
		if err == nil {
			continue
		}
		if !r.scanned {
			return group[i:]
		}
		r.err = fmt.Errorf("read: %w", err)
	}
	return nil
}
