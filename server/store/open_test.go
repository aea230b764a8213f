package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

func TestOpenRefuses(t *testing.T) {
	ring := seal.New()
	for _, test := range []struct {
		name, url string
		options   store.Options
	}{
		{"no scheme", "mitome.db", store.Options{Ring: ring}},
		{"unknown scheme", "mysql://u:hunter2@db/x", store.Options{Ring: ring}},
		{"no path", "sqlite:", store.Options{Ring: ring}},
		{"memory", "sqlite::memory:", store.Options{Ring: ring}}, // each connection would see its own
		{"no directory", "sqlite:" + filepath.Join(t.TempDir(), "none", "mitome.db"), store.Options{Ring: ring}},
		{"no keys", "sqlite:" + filepath.Join(t.TempDir(), "mitome.db"), store.Options{}},
		{"nobody listens", "postgres://u:hunter2@127.0.0.1:1/x", store.Options{Ring: ring}},
		{"malformed", "postgres://u:hunter2@127.0.0.1:port/x", store.Options{Ring: ring}},
	} {
		_, err := store.Open(t.Context(), test.url, test.options)
		if err == nil {
			t.Errorf("%s: opened", test.name)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error holds the password", test.name)
		}
	}
}

func TestOpenOddPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "データ 50% ?&#.db")
	db := storetest.Open(t, "sqlite:"+path, seal.New())
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Errorf("the database is elsewhere: %v", err)
	}
}

// TestSQLiteIsDurable checks what is asked of SQLite where it stands: a typing
// error in the DSN is otherwise silent.
func TestSQLiteIsDurable(t *testing.T) {
	db := storetest.SQLite(t)
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000",
	} {
		var got string
		if err := db.Raw().QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", pragma, got, err, want)
		}
	}
	if _, err := db.RawRead().ExecContext(t.Context(), `DELETE FROM users`); err == nil {
		t.Error("a reader can write")
	}
}
