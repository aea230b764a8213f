package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Facts is what an open database says of itself.
type Facts struct {
	Server        string
	Empty         bool  // nothing was ever made in it
	Current, Want int64 // versions of the schema
	ReadOnly      bool
	MayMake       bool
	Clock         time.Time // zero if it has none of its own
}

// DB is an open database.
type DB interface {
	Facts(context.Context) (Facts, error)
	Backlog(context.Context) (jobs int, oldest time.Time, err error)
	SealedWith(context.Context) (map[string]int, error)
	Close() error
}

// Database is the database as configured.
type Database struct {
	URL    string
	Manual bool // the schema is migrated by hand
	Open   func(context.Context) (DB, error)
	KeyIDs []string // in the key file; nil if it could not be read
	Now    func() time.Time
	// Further, if not nil, looks at what else there is in a database that is up to date.
	Further func(context.Context, DB)
}

// overdue is how long a job may be due before somebody should look: workers
// claim jobs within a second.
const overdue = time.Minute

// Check opens the database and looks at it.
func (d Database) Check(ctx context.Context, r *Report) {
	const check = "database"
	if path, ok := strings.CutPrefix(d.URL, "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { // opening would make it
			d.notThere(r, path)
			return
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*Timeout)
	defer cancel()
	db, err := d.Open(ctx)
	if err != nil {
		r.Fault(check, "%s", d.unreachable(err))
		return
	}
	defer func() { _ = db.Close() }() // nothing was written
	asked := d.Now()
	f, err := db.Facts(ctx)
	if err != nil {
		r.Fault(check, "%s", d.unreachable(err))
		return
	}
	if !f.Clock.IsZero() {
		r.clock("the database", f.Clock.Sub(asked.Add(d.Now().Sub(asked)/2)))
	}
	if !d.schema(r, f) {
		return
	}
	d.contents(ctx, r, db)
	if d.Further != nil {
		d.Further(ctx, db)
	}
}

// notThere: a new installation has no file yet; an old one has lost it.
func (d Database) notThere(r *Report, path string) {
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		r.OK("database", "%s is not there yet, and is made at the first start.", path)
		return
	}
	r.OK("database", "%s is not there yet, and is made at the first start; if it was there before, restore it from the backup first.", path)
}

// schema reports whether the schema is this program's.
func (d Database) schema(r *Report, f Facts) bool {
	const check = "database"
	behind := f.Empty || f.Current < f.Want
	switch {
	case f.ReadOnly:
		r.Fault(check, "%s takes no writes: it is a standby or read-only; have database.url name the primary (target_session_attrs=read-write).", f.Server)
	case f.Current > f.Want:
		r.Fault(check, "The schema has version %d and this program knows only %d: a newer Mitome has been here; run that one, or restore the backup from before the upgrade.", f.Current, f.Want)
	case behind && !f.MayMake:
		r.Fault(check, "The schema must be made or brought up to date, and the database's user may not make tables; GRANT CREATE, USAGE ON SCHEMA public TO that user, or give it a database of its own.")
	case behind && d.Manual:
		r.Fault(check, "The schema has version %d, this program needs %d, and manual_migration is set; run mitome migrate.", f.Current, f.Want)
	case f.Empty:
		r.OK(check, "%s can be used; it is empty, and the tables are made at the first start.", f.Server)
	case behind:
		r.OK(check, "%s can be used; its schema goes from version %d to %d at the next start.", f.Server, f.Current, f.Want)
	default:
		r.OK(check, "%s can be used; its schema is up to date (version %d).", f.Server, f.Current)
		return true
	}
	return false
}

// contents looks at what lies in the database: whether the keys fit it, and
// whether work is done.
func (d Database) contents(ctx context.Context, r *Report, db DB) {
	used, err := db.SealedWith(ctx)
	if err != nil {
		r.Fault("keys", "What is sealed in the database cannot be counted: %s; see whether somebody has changed it by hand.", printable(err.Error()))
		return
	}
	if d.KeyIDs != nil {
		lost := 0
		var ids []string
		for _, id := range slices.Sorted(maps.Keys(used)) {
			if !slices.Contains(d.KeyIDs, id) {
				ids, lost = append(ids, id), lost+used[id]
			}
		}
		if lost > 0 {
			r.Fault("keys", "%d value(s) in the database are sealed with key(s) that are not in the key file (%s); restore the key file that belongs to this database.", lost, strings.Join(ids, ", "))
		} else {
			r.OK("keys", "They open what is sealed in the database.")
		}
	}
	jobs, oldest, err := db.Backlog(ctx)
	switch {
	case err != nil:
		r.Fault("outbox", "The jobs cannot be counted: %s.", printable(err.Error()))
	case !oldest.IsZero() && d.Now().Sub(oldest) > overdue:
		r.Fault("outbox", "%d job(s) wait, one for %v already: decisions and notifications do not leave; see that mitome serve runs, and what its log says.", jobs, d.Now().Sub(oldest).Round(time.Second))
	default:
		r.OK("outbox", "Nothing is overdue (%d job(s) wait).", jobs)
	}
}

// unreachable is a sentence about why the database cannot be used. The URL is
// not quoted, since it may hold a password.
func (d Database) unreachable(err error) string {
	at, name, user := "the database", "", ""
	if path, ok := strings.CutPrefix(d.URL, "sqlite:"); ok {
		return fmt.Sprintf("%s cannot be opened (%s); see who owns it, whether its disk is full, and whether it is a backup of all of it.", path, printable(err.Error()))
	}
	u, parse := url.Parse(d.URL)
	if parse != nil {
		return "database.url is no URL; in a password write @ : / ? # % as %40 %3A %2F %3F %23 %25."
	}
	if u.Host != "" {
		at = u.Host
		if u.Port() == "" {
			at = net.JoinHostPort(u.Hostname(), "5432")
		}
	}
	name, user = strings.TrimPrefix(u.Path, "/"), u.User.Username()
	var said *pgconn.PgError
	if errors.As(err, &said) {
		if s := refused(said, user, name); s != "" {
			return s
		}
		return fmt.Sprintf("PostgreSQL at %s says: %s (%s).", at, printable(said.Message), said.Code)
	}
	if strings.Contains(err.Error(), "refused TLS") { // pgx has no value for it
		return fmt.Sprintf("PostgreSQL at %s has no TLS and sslmode demands it; switch ssl on there, or say sslmode=disable where nobody can listen in.", at)
	}
	return "PostgreSQL cannot be used: " + Why(err, "//"+at) + "."
}

// refused is what PostgreSQL's own words mean to an operator.
func refused(e *pgconn.PgError, user, name string) string {
	switch e.Code {
	case "28P01":
		return fmt.Sprintf("PostgreSQL does not take the password of user %s; mend database.url (or the file that holds it).", user)
	case "28000":
		return fmt.Sprintf("PostgreSQL lets user %s in from here by no rule (%s); make the user, or mend pg_hba.conf.", user, printable(e.Message))
	case "3D000":
		return fmt.Sprintf("There is no database called %s; make it (CREATE DATABASE), or mend database.url.", name)
	case "53300":
		return "PostgreSQL has no connection left; raise max_connections, or see who holds them (pg_stat_activity)."
	case "57P03":
		return "PostgreSQL is starting or stopping; wait, then look again, and see its log if it stays so."
	case "42501":
		return fmt.Sprintf("User %s may not do what Mitome must (%s); give it the database (ALTER DATABASE ... OWNER TO).", user, printable(e.Message))
	}
	return ""
}
