package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"
)

// errBadConn has database/sql throw a connection away.
var errBadConn = driver.ErrBadConn

// maxStatements bounds how many are kept prepared. There are about as many texts
// as statements in this package, and a few more where a list has no fixed length.
const maxStatements = 300

// preparer is a pool or a connection of database/sql.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// statements is a querier that prepares each text once. SQLite spends as long on
// reading most of our statements as on carrying them out. (PostgreSQL's driver
// does the same by itself.)
//
// It takes no contexts that can end: to watch one costs a goroutine for each
// statement, and none of ours takes longer than that. A call whose time is over
// is not begun.
type statements struct {
	on   preparer
	mu   sync.RWMutex
	kept map[string]*sql.Stmt
}

// exec carries out one.
func (s *statements) exec(ctx context.Context, st stmt) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx)
	p, err := s.prepared(ctx, st.text)
	if err != nil {
		return 0, err
	}
	var res sql.Result
	if p != nil {
		res, err = p.ExecContext(ctx, st.args...)
	} else {
		res, err = s.on.ExecContext(ctx, st.text, st.args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// execAll implements querier.
func (s *statements) execAll(ctx context.Context, all []stmt) (_ []int64, err error) {
	out := make([]int64, len(all))
	for i, st := range all {
		if out[i], err = s.exec(ctx, st); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// later implements querier: here now is as good as later.
func (s *statements) later(ctx context.Context, st step) error {
	return st.result(s.exec(ctx, st.stmt))
}

// each implements querier.
func (s *statements) each(ctx context.Context, st stmt, scan func(scanner) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	p, err := s.prepared(ctx, st.text)
	if err != nil {
		return err
	}
	var rows *sql.Rows
	if p != nil {
		rows, err = p.QueryContext(ctx, st.args...)
	} else {
		rows, err = s.on.QueryContext(ctx, st.text, st.args...)
	}
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// prepared returns query as a statement, or nil if there is no room for it.
func (s *statements) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.RLock()
	p, full := s.kept[query], len(s.kept) >= maxStatements
	s.mu.RUnlock()
	if p != nil || full {
		return p, nil
	}
	p, err := s.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.kept[query]; other != nil { // somebody was quicker
		_ = p.Close()
		return other, nil
	}
	if s.kept == nil {
		s.kept = map[string]*sql.Stmt{}
	}
	s.kept[query] = p
	return p, nil
}

// close ends them. Nobody may be using one any more.
func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.kept {
		_ = p.Close() // the connection goes next, and takes with it what this left
	}
	clear(s.kept)
}
