package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // registers itself as "sqlite"
)

const (
	defaultConns = 8
	maxIdle      = 5 * time.Minute
)

// sqlitePragmas hold for every connection. Synchronous is FULL because a spent
// challenge or a decision must survive a power loss, not only a crash.
// What a savepoint may have to take back is kept in memory, not in a file.
const sqlitePragmas = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)" +
	"&_pragma=temp_store(MEMORY)"

// writerPragmas hold for connections that write. They take the write lock at
// once: taking it later, by upgrading a read lock, fails with SQLITE_BUSY whatever
// the timeout. A group must fit into the cache, or part of it is written twice;
// and a page that many commits change is written back once for all of them, if
// that is done more rarely than every thousand pages.
const writerPragmas = "&_txlock=immediate&_pragma=cache_size(-16000)&_pragma=wal_autocheckpoint(4000)"

// openSQLite opens the file twice: one connection that writes, because SQLite's
// writers take turns anyway and waiting in Go costs no retries, and some that
// can only read and never wait for it. The pool of the first has room for a
// second connection, which migrates; the group keeps its own.
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
	if db.write, err = sql.Open("sqlite", dsn+writerPragmas); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	db.write.SetMaxOpenConns(2)
	db.group.pool = db.write
	if err := db.write.Ping(); err != nil { // before any reader: it turns WAL on
		return fmt.Errorf("open database: %w", err)
	}
	if db.read, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)"); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	keepOpen(db.read, o.MaxConns)
	db.reads = &statements{on: db.read}
	db.slow = db.reads
	return nil
}

func (db *DB) openPostgres(dsn string, o Options) error {
	db.postgres, db.busURL = true, o.BusURL
	if db.busURL == "" {
		db.busURL = dsn
	}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil { // its text hides the password
		return fmt.Errorf("open database: %w", err)
	}
	cfg.MaxConns, cfg.MaxConnIdleTime = int32(o.MaxConns), maxIdle
	if o.MaxConns <= 0 {
		cfg.MaxConns = defaultConns
	}
	// The pool connects when it is first used, so this context bounds nothing.
	if db.pool, err = pgxpool.NewWithConfig(context.Background(), cfg); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	db.write = stdlib.OpenDBFromPool(db.pool)
	db.read = db.write
	// Few lanes make for large groups, and leave the other connections to those
	// who write. What takes long has no place in them.
	db.reads = &single{pool: db.pool, lanes: max(int(cfg.MaxConns)/4, 2)}
	db.slow = &single{pool: db.pool, lanes: math.MaxInt}
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
	pool.SetConnMaxIdleTime(maxIdle)
}
