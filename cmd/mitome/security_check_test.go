package main_test

import (
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// tableOf is a document with these rows.
func tableOf(rows ...string) string {
	return "# Security\n\nText | with a bar.\n\n| id | what is asked | what Mitome does | shown by |\n|---|---|---|---|\n" +
		strings.Join(rows, "\n") + "\n\nMore.\n\n| id | of another table |\n"
}

const doesMuch = "a sentence that is long enough to say why."

// TestTablesOfSecurity: the check itself finds what can be wrong with a table.
func TestTablesOfSecurity(t *testing.T) {
	var whole []string
	for _, id := range promised {
		whole = append(whole, "| "+id+" | x | "+doesMuch+" | `approval: TestStep`, `approval: TestStep/late` |")
	}
	with := func(id, row string) []string {
		rows := slices.Clone(whole)
		rows[slices.Index(promised, id)] = row
		return rows
	}
	for _, tt := range []struct {
		name string
		rows []string
		want string // of the faults; empty: there is none
	}{
		{"whole", whole, ""},
		{"of the OP", with("X10", "| X10 | x | "+doesMuch+" | |"), ""},
		{"of the OP, without a sentence", with("X10", "| X10 | x | the OP gives them, as ever | |"), "X10: no sentence"},
		{"a row is missing", whole[1:], "N1: 0 rows"},
		{"a row stands twice", append(slices.Clone(whole), whole[4]), "N5: 2 rows"},
		{"no test", with("N7", "| N7 | x | "+doesMuch+" | |"), "N7: no test"},
		{"nothing is done", with("N7", "| N7 | x | yes | `approval: TestStep` |"), "N7: does not say"},
		{"not all are tests", with("N7", "| N7 | x | "+doesMuch+" | `approval: TestStep`, `TestStep` |"), "not all of this"},
		{"a word in place of a test", with("N7", "| N7 | x | "+doesMuch+" | see above |"), "not all of this"},
		{"an id that nobody knows", append(slices.Clone(whole), "| N18 | x | "+doesMuch+" | `approval: TestStep` |"), "N18 is no requirement"},
		{"three cells", with("N7", "| N7 | x | "+doesMuch+" |"), "3 cells"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := promisesOf(tableOf(tt.rows...))
			faults := faultsOfTable(all)
			if err != nil {
				faults = append(faults, err.Error())
			}
			found := strings.Join(faults, "\n")
			if tt.want == "" && found != "" || !strings.Contains(found, tt.want) {
				t.Errorf("got %q, want %q", found, tt.want)
			}
		})
	}
	if _, err := promisesOf("# Security\n"); err == nil {
		t.Error("a document without a table was taken")
	}
	all, _ := promisesOf(tableOf(whole...))
	if got := all[0].tests; len(got) != 2 || got[1] != (named{"approval", "TestStep/late"}) {
		t.Errorf("the tests of a row are %v", got)
	}
}

// TestTestsOfSecurity: the check itself finds tests that are not there, or skip.
func TestTestsOfSecurity(t *testing.T) {
	fset := token.NewFileSet()
	read := func(name, text string) source {
		f, err := parser.ParseFile(fset, name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		return source{name, fset, f}
	}
	tree := newTestTree([]source{
		read("a/a_test.go", `package a
			func TestGood(t *testing.T) { t.Run("a part", nil) }
			func TestSkips(t *testing.T) { if true { t.Skip("no") } }
			func TestShort(t *testing.T) { if testing.Short() { return } }
			func (w world) TestOfAWorld(t *testing.T) {}`),
		read("a/a.go", `package a; const name = "no part"; func TestInCode(t *testing.T) {}`),
		read("a/atest/suite.go", `package atest; const name = "in a suite"`),
		read("b/b_test.go", `package b; const name = "of another package"`),
	})
	for name, want := range map[string]string{
		"a: TestGood": "", "a: TestGood/a_part": "", "a: TestGood/a_part/in_a_suite": "",
		"b: TestGood": "does not exist", "a: TestBad": "does not exist", "a: TestOfAWorld": "does not exist", "a: TestInCode": "does not exist",
		"a: TestGood/no_part": "has no part no_part", "a: TestGood/of_another_package": "has no part of_another_package",
		"a: TestSkips": "may skip", "a: TestShort": "may skip",
	} {
		pkg, test, _ := strings.Cut(name, ": ")
		if got := tree.fault(named{pkg, test}); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestEventsOfSecurity: only what passed, and neither failed nor was skipped, counts
// as run.
func TestEventsOfSecurity(t *testing.T) {
	events := `not JSON
{"Action":"run","Package":"` + module + `a","Test":"TestBegun"}
{"Action":"pass","Package":"` + module + `a","Test":"TestGood"}
{"Action":"pass","Package":"` + module + `a","Test":"TestGood/a_part"}
{"Action":"skip","Package":"` + module + `a","Test":"TestSkipped"}
{"Action":"pass","Package":"` + module + `a","Test":"TestOnce"}
{"Action":"fail","Package":"` + module + `a","Test":"TestOnce"}
{"Action":"pass","Package":"` + module + `a"}
`
	passed, err := passedIn(strings.NewReader(events))
	if err != nil {
		t.Fatal(err)
	}
	if len(passed) != 2 || !passed[named{"a", "TestGood"}] || !passed[named{"a", "TestGood/a_part"}] {
		t.Errorf("got %v", passed)
	}
}
