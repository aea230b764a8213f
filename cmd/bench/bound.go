package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	_ "github.com/jackc/pgx/v5/stdlib" // registers itself as "pgx"
	_ "modernc.org/sqlite"             // registers itself as "sqlite"
)

// A flow cannot do without these. The OP's ask, the challenge, the decision, and
// how the report ended must each be on the disk before the next step is taken:
// somebody has been told, or something has been signed, that must not be
// forgotten. The challenge counts although losing it would only have the user
// asked again, because design has it stored before it leaves.
const (
	commitsPerFlow = 4
	rowBytes       = 1 << 10 // about what one step writes
)

// together is on how many connections the bound is measured a second time, for
// people: where commits come from many sides PostgreSQL groups them by itself.
const together = 8

// boundTask is what the bound process is told to do.
type boundTask struct {
	Engine string
	Dir    string // of SQLite's file
	URL    string // of PostgreSQL
	Conns  int    // flows under way
	Length time.Duration
}

// run does for each flow one verification of a P-256 signature and the commits
// that it needs, and nothing else. It returns the flows a second. With one
// connection each commit has its own way to the disk: this is what the machine
// would give to a Mitome that costs nothing itself and groups nothing.
func (t boundTask) run(ctx context.Context) (float64, error) {
	db, err := t.open(ctx)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256([]byte("what was shown"))
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		return 0, err
	}
	var flows atomic.Int64
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range t.Conns {
		g.Go(func() error {
			for time.Since(began) < t.Length {
				if !ecdsa.VerifyASN1(&key.PublicKey, sum[:], sig) {
					return errors.New("signature does not verify")
				}
				if err := commitAll(ctx, db); err != nil {
					return err
				}
				flows.Add(1)
			}
			return nil
		})
	}
	err = g.Wait()
	return float64(flows.Load()) / time.Since(began).Seconds(), err
}

// commitAll commits one row after the other.
func commitAll(ctx context.Context, db *sql.DB) error {
	row := make([]byte, rowBytes)
	for range commitsPerFlow {
		if _, err := db.ExecContext(ctx, `INSERT INTO bench_bound (id, body) VALUES ($1, $2)`, rand.Text(), row); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	return nil
}

// open opens a database as durable as Mitome's own.
func (t boundTask) open(ctx context.Context) (db *sql.DB, err error) {
	if t.Engine == sqliteEngine {
		db, err = sql.Open("sqlite", "file:"+filepath.Join(t.Dir, "bound.db")+
			"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	} else {
		db, err = sql.Open("pgx", t.URL)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(t.Conns)
	db.SetMaxIdleConns(t.Conns)
	if _, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS bench_bound (id TEXT PRIMARY KEY, body BYTEA NOT NULL)`); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// durable refuses a PostgreSQL that says yes before it is true.
func durable(ctx context.Context, url string) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer db.Close()
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var v string
		if err := db.QueryRowContext(ctx, `SHOW `+name).Scan(&v); err != nil {
			return fmt.Errorf("show %s: %w", name, err)
		}
		if v != "on" {
			return fmt.Errorf("PostgreSQL has %s %s: what it commits may be lost", name, v)
		}
	}
	return nil
}
