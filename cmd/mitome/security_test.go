package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// promise is a row of the table in docs/security.md.
type promise struct {
	id, does string
	tests    []named
}

// named is a test as that table names it: its package inside the module, and its
// name as go test writes it, with the names of its parts.
type named struct{ pkg, name string }

func (n named) String() string { return n.pkg + ": " + n.name }

// promised are the requirements that must stand in the table.
var promised = []string{
	"N1", "N2", "N3", "N4", "N5", "N6", "N7", "N8", "N9", "N10", "N11", "N12", "N13", "N14", "N15", "N16", "N17",
	"6.1.1", "6.3.3", "6.3.5", "6.3.6", "6.3.7", "6.3.8", "6.5.1", "6.5.3", "6.5.4", "6.5.5", "6.5.6", "6.5.7",
	"6.6.2", "6.6.3", "6.6.4", "2.4.1", "2.4.2",
	"X1", "X2", "X3", "X4", "X5", "X6", "X7", "X8", "X9", "X10", "X11", "X12", "X13", "X14", "X15", "X16", "X17",
	"TA1.1", "TA1.2", "TA1.3", "TA1.4", "TA1.5",
	"TA2.1", "TA2.2", "TA2.3", "TA2.4", "TA2.5", "TA2.6", "TA2.7", "TA2.8", "TA2.9", "TA2.10",
	"RTS 4(3)(a)", "RTS 4(3)(b)", "RTS 5(1)(a)", "RTS 5(1)(b)", "RTS 5(1)(c)", "RTS 5(1)(d)", "RTS 5(2)",
}

// elsewhere are those that the OP or the platform meets, so that a sentence says why
// Mitome has no test.
var elsewhere = []string{"N13", "X5", "X10", "X12", "6.3.3"}

// inTable is a test in a cell.
var inTable = regexp.MustCompile("`([a-z0-9/]+): (Test[^`]+)`")

// promisesOf reads the table of a document: the rows of four cells under a head that
// begins with id.
func promisesOf(document string) (all []promise, err error) {
	_, table, ok := strings.Cut(document, "\n| id | ")
	if !ok {
		return nil, errors.New("no table with the head: id")
	}
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if line == "" {
			break
		}
		cells := strings.Split(strings.Trim(line, "|"), " |")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case all == nil && !strings.HasPrefix(line, "|"): // the rest of the head
			continue
		case strings.HasPrefix(line, "|---"):
			continue
		case len(cells) != 4:
			err = errors.Join(err, fmt.Errorf("%d cells, want 4: %s", len(cells), line))
			continue
		}
		p := promise{id: cells[0], does: cells[2]}
		tests := strings.Split(cells[3], "`, `")
		for _, m := range inTable.FindAllStringSubmatch(cells[3], -1) {
			p.tests = append(p.tests, named{m[1], m[2]})
		}
		if cells[3] != "" && len(p.tests) != len(tests) {
			err = errors.Join(err, fmt.Errorf("%s: not all of this are tests: %s", p.id, cells[3]))
		}
		all = append(all, p)
	}
	return all, err
}

// faultsOfTable is what is wrong with a table: rows that are missing or there twice, and
// rows that show nothing.
func faultsOfTable(all []promise) (faults []string) {
	seen := map[string]int{}
	for _, p := range all {
		seen[p.id]++
		switch {
		case !slices.Contains(promised, p.id):
			faults = append(faults, p.id+" is no requirement")
		case len(p.does) < 5:
			faults = append(faults, p.id+": does not say what Mitome does")
		case len(p.tests) == 0 && !slices.Contains(elsewhere, p.id):
			faults = append(faults, p.id+": no test shows it")
		case len(p.tests) == 0 && (len(p.does) < 40 || !strings.HasSuffix(p.does, ".")):
			faults = append(faults, p.id+": no sentence says why no test shows it")
		}
	}
	for _, id := range promised {
		if seen[id] != 1 {
			faults = append(faults, fmt.Sprintf("%s: %d rows, want one", id, seen[id]))
		}
	}
	return faults
}

// testTree is what the tests of a tree declare.
type testTree struct {
	tests map[named]*ast.FuncDecl
	words map[string]map[string]bool // by package: each string in its tests, as the name of a part
}

// newTestTree reads the tests among files. Parts may be named by the suites that
// packages ending in test hold for others, and by scripts.
func newTestTree(files []source) testTree {
	tree := testTree{map[named]*ast.FuncDecl{}, map[string]map[string]bool{}}
	for _, s := range files {
		pkg := path.Dir(s.path)
		suite := strings.HasSuffix(pkg, "test")
		if !s.isTest() && !suite {
			continue
		}
		if suite {
			pkg = ""
		}
		if tree.words[pkg] == nil {
			tree.words[pkg] = map[string]bool{}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if s.isTest() && n.Recv == nil && strings.HasPrefix(n.Name.Name, "Test") {
					tree.tests[named{path.Dir(s.path), n.Name.Name}] = n
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil {
					tree.words[pkg][partName(text)] = true
				}
			}
			return true
		})
	}
	return tree
}

// partName is text as package testing writes the name of a part.
func partName(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return '_'
		}
		return r
	}, text)
}

// fault says what is wrong with a test that the table names, "" if nothing is. That
// a part is one of this very test is seen only when it has run.
func (tree testTree) fault(n named) string {
	name, parts, _ := strings.Cut(n.name, "/")
	f, ok := tree.tests[named{n.pkg, name}]
	if !ok {
		return "does not exist"
	}
	for part := range strings.SplitSeq(parts, "/") {
		if part != "" && !tree.words[n.pkg][part] && !tree.words[""][part] {
			return "has no part " + part
		}
	}
	fault := ""
	ast.Inspect(f, func(node ast.Node) bool {
		if sel, ok := node.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow", "Short"}, sel.Sel.Name) {
			fault = "may skip"
		}
		return true
	})
	return fault
}

// securityTable is the table of docs/security.md.
func securityTable(t *testing.T) []promise {
	t.Helper()
	all, err := promisesOf(readDoc(t, "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// readDoc reads a page of docs.
func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSecurityTable: each requirement has its row, and each row a test that is there.
func TestSecurityTable(t *testing.T) {
	all := securityTable(t)
	for _, fault := range faultsOfTable(all) {
		t.Error(fault)
	}
	tree := newTestTree(sources(t))
	for _, p := range all {
		for _, n := range p.tests {
			if fault := tree.fault(n); fault != "" {
				t.Errorf("%s: %s %s", p.id, n, fault)
			}
		}
	}
}

// TestNamedTestsRan: each test that the table names ran and passed. tools/gotest.sh
// runs this one when all others are done, and says in MITOME_TEST_RAN where go test
// wrote down what became of them; without that there is nothing to look at.
func TestNamedTestsRan(t *testing.T) {
	file := os.Getenv("MITOME_TEST_RAN")
	if file == "" {
		t.Log("MITOME_TEST_RAN is not set: nothing has run before")
		return
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	passed, err := passedIn(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range securityTable(t) {
		for _, n := range p.tests {
			if !passed[n] {
				t.Errorf("%s: %s did not run and pass", p.id, n)
			}
		}
	}
}

// passedIn reads what go test -json wrote: the tests that passed, and did nothing
// else.
func passedIn(events io.Reader) (map[named]bool, error) {
	passed, not := map[named]bool{}, map[named]bool{}
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct{ Action, Package, Test string }
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Test == "" {
			continue // what the go command itself says is not all JSON
		}
		n := named{strings.TrimPrefix(e.Package, module), e.Test}
		switch e.Action {
		case "pass":
			passed[n] = true
		case "fail", "skip":
			not[n] = true
		}
	}
	for n := range not {
		delete(passed, n)
	}
	return passed, lines.Err()
}
