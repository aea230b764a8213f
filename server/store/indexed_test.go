package store_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// TestReadsOfSocketsAreIndexed: to let a client in to its socket takes one
// statement, and the look that all nodes take twice a second another one; neither
// walks through a table.
func TestReadsOfSocketsAreIndexed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mitome.db")
	storetest.Open(t, "sqlite:"+file, seal.New())
	raw, err := sql.Open("sqlite", "file:"+file+"?_pragma=query_only(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for name, mark := range map[string]string{"session": "FROM sessions s\n", "changes": "FROM session_changes WHERE"} {
		var found []string
		for _, text := range sqlTexts(t) {
			if strings.Contains(text, mark) && strings.Contains(text, "SELECT") {
				found = append(found, text)
			}
		}
		if len(found) != 1 {
			t.Fatalf("%s: %d statements, want 1", name, len(found))
		}
		args := make([]any, strings.Count(found[0], "$"))
		for i := range args {
			args[i] = 1
		}
		rows, err := raw.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+found[0], args...)
		if err != nil {
			t.Fatal(err)
		}
		steps := 0
		for ; rows.Next(); steps++ {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(detail, "SCAN") {
				t.Errorf("%s: %s", name, detail)
			}
		}
		if err := rows.Close(); err != nil || steps == 0 {
			t.Errorf("%s: %d steps, %v", name, steps, err)
		}
	}
}
