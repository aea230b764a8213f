package store

import (
	"context"
	"fmt"
	"time"
)

// Facts is what can be said of a database without changing anything in it.
type Facts struct {
	Server   string    // "SQLite", or "PostgreSQL" with its version
	Empty    bool      // no Mitome has ever migrated it
	Current  int64     // version of the schema; 0 if it is empty
	Want     int64     // version that this program wants
	ReadOnly bool      // it takes no writes: a standby, or a user who may only read
	MayMake  bool      // this user may make tables
	Clock    time.Time // of PostgreSQL's server; zero for SQLite, which has none of its own
}

// Examine looks at the database and leaves it as it is: [DB.Pending] and
// [DB.Version] would make the table of versions where there is none.
func (db *DB) Examine(ctx context.Context) (Facts, error) {
	f := Facts{Server: "SQLite", MayMake: true}
	var made int
	var err error
	if db.postgres {
		made, err = db.examinePostgres(ctx, &f)
	} else {
		err = db.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_master WHERE name = $1`, versionTable).Scan(&made)
	}
	if err != nil {
		return f, fmt.Errorf("examine database: %w", err)
	}
	p, err := db.migrator()
	if err != nil {
		return f, err
	}
	sources := p.ListSources()
	f.Want = sources[len(sources)-1].Version
	if f.Empty = made == 0; f.Empty {
		return f, nil
	}
	f.Current, f.Want, err = db.Version(ctx)
	return f, err
}

// examinePostgres asks the server of itself. Its clock is read here and nowhere
// else: what is stored is timed by Go, so it matters only that they agree.
func (db *DB) examinePostgres(ctx context.Context, f *Facts) (made int, err error) {
	var version string
	err = db.write.QueryRowContext(ctx, `SELECT current_setting('server_version'), clock_timestamp(),
		pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
		COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE),
		(SELECT COUNT(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename = $1)`, versionTable).
		Scan(&version, &f.Clock, &f.ReadOnly, &f.MayMake, &made)
	f.Server = "PostgreSQL " + version
	return made, err
}
