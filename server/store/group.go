package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// maxGroup bounds how many transactions share a commit, so that the first of
// them does not wait for a crowd.
const maxGroup = 64

// group is the one writer of SQLite. Transactions that wait for their turn while
// another commits are carried out one after the other and committed together,
// because what a commit costs is the wait for the disk, and that is the same for
// one as for fifty.
//
// Each has a savepoint of its own: one that fails takes back what it did and
// nothing else. All hear what came of them after the common commit and not
// before, those that failed too: an error may rest on what another of the group
// has written, and must not be known before that is durable.
//
// There is no goroutine for it. Whoever comes while nobody commits leads a group
// of all that wait, himself among them, and then passes the lead on.
type group struct {
	pool *sql.DB

	mu      sync.Mutex
	busy    bool // somebody leads
	waiting []*member

	// The leader's alone.
	conn  *sql.Conn
	stmts statements
}

// member is one transaction of a group.
type member struct {
	ctx      context.Context
	run      func(querier) error
	err      error
	panicked any
	turn     chan bool // true: lead the next group; false: it is over
}

// do carries out run in a transaction that is durable when do returns nil. A ctx
// that ends keeps run from beginning; what has begun comes to its end.
func (g *group) do(ctx context.Context, run func(querier) error) error {
	m := &member{ctx: ctx, run: run, turn: make(chan bool, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, m)
	lead := !g.busy
	g.busy = true
	g.mu.Unlock()
	if !lead {
		var err error
		if lead, err = g.wait(m); err != nil {
			return err
		}
	}
	if lead {
		g.lead()
	}
	if m.panicked != nil {
		panic(m.panicked)
	}
	return m.err
}

// wait returns when m has been carried out, or is to lead. Whose time ends while
// he still stands in the queue leaves it.
func (g *group) wait(m *member) (lead bool, err error) {
	select {
	case lead = <-m.turn:
		return lead, nil
	case <-m.ctx.Done():
	}
	g.mu.Lock()
	i := slices.Index(g.waiting, m)
	if i < 0 || len(m.turn) > 0 { // it is being carried out, or the lead was passed to it
		g.mu.Unlock()
		return <-m.turn, nil
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	g.mu.Unlock()
	return false, fmt.Errorf("begin: %w", m.ctx.Err())
}

// lead carries out those who wait, the caller first, and passes the lead on.
func (g *group) lead() {
	g.mu.Lock()
	n := min(len(g.waiting), maxGroup)
	members := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	g.mu.Unlock()

	if err := g.carryOut(members); err != nil {
		g.drop()
		for _, m := range members {
			m.err = err
		}
	}

	g.mu.Lock()
	if g.busy = len(g.waiting) > 0; g.busy {
		g.waiting[0].turn <- true
	}
	g.mu.Unlock()
	for _, m := range members[1:] {
		m.turn <- false
	}
}

// carryOut runs and commits members. An error is everybody's: nothing was
// committed.
func (g *group) carryOut(members []*member) error {
	if err := g.connect(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := g.exec(`BEGIN IMMEDIATE`); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, m := range members {
		if m.err = m.ctx.Err(); m.err != nil {
			m.err = fmt.Errorf("begin: %w", m.err)
			continue
		}
		if err := g.one(m); err != nil {
			return fmt.Errorf("savepoint: %w", err)
		}
	}
	if err := g.exec(`COMMIT`); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// one runs m in a savepoint. It returns an error if SQLite has rolled back more
// than that, as it does when the disk is full, or cannot say where it stands.
func (g *group) one(m *member) error {
	if err := g.exec(`SAVEPOINT member`); err != nil {
		return err
	}
	func() {
		defer func() {
			if r := recover(); r != nil {
				m.panicked, m.err = r, errPanic
			}
		}()
		m.err = m.run(&g.stmts)
	}()
	if m.err != nil {
		if err := g.exec(`ROLLBACK TO member`); err != nil {
			return errors.Join(m.err, err)
		}
	}
	return g.exec(`RELEASE member`)
}

// errPanic is what a transaction ends with that panicked; nobody hears it.
var errPanic = errors.New("store: transaction panicked")

// exec carries out what takes no arguments. It has no context, nor has anything
// that runs in a group: SQLite answers an interrupt by rolling back all of it.
func (g *group) exec(text string) error {
	_, err := g.stmts.exec(context.Background(), stmt{text: text})
	return err
}

// connect takes the connection that writes, once.
func (g *group) connect() error {
	if g.conn != nil {
		return nil
	}
	conn, err := g.pool.Conn(context.Background())
	if err != nil {
		return err
	}
	g.conn, g.stmts = conn, statements{on: conn}
	return nil
}

// drop ends the connection, and with it a transaction that may be open: nothing
// of what was in it is known for certain.
func (g *group) drop() {
	if g.conn == nil {
		return
	}
	g.stmts.close()
	// A driver's connection is thrown away only if it is said to be bad.
	_ = g.conn.Raw(func(any) error { return errBadConn })
	_ = g.conn.Close()
	g.conn = nil
}

// close gives the connection back. Nobody may be writing any more.
func (g *group) close() {
	if g.conn == nil {
		return
	}
	g.stmts.close()
	_ = g.conn.Close()
	g.conn = nil
}
