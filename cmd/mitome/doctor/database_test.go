package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
)

// database is one that says of itself what a test wants.
type database struct {
	facts  doctor.Facts
	sealed map[string]int
	jobs   int
	oldest time.Time
}

func (d database) Facts(context.Context) (doctor.Facts, error) { return d.facts, nil }
func (d database) Backlog(context.Context) (int, time.Time, error) {
	return d.jobs, d.oldest, nil
}
func (d database) SealedWith(context.Context) (map[string]int, error) { return d.sealed, nil }
func (database) Close() error                                         { return nil }

func TestDatabase(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	fresh := doctor.Facts{Server: "PostgreSQL 17.7", Current: 4, Want: 4, MayMake: true, Clock: now}
	with := func(change func(*doctor.Facts)) database {
		f := fresh
		change(&f)
		return database{facts: f}
	}
	const check = "database"
	tests := []struct {
		name   string
		db     database
		manual bool
		want   []want
	}{
		{"all well", database{facts: fresh, sealed: map[string]int{"k1": 3}}, false, []want{
			{check, doctor.OK, "up to date (version 4)"}, {"clock", doctor.OK, "the database"}, {"keys", doctor.OK, "open what is sealed"}, {"outbox", doctor.OK, "Nothing is overdue"},
		}},
		{"new", with(func(f *doctor.Facts) { f.Empty, f.Current = true, 0 }), false, []want{{check, doctor.OK, "tables are made at the first start"}}},
		{"older, migrated at the start", with(func(f *doctor.Facts) { f.Current = 3 }), false, []want{{check, doctor.OK, "from version 3 to 4"}}},
		{"older, migrated by hand", with(func(f *doctor.Facts) { f.Current = 3 }), true, []want{{check, doctor.Fault, "run mitome migrate"}}},
		{"newer", with(func(f *doctor.Facts) { f.Current = 5 }), false, []want{{check, doctor.Fault, "a newer Mitome has been here"}}},
		{"no right to make tables", with(func(f *doctor.Facts) { f.Empty, f.MayMake = true, false }), false, []want{{check, doctor.Fault, "GRANT CREATE"}}},
		{"no such right, none needed", with(func(f *doctor.Facts) { f.MayMake = false }), false, []want{{check, doctor.OK, "up to date"}}},
		{"a standby", with(func(f *doctor.Facts) { f.ReadOnly = true }), false, []want{{check, doctor.Fault, "name the primary"}}},
		{"its clock is ahead", with(func(f *doctor.Facts) { f.Clock = now.Add(time.Minute) }), false, []want{{"clock", doctor.Fault, "1m0s behind that of the database"}}},
		{"SQLite has no clock", with(func(f *doctor.Facts) { f.Clock = time.Time{} }), false, nil},
		{"another key file", database{facts: fresh, sealed: map[string]int{"k1": 1, "k8": 2, "k9": 3}}, false, []want{
			{"keys", doctor.Fault, "5 value(s) in the database are sealed with key(s) that are not in the key file (k8, k9)"}}},
		{"nobody works", database{facts: fresh, jobs: 7, oldest: now.Add(-5 * time.Minute)}, false, []want{{"outbox", doctor.Fault, "7 job(s) wait, one for 5m0s already"}}},
		{"just due", database{facts: fresh, jobs: 7, oldest: now.Add(-time.Second)}, false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r doctor.Report
			doctor.Database{
				URL: "postgres://db.example/mitome", Manual: tt.manual, KeyIDs: []string{"k1"}, Now: func() time.Time { return now },
				Open: func(context.Context) (doctor.DB, error) { return tt.db, nil },
			}.Check(t.Context(), &r)
			expect(t, &r, tt.want...)
		})
	}
}

// TestDatabaseUnreachable: no sentence holds the password, whatever is wrong.
func TestDatabaseUnreachable(t *testing.T) {
	const url = "postgres://mitome:hunter2@db.example/sso"
	says := func(code, text string) error {
		return fmt.Errorf("open database: %w", &pgconn.PgError{Code: code, Message: text})
	}
	tests := []struct {
		name, url string
		err       error
		want      string
	}{
		{"wrong password", url, says("28P01", "password authentication failed"), "does not take the password of user mitome"},
		{"no rule", url, says("28000", `no pg_hba.conf entry for host "10.0.0.7"`), "pg_hba.conf"},
		{"no database", url, says("3D000", `database "sso" does not exist`), "no database called sso"},
		{"too many", url, says("53300", "too many clients already"), "max_connections"},
		{"starting", url, says("57P03", "the database system is starting up"), "wait, then look again"},
		{"no right", url, says("42501", "permission denied for table requests"), "OWNER TO"},
		{"something else", url, says("XX000", "internal error"), "PostgreSQL at db.example:5432 says: internal error (XX000)"},
		{"nothing listens", url, fmt.Errorf("dial: %w", syscall.ECONNREFUSED), "nothing listens at db.example:5432"},
		{"no TLS there", url, errors.New("tls error: server refused TLS connection"), "sslmode demands it"},
		{"silent", url, context.DeadlineExceeded, "db.example:5432 did not answer"},
		{"password not escaped", "postgres://mitome:hun/ter2%@db.example/sso", errors.New("cannot parse"), "%40"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r doctor.Report
			doctor.Database{
				URL: tt.url, Now: time.Now, Open: func(context.Context) (doctor.DB, error) { return nil, tt.err },
			}.Check(t.Context(), &r)
			expect(t, &r, want{"database", doctor.Fault, tt.want})
			if text := fmt.Sprint(r.Findings); strings.Contains(text, "ter2") {
				t.Errorf("the password is told: %s", text)
			}
		})
	}
}

// TestSQLiteFile: doctor makes no database, and one that cannot be read is
// nothing to overwrite.
func TestSQLiteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mitome.db")
	check := func(open func(context.Context) (doctor.DB, error)) *doctor.Report {
		var r doctor.Report
		doctor.Database{URL: "sqlite:" + path, Now: time.Now, Open: open}.Check(t.Context(), &r)
		return &r
	}
	expect(t, check(func(context.Context) (doctor.DB, error) {
		t.Error("it was opened, which makes it")
		return nil, fs.ErrNotExist
	}), want{"database", doctor.OK, "is made at the first start; if it was there before"})
	if err := os.WriteFile(path, []byte("not a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, check(func(context.Context) (doctor.DB, error) { return nil, errors.New("file is not a database") }),
		want{"database", doctor.Fault, "cannot be opened (file is not a database)"})
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	at := func(name string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, dir string
		want      want
	}{
		{"well", at("well", 0o700), want{"data_dir", doctor.OK, "can be written"}},
		{"not there yet", filepath.Join(dir, "new"), want{"data_dir", doctor.OK, "made at the first start"}},
		{"not there at all", filepath.Join(dir, "not", "mounted"), want{"data_dir", doctor.Warning, "a volume that is not mounted"}},
		{"open to all", at("open", 0o755), want{"data_dir", doctor.Warning, "chmod 700"}},
		{"a file", file, want{"data_dir", doctor.Fault, "is no folder"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r doctor.Report
			doctor.CheckFolder(&r, tt.dir, true)
			expect(t, &r, tt.want)
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

func TestSecretFile(t *testing.T) {
	private, public := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Chmod(private, 0o700), os.Chmod(public, 0o755), os.Chmod(filepath.Dir(public), 0o755)); err != nil {
		t.Fatal(err)
	}
	file := func(dir, name string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name, path string
		want       want
	}{
		{"mine alone", file(public, "mine", 0o600), want{"op", doctor.OK, "by no stranger"}},
		{"my folder", file(private, "all", 0o644), want{"op", doctor.OK, "by no stranger"}},
		{"not there", filepath.Join(public, "none"), want{"op", doctor.Fault, "cannot be read"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r doctor.Report
			doctor.CheckSecretFile(&r, "op", tt.path)
			expect(t, &r, tt.want)
		})
	}
	t.Run("everybody's", func(t *testing.T) {
		const everybodys = "/etc/passwd" // whatever folder tests run in may be private
		var r doctor.Report
		doctor.CheckSecretFile(&r, "op", everybodys)
		expect(t, &r, want{"op", doctor.Warning, "chmod 600"})
	})
}
