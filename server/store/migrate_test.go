package store_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// node opens the database at url as one more node, without migrating it.
func node(t *testing.T, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url, store.Options{Ring: seal.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// urls makes an empty database of each kind.
var urls = map[string]func(testing.TB) string{"sqlite": sqliteURL, "postgres": storetest.PostgresURL}

func sqliteURL(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "mitome.db") }

func TestMigrateAtOnce(t *testing.T) {
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			at := url(t)
			var nodes []*store.DB
			for range 6 {
				nodes = append(nodes, node(t, at))
			}
			if pending, err := nodes[0].Pending(t.Context()); err != nil || !pending {
				t.Errorf("before: pending %v, %v", pending, err)
			}
			for i, err := range devicetest.Race(len(nodes), func(i int) error { return nodes[i].Migrate(t.Context()) }) {
				if err != nil {
					t.Errorf("node %d: %v", i, err)
				}
			}
			for _, db := range nodes {
				pending, err := db.Pending(t.Context())
				current, want, verr := db.Version(t.Context())
				if err != nil || verr != nil || pending || current != want || current == 0 {
					t.Errorf("after: pending %v, version %d of %d, %v, %v", pending, current, want, err, verr)
				}
			}
			if n := count(t, nodes[0], `SELECT COUNT(*) FROM schema_version WHERE version_id = 1`); n != 1 {
				t.Errorf("the first migration was applied %d times", n)
			}
		})
	}
}

// TestNewerSchema: a program that is too old must not work on what it cannot know.
func TestNewerSchema(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		_, err := db.Raw().ExecContext(t.Context(), `INSERT INTO schema_version (version_id, is_applied) VALUES (9999, TRUE)`)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); !errors.Is(err, store.ErrSchema) {
			t.Errorf("migrate: got %v, want ErrSchema", err)
		}
		if _, err := db.Pending(t.Context()); !errors.Is(err, store.ErrSchema) {
			t.Errorf("pending: got %v, want ErrSchema", err)
		}
	})
}

// TestUpgradeWhileAskedFor: what was pushed before an upgrade, and is answered after
// it, is taken back like any other.
func TestUpgradeWhileAskedFor(t *testing.T) {
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			db := node(t, url(t))
			if err := db.MigrateTo(t.Context(), 5); err != nil {
				t.Fatal(err)
			}
			const later = "9000000000000000"
			for _, text := range []string{
				`INSERT INTO users (id, op, subject, name, created_at) VALUES ('u', 'corp', 's', 'A', 1)`,
				`INSERT INTO enrollments (id, user_id, secret_hash, match_code, session_id, device_name, device_id, state, offered_by, created_at,
					expires_at, version) VALUES ('e', 'u', 'x', '', '', '', '', 'completed', '{}', 1, 1, 1)`,
				`INSERT INTO devices (id, user_id, enrollment_id, name, state, created_at) VALUES ('d1', 'u', 'e', 'phone', 'active', 1)`,
				`INSERT INTO addresses (id, device_id, channel, target, created_at) VALUES ('d1 browser', 'd1', 'webpush', 'x', 1)`,
				`INSERT INTO requests (id, op, ref_hash, fingerprint, user_id, client_id, client_name, scope, binding_message, acr_values, context,
					code_source, code_key, code_tries, state, created_at, expires_at, report_after, version)
					VALUES ('r', 'corp', 'x', 'x', 'u', 'shop', '', '[]', '', '[]', 'null', '', '', 0, 'pending', 1, ` + later + `, 1, 1)`,
				`INSERT INTO outbox (id, kind, subject, target, attempts, due_at, created_at, done_at, outcome)
					VALUES ('j', 'notify', 'r', 'd1 browser', 1, 1, 1, 1, 'done')`,
			} {
				if _, err := db.Raw().ExecContext(t.Context(), text); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			withdraw(t, db, "r", "d1")
			wantTaken(t, db, "d1 socket", "d1 browser") // and not the app, which was never asked
		})
	}
}
