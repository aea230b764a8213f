package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// TestExamine: to look at a database must not change it, not even one in which
// nothing is yet.
func TestExamine(t *testing.T) {
	for name, url := range map[string]string{
		"sqlite":   "sqlite:" + filepath.Join(t.TempDir(), "mitome.db"),
		"postgres": storetest.PostgresURL(t),
	} {
		t.Run(name, func(t *testing.T) {
			db, err := store.Open(t.Context(), url, store.Options{Ring: seal.New()})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for range 2 { // the second time it must be as empty as the first
				f, err := db.Examine(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if !f.Empty || f.Current != 0 || f.Want == 0 || !f.MayMake || f.ReadOnly {
					t.Errorf("before it is migrated: got %+v", f)
				}
			}
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			f, err := db.Examine(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if f.Empty || f.Current != f.Want {
				t.Errorf("after it is migrated: got %+v", f)
			}
			if away := time.Since(f.Clock); name == "postgres" && away.Abs() > time.Minute {
				t.Errorf("the server's clock is %v away", away)
			}
		})
	}
}
