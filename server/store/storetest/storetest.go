// Package storetest opens databases for tests.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
)

// SQLite opens a fresh database in a file of its own.
func SQLite(t testing.TB) *store.DB {
	t.Helper()
	return Open(t, "sqlite:"+filepath.Join(t.TempDir(), "mitome.db"), seal.New())
}

// Postgres opens a fresh schema in the server that MITOME_TEST_POSTGRES names.
// A run without one fails: half a conformance test is none.
func Postgres(t testing.TB) *store.DB {
	t.Helper()
	return Open(t, PostgresURL(t), seal.New())
}

// Each runs test on SQLite and on PostgreSQL.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// Open opens and migrates the database at url. Two on one url are two nodes.
func Open(t testing.TB, url string, ring *seal.Ring) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url, store.Options{Ring: ring})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// PostgresURL makes an empty schema, dropped when t ends, and returns the URL of
// a database that sees no other.
func PostgresURL(t testing.TB) string {
	t.Helper()
	base := os.Getenv("MITOME_TEST_POSTGRES")
	if base == "" {
		t.Fatal("MITOME_TEST_POSTGRES is not set: it must name a PostgreSQL server that the tests may use")
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal("MITOME_TEST_POSTGRES is not a URL")
	}
	schema := "mitome_" + strings.ToLower(rand.Text())
	admin, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer admin.Close()
		// The test's own context is over by now.
		if _, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	params := u.Query()
	params.Set("search_path", schema)
	u.RawQuery = params.Encode()
	return u.String()
}
