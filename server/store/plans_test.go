package store_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// many are tables as they are after a while, with some rows that are older than is
// kept among a great many that are not.
var many = []string{
	`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
	INSERT INTO requests (id, op, ref_hash, fingerprint, client_id, client_name, scope, binding_message, acr_values, context, code_source, code_key,
		code_tries, state, created_at, expires_at, report_after, version)
	SELECT 'r' || i, 'op' || i, CAST('f' AS BYTEA), CAST('f' AS BYTEA), 'shop', '', '[]', '', '[]', '{}', '', '', 0, 'approved', i, i + 1, 0, 1 FROM n`,
	`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
	INSERT INTO outbox (id, kind, subject, target, due_at, created_at, done_at, outcome)
	SELECT 'j' || i, CASE WHEN i % 3 = 0 THEN 'report' ELSE 'notify' END, 'r' || i, '', i, i, i + 1, 'done' FROM n`,
	`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
	INSERT INTO audit (id, at, word, actor_kind, actor_id, actor_ip, request_id, user_id, device_id, detail, salt)
	SELECT 'a' || i, i, 'request.viewed', '', '', '', CASE WHEN i % 2 = 0 THEN 'r' || i ELSE '' END, '', 'd', '{}', CAST('s' AS BYTEA) FROM n`,
	`INSERT INTO audit_links (seq, row_id, hash) SELECT a.at, a.id, a.salt FROM audit a`,
	`ANALYZE`,
}

// TestWhatIsOldIsFoundByIndex: to find what is older than is kept, and whether a row
// is there already, no table is walked through.
func TestWhatIsOldIsFoundByIndex(t *testing.T) {
	queries := map[string]string{"look": "SELECT 1 FROM audit a WHERE " + store.SameLook, "view": "SELECT 1 FROM audit a WHERE " + store.SameView}
	for name, mark := range map[string]string{
		"jobs": "SELECT id FROM outbox\n\t\tWHERE done_at > 0 AND done_at <", "requests": "SELECT r.id FROM requests r\n\t\tWHERE r.created_at <",
		"log": "JOIN audit_links l ON l.row_id = a.id\n\t\tWHERE a.at <",
	} {
		for _, text := range sqlTexts(t) {
			if strings.Contains(text, mark) {
				queries[name] = text
			}
		}
		if queries[name] == "" {
			t.Fatalf("%s: there is no such statement", name)
		}
	}
	values := strings.NewReplacer("$10", "'{}'", "$1", "100", "$2", "200", "$3", "'"+string(audit.RequestViewed)+"'", "$7", "'r100'", "$9", "'d'")
	walked := regexp.MustCompile(`\bSCAN\b|Seq Scan on (outbox|requests|audit)\s`)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		explain := "EXPLAIN "
		if strings.HasSuffix(t.Name(), "/sqlite") {
			explain = "EXPLAIN QUERY PLAN "
		}
		for _, text := range many {
			if _, err := db.Raw().ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range queries {
			plan := planOf(t, db, explain+values.Replace(text))
			if walked.MatchString(plan) || plan == "" {
				t.Errorf("%s:\n%s", name, plan)
			}
		}
	})
}

// planOf is the last column of what the database explains.
func planOf(t *testing.T, db *store.DB, text string) string {
	t.Helper()
	rows, err := db.Raw().QueryContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for rows.Next() {
		into := make([]any, len(columns))
		for i := range into {
			into[i] = new(any)
		}
		var line string
		into[len(into)-1] = &line
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		out.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
