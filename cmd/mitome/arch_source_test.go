package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The measures of CONTRIBUTING.md.
const (
	maxFile      = 400 // lines
	maxFunction  = 60  // lines
	maxInterface = 6   // methods
	maxParams    = 4
)

// atTop is all that may stand at the top of the repository.
var atTop = []string{
	"approval", "cmd", "device", "push", "server", "webui", // the code
	".ci", ".github", "deploy", "docs", "examples", "tools",
	".gitignore", ".golangci.yml", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile", ".dockerignore", "LICENSE",
	"Makefile", "README.md", "SECURITY.md", "go.mod", "go.sum",
	".git", "bin", // not in the repository
}

const root = "../.." // from this package

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(atTop, e.Name()) {
			t.Errorf("%s may not stand at the top of the repository", e.Name())
		}
	}
}

// source is one parsed Go file of ours.
type source struct {
	path string // from the top, with slashes
	fset *token.FileSet
	file *ast.File
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// lines is how many lines a node takes.
func (s source) lines(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

// at is where a node stands, for messages.
func (s source) at(n ast.Node) string {
	p := s.fset.Position(n.Pos())
	return s.path + ":" + strconv.Itoa(p.Line)
}

// sources parses every Go file of the folders in the line.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, dir := range line {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.Contains(path, "cmd/warm") {
				return err
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			all = append(all, source{filepath.ToSlash(rel), fset, file})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestMeasures(t *testing.T) {
	for _, s := range sources(t) {
		if n := s.fset.File(s.file.Pos()).LineCount(); !s.isTest() && n > maxFile {
			t.Errorf("%s has %d lines, the limit is %d", s.path, n, maxFile)
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if !s.isTest() && s.lines(n) > maxFunction {
					t.Errorf("%s: %s has %d lines, the limit is %d", s.at(n), n.Name.Name, s.lines(n), maxFunction)
				}
				if !s.isTest() && n.Type.Params.NumFields() > maxParams+1 { // and a context or a *testing.T
					t.Errorf("%s: %s has %d parameters; make it a struct", s.at(n), n.Name.Name, n.Type.Params.NumFields())
				}
			case *ast.InterfaceType:
				if n.Methods.NumFields() > maxInterface {
					t.Errorf("%s: an interface of %d methods, the limit is %d", s.at(n), n.Methods.NumFields(), maxInterface)
				}
			}
			return true
		})
	}
}

// forbidden are calls that have no place in a file of a kind.
var forbidden = []struct {
	call string // package or receiver, and name
	in   func(source) bool
	why  string
}{
	{"t.Skip", source.isTest, "a skipped test is a promise that nobody checks"},
	{"t.Skipf", source.isTest, "a skipped test is a promise that nobody checks"},
	{"t.SkipNow", source.isTest, "a skipped test is a promise that nobody checks"},
	{"time.Sleep", inRealTime, "wait for a condition, or use testing/synctest"},
	{"log.Fatal", everywhere, "return the error; main ends the program"},
	{"log.Fatalf", everywhere, "return the error; main ends the program"},
	{"os.Exit", outsideMain, "return the error; main ends the program"},
}

func everywhere(source) bool { return true }

func outsideMain(s source) bool {
	return !slices.Contains([]string{"cmd/mitome/main.go", "cmd/bench/main.go", "examples/go-oidc/main.go"}, s.path)
}

// inRealTime says that sleeping in a file takes time: in a synctest bubble it
// takes none, and is how to let time pass.
func inRealTime(s source) bool {
	return !slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool {
		return i.Path.Value == `"testing/synctest"`
	})
}

func TestForbiddenCalls(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: init; what must happen is called by name", s.at(n))
				}
			case *ast.CallExpr:
				for _, f := range forbidden {
					if called(n) == f.call && f.in(s) {
						t.Errorf("%s: %s: %s", s.at(n), f.call, f.why)
					}
				}
			}
			return true
		})
	}
}

// called returns the qualified name of what a call calls, "" if it has none.
func called(c *ast.CallExpr) string {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + sel.Sel.Name
}

// TestAlone keeps a library behind the few files that speak with it.
func TestAlone(t *testing.T) {
	for _, s := range sources(t) {
		for _, imp := range s.file.Imports {
			name := strings.Trim(imp.Path.Value, `"`)
			for library, files := range alone {
				may := func(file string) bool {
					return s.path == file || strings.HasSuffix(file, "/") && strings.HasPrefix(s.path, file)
				}
				if strings.HasPrefix(name, library) && !slices.ContainsFunc(files, may) && !s.isTest() {
					t.Errorf("%s imports %s; only %v may", s.path, name, files)
				}
			}
		}
	}
}
