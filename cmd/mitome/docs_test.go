package main_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// step is a place in the code as docs/architecture.md names it: a file and what
// it declares, as in `approval/machine.go: Step`.
var step = regexp.MustCompile("`([a-z0-9_/-]+\\.(?:go|sql|yaml|js|html))(?:: ([A-Za-z0-9_, ]+))?`")

// TestArchitectureDocument keeps the walks true: every file that the document
// names exists and declares what the document says it does.
func TestArchitectureDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]map[string]bool{}
	for _, s := range sources(t) {
		declared[s.path] = declarations(s)
	}
	for path, names := range scripts(t) {
		declared[path] = names
	}
	steps := step.FindAllStringSubmatch(string(text), -1)
	if len(steps) < 20 {
		t.Errorf("the document names %d places in the code, which is not two walks", len(steps))
	}
	for _, m := range steps {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("%s does not exist", m[1])
			continue
		}
		for name := range strings.SplitSeq(m[2], ",") {
			if name = strings.TrimSpace(name); name != "" && !declared[m[1]][name] {
				t.Errorf("%s does not declare %s", m[1], name)
			}
		}
	}
}

// declarations are the functions, methods and types of a file.
func declarations(s source) map[string]bool {
	names := map[string]bool{}
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names[d.Name.Name] = true
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if ts, ok := spec.(*ast.TypeSpec); ok {
					names[ts.Name.Name] = true
				}
			}
		}
	}
	return names
}

// function is a function at the top of a script.
var function = regexp.MustCompile(`(?m)^\s*(?:export )?(?:async )?function (\w+)`)

// scripts is what each script of the pages declares.
func scripts(t *testing.T) map[string]map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "webui", "static", "js", "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
		all["webui/static/js/"+filepath.Base(file)] = names
	}
	return all
}

// link is a Markdown link to something in this repository.
var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

// TestLinks finds links between documents that lead nowhere.
func TestLinks(t *testing.T) {
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	ops, err := filepath.Glob(filepath.Join(root, "docs", "ops", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range slices.Concat(docs, ops, top) {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s: nothing at %s", filepath.Base(doc), m[1])
			}
		}
	}
}
