package store

import (
	"context"
	"database/sql"
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
