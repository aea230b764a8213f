package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/mitome-ciba/mitome/server/outbox"
)

// Raw gives tests the database itself, to see what really stands there.
func (db *DB) Raw() *sql.DB { return db.write }

// IsPostgres tells which database it is.
func (db *DB) IsPostgres() bool { return db.postgres }

// SealedColumns lists the columns that hold ciphertext, as "table.column".
func SealedColumns() []string {
	var out []string
	for _, c := range sealedColumns {
		out = append(out, c.table+"."+c.column)
	}
	return out
}

// Pack is what a node would send of count words with the given payload.
func Pack(payload string, count int) []string {
	words := make([]notice, count)
	for i := range words {
		words[i] = notice{"topic", payload}
	}
	return pack("node", words)
}

// RawRead is the pool that reads.
func (db *DB) RawRead() *sql.DB { return db.read }

// Channel is the name by which PostgreSQL knows the bus of db.
func (db *DB) Channel() string { return db.channel() }

// ClaimUnlocked is ClaimJobs without SKIP LOCKED.
func (db *DB) ClaimUnlocked(ctx context.Context, limit int, lease time.Duration) ([]outbox.Job, error) {
	return db.claim(ctx, "", limit, lease)
}

// Exec carries out one statement of a transaction.
type Exec func(text string, args ...any) error

// InTx runs fn in a transaction like any of ours.
func (db *DB) InTx(ctx context.Context, fn func(Exec) error) error {
	return db.inTx(ctx, func(t *tx) error {
		return fn(func(text string, args ...any) error {
			_, err := t.exec(ctx, text, args...)
			return err
		})
	})
}

// InTxLater is InTx with statements that nobody waits for, each of which must
// change rows.
func (db *DB) InTxLater(ctx context.Context, none error, fn func(Exec) error) error {
	return db.inTx(ctx, func(t *tx) error {
		return fn(func(text string, args ...any) error { return t.thenMust(ctx, "test", none, q(text, args...)) })
	})
}

// Pragma reads a setting of the connection that writes to SQLite.
func (db *DB) Pragma(ctx context.Context, name string) (value string, err error) {
	err = db.inTx(ctx, func(t *tx) error {
		value, err = first(ctx, t, q(`PRAGMA `+name), one[string])
		return err
	})
	return value, err
}

// Strings reads a column of text; scan fails with stop at the first row, if that
// is given.
func (db *DB) Strings(ctx context.Context, text, arg string, stop error) (out []string, err error) {
	return collect(ctx, db.reader(), q(text, arg), func(row scanner) (string, error) {
		s, err := one[string](row)
		return s, errors.Join(err, stop)
	})
}

// MigrateTo brings the schema to an older program's version.
func (db *DB) MigrateTo(ctx context.Context, version int64) error {
	p, err := db.migrator()
	if err == nil {
		_, err = p.UpTo(ctx, version)
	}
	return err
}

// What makes a row of the log one that is there already.
const (
	SameLook = sameLook
	SameView = sameView
)
