package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // registers itself as "sqlite"
)

const defaultConns = 8

// sqlitePragmas hold for every connection. Synchronous is FULL because a spent
// challenge or a decision must survive a power loss, not only a crash.
const sqlitePragmas = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"

// openSQLite opens the file twice: one connection that writes, because SQLite's
// writers take turns anyway and waiting in Go costs no retries, and some that
// can only read and never wait for it.
func (db *DB) openSQLite(path string, o Options) error {
	if path == "" || path == ":memory:" {
		return errors.New("store: sqlite: needs the path of a file")
	}
	// Made here and not by SQLite, which would let the umask say who may read it.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + sqlitePragmas
	// Write transactions take the write lock at once: taking it later, by
	// upgrading a read lock, fails with SQLITE_BUSY whatever the timeout.
	if db.write, err = sql.Open("sqlite", dsn+"&_txlock=immediate"); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	db.write.SetMaxOpenConns(1)
	if err := db.write.Ping(); err != nil { // before any reader: it turns WAL on
		return fmt.Errorf("open database: %w", err)
	}
	if db.read, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)"); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	keepOpen(db.read, o.MaxConns)
	return nil
}

func (db *DB) openPostgres(dsn string, o Options) error {
	db.postgres, db.busURL = true, o.BusURL
	if db.busURL == "" {
		db.busURL = dsn
	}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil { // its text hides the password
		return fmt.Errorf("open database: %w", err)
	}
	db.write = stdlib.OpenDB(*cfg)
	db.read = db.write
	keepOpen(db.write, o.MaxConns)
	return nil
}

// keepOpen bounds a pool and keeps what it has opened: a connection costs more
// than most of what is done on it.
func keepOpen(pool *sql.DB, conns int) {
	if conns <= 0 {
		conns = defaultConns
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
}
