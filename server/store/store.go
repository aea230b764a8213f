// Package store keeps everything Mitome remembers, in SQLite or PostgreSQL, and
// carries words between the nodes that share a database.
//
// Both databases run the same SQL. What makes that possible are a few rules,
// which the tests of this package check:
//
//   - columns are TEXT, BIGINT, BOOLEAN or BYTEA; times are Unix microseconds
//     given by Go, once a transaction, and never by the database; JSON is text;
//   - placeholders are $1, $2, … and columns are listed;
//   - what must not race is a compare-and-set, on a version, a counter, a nonce
//     or a lease. No statement locks rows, but for the one that claims jobs.
//
// # Why
//
// One package and not one beside each domain, because one decision touches the
// request, the passkey, the outbox and the audit log, and does so in one
// transaction. Domain packages see their own small ports; no transaction ever
// stands in a domain's signature.
//
// SQL is written by hand: the compare-and-set is the line that keeps the promise
// "first decision wins", and it should be there to be read.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
)

// Sealer encrypts what must be read again and hashes what must be found again.
// Package server/seal implements it.
type Sealer interface {
	Seal(plaintext []byte, aad seal.AAD) ([]byte, error)
	Open(sealed []byte, aad seal.AAD) ([]byte, error)
	Lookup(kind, value string) []byte
}

// Options is what Open needs beside the URL.
type Options struct {
	Ring Sealer
	Now  func() time.Time // time.Now if nil
	Log  *slog.Logger     // of the bus, which has nobody to return an error to; silent if nil

	// MaxConns is how many connections a PostgreSQL pool may hold, or how many
	// readers a SQLite file has. Zero is a sensible number.
	MaxConns int
	// BusURL is where PostgreSQL is reached directly, if the main URL goes
	// through a pooler: LISTEN does not work through one.
	BusURL string
}

// DB is an open database. It implements the ports of the domain packages.
type DB struct {
	// Now is the clock. It may be set before the first use, not later.
	Now func() time.Time

	ring     Sealer
	write    *sql.DB
	read     *sql.DB       // the same as write on PostgreSQL
	reads    querier       // statements that stand alone
	slow     querier       // the same, for those that go over many rows
	group    group         // SQLite's writer
	pool     *pgxpool.Pool // PostgreSQL's connections, those of write too
	postgres bool
	log      *slog.Logger
	busURL   string
	schema   string // PostgreSQL's current schema
	wake     chan struct{}
	bus      bus
}

var (
	_ approval.Store         = (*DB)(nil)
	_ approval.Challenges    = (*DB)(nil)
	_ approval.Failures      = (*DB)(nil)
	_ approval.EvidenceStore = (*DB)(nil)
	_ approval.Listing       = (*DB)(nil)
	_ approval.Past          = (*DB)(nil)
	_ device.Users           = (*DB)(nil)
	_ device.Devices         = (*DB)(nil)
	_ device.Enrollments     = (*DB)(nil)
	_ device.Ceremonies      = (*DB)(nil)
	_ device.Lifecycle       = (*DB)(nil)
	_ device.Passkeys        = (*DB)(nil)
	_ device.UserCodes       = (*DB)(nil)
	_ device.HintTokens      = (*DB)(nil)
	_ session.Store          = (*DB)(nil)
	_ session.DeskStore      = (*DB)(nil)
	_ outbox.Queue           = (*DB)(nil)
)

// Open opens the database named by url: "sqlite:<path>" or "postgres://…". It
// changes nothing there; see [DB.Migrate].
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	if o.Ring == nil {
		return nil, errors.New("store: no keys")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{Now: o.Now, ring: o.Ring, log: o.Log, wake: make(chan struct{}, 1), bus: newBus()}
	var err error
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		err = db.openSQLite(rest, o)
	case "postgres", "postgresql":
		err = db.openPostgres(url, o)
	default: // the URL is not quoted: it may hold a password
		return nil, errors.New("store: the database URL begins with neither sqlite: nor postgres://")
	}
	if err == nil {
		err = db.selfTest(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// selfTest checks that the driver binds $n by number. Some SQLite drivers bind
// by first appearance, and then a compare-and-set silently matches nothing.
func (db *DB) selfTest(ctx context.Context) error {
	var second, first string
	err := db.read.QueryRowContext(ctx, `SELECT CAST($2 AS TEXT), CAST($1 AS TEXT)`, "a", "b").Scan(&second, &first)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if first != "a" || second != "b" {
		return errors.New("store: the database driver does not bind $n by number")
	}
	if !db.postgres {
		return nil
	}
	// NOTIFY and advisory locks are the whole database's, so their names are
	// made from the schema: two installations in one database must not meet.
	if err := db.read.QueryRowContext(ctx, `SELECT current_schema()`).Scan(&db.schema); err != nil {
		return fmt.Errorf("find schema: %w", err)
	}
	return nil
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.write.PingContext(ctx); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// Close closes the database. What runs on it must have ended before.
func (db *DB) Close() error {
	var err error
	db.group.close()
	if db.read != nil && db.read != db.write {
		err = db.read.Close()
	}
	if db.write != nil {
		err = errors.Join(err, db.write.Close())
	}
	if db.pool != nil {
		db.pool.Close()
	}
	return err
}

// Wake returns the channel that receives when jobs were stored, here or on
// another node. It is one channel for all, so it has one reader.
func (db *DB) Wake() <-chan struct{} { return db.wake }

// signal fills db.wake unless it is full: a reader that has not looked yet
// needs to look once.
func (db *DB) signal() {
	select {
	case db.wake <- struct{}{}:
	default:
	}
}

// micros is t as it is stored. The zero time is 0, "never".
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is the reverse of micros.
func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
