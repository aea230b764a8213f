package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrSchema: the database was made by a newer Mitome than this one.
var ErrSchema = errors.New("store: the database is newer than this program")

// versionTable says which migrations were applied.
const versionTable = "schema_version"

// Migrate brings the schema to this program's version. Any number of nodes may
// start at once: each migration is applied by one of them.
func (db *DB) Migrate(ctx context.Context) error {
	p, err := db.migrator()
	if err != nil {
		return err
	}
	tries := 1
	if !db.postgres {
		// SQLite has no lock that outlives a transaction. A starter that loses
		// the race fails on what the winner has just made, and finds it done
		// when it looks again.
		tries = 5
	}
	for range tries {
		var pending bool
		if pending, err = db.pending(ctx, p); err != nil || !pending {
			return err
		}
		if _, err = p.Up(ctx); err == nil {
			return nil
		}
	}
	return fmt.Errorf("migrate: %w", err)
}

// Pending reports whether Migrate has something to do. It returns ErrSchema for
// a database that this program is too old for.
func (db *DB) Pending(ctx context.Context) (bool, error) {
	p, err := db.migrator()
	if err != nil {
		return false, err
	}
	return db.pending(ctx, p)
}

func (db *DB) pending(ctx context.Context, p *goose.Provider) (bool, error) {
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return false, fmt.Errorf("read schema version: %w", err)
	}
	if current > target {
		return false, fmt.Errorf("%w: version %d, want %d", ErrSchema, current, target)
	}
	return current < target, nil
}

// Version returns the schema's version and the one that this program wants.
func (db *DB) Version(ctx context.Context) (current, want int64, err error) {
	p, err := db.migrator()
	if err != nil {
		return 0, 0, err
	}
	if current, want, err = p.GetVersions(ctx); err != nil {
		return 0, 0, fmt.Errorf("read schema version: %w", err)
	}
	return current, want, nil
}

func (db *DB) migrator() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true),
	}
	if db.postgres {
		dialect = goose.DialectPostgres
		locker, err := db.migrationLock()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db.write, files, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return p, nil
}

// migrationLock is PostgreSQL's advisory lock, tried once a second: the
// library's own five would be added to every start of a second node.
func (db *DB) migrationLock() (lock.SessionLocker, error) {
	h := fnv.New64a()
	h.Write([]byte("mitome/migrate/" + db.schema))
	locker, err := lock.NewPostgresSessionLocker(
		lock.WithLockID(int64(h.Sum64())), lock.WithLockTimeout(1, 60), lock.WithUnlockTimeout(1, 10))
	if err != nil {
		return nil, fmt.Errorf("migration lock: %w", err)
	}
	return locker, nil
}
