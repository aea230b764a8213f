package store_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// sqlTexts returns every string of the package's own code that is SQL, and the
// migrations, by where they stand.
func sqlTexts(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	isSQL := regexp.MustCompile(`\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|FOR)\b`)
	set := token.NewFileSet()
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil && isSQL.MatchString(text) {
					out[set.Position(lit.Pos()).String()] = text
				}
			}
			return true
		})
	}
	migrations, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(migrations) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	for _, name := range migrations {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = regexp.MustCompile(`--.*`).ReplaceAllString(string(b), "")
	}
	if len(out) < 40 {
		t.Fatalf("only %d pieces of SQL were found: the search is broken", len(out))
	}
	return out
}

// TestSQLKeepsToTheRules: what one of the two databases lacks, or what would
// take the place of a compare-and-set.
func TestSQLKeepsToTheRules(t *testing.T) {
	forbidden := map[string]*regexp.Regexp{
		"the database's clock":      regexp.MustCompile(`(?i)\bnow\s*\(|\bCURRENT_(TIME|DATE|TIMESTAMP)|\bdatetime\s*\(|\bstrftime\b`),
		"columns that are not told": regexp.MustCompile(`(?i)SELECT\s+(\w+\.)?\*|\.\*`),
		"question marks":            regexp.MustCompile(`\?`),
		"PostgreSQL's arrays":       regexp.MustCompile(`(?i)\bANY\s*\(|\[\]`),
		"an upsert of SQLite's":     regexp.MustCompile(`(?i)INSERT OR`),
		"isolation levels":          regexp.MustCompile(`(?i)SERIALIZABLE|ISOLATION`),
		"other column types":        regexp.MustCompile(`(?i)\b(INTEGER|INT|SERIAL|BIGSERIAL|VARCHAR|TIMESTAMP|TIMESTAMPTZ|JSONB?|BLOB|REAL|UUID|AUTOINCREMENT)\b`),
	}
	locks := regexp.MustCompile(`(?i)\bFOR\s+(UPDATE|SHARE|NO\s+KEY)|\bLOCK\s+TABLE\b`)
	locking := 0
	for where, text := range sqlTexts(t) {
		for what, words := range forbidden {
			if words.MatchString(text) {
				t.Errorf("%s: %s: %s", where, what, words.FindString(text))
			}
		}
		if locks.MatchString(text) {
			locking++
			if text != "FOR UPDATE SKIP LOCKED" {
				t.Errorf("%s: rows are locked: %s", where, locks.FindString(text))
			}
		}
	}
	if locking != 1 {
		t.Errorf("rows are locked in %d places, want the claim of jobs alone", locking)
	}
}
