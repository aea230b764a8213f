package show_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/mitome-ciba/mitome/approval/show"
)

// catalogue reads one file: key, then the text or its plural forms.
func catalogue(t *testing.T, file string) map[string]map[string]string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var entries map[string]any
	if err := json.Unmarshal(raw, &entries); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	out := map[string]map[string]string{}
	for k, v := range entries {
		out[k] = map[string]string{}
		switch v := v.(type) {
		case string:
			out[k]["other"] = v
		case map[string]any:
			for form, text := range v {
				out[k][form], _ = text.(string)
			}
		}
	}
	return out
}

func files(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("locales/*.json")
	if err != nil || len(all) < 2 {
		t.Fatalf("got %v, %v; want en and ja at least", all, err)
	}
	return all
}

// literals is every string in this package's code, but for imports, struct tags
// and the texts of errors, which no user reads.
func literals(t *testing.T) map[string]token.Position {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	out, fset := map[string]token.Position{}, token.NewFileSet()
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.Field:
				n.Tag = nil
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Errorf" || sel.Sel.Name == "New") {
					return false
				}
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					s, _ := strconv.Unquote(n.Value)
					out[s] = fset.Position(n.Pos())
				}
			}
			return true
		})
	}
	return out
}

var keyShape = regexp.MustCompile(`^(title|label|button|warning|code|client|scope|detail|value|ended|push|place)\.[a-z_]+$`)

// TestEveryKeyIsInEveryCatalogue: a missing one would fall back to English on a
// Japanese page, or to an error.
func TestEveryKeyIsInEveryCatalogue(t *testing.T) {
	used := literals(t)
	english := catalogue(t, "locales/en.json")
	for _, file := range files(t) {
		texts := catalogue(t, file)
		for key, at := range used {
			if keyShape.MatchString(key) && len(texts[key]) == 0 {
				t.Errorf("%s: %s says %q, which is missing", file, at, key)
			}
		}
		for key, forms := range texts {
			if _, ok := used[key]; !ok {
				t.Errorf("%s: %q is not used", file, key)
			}
			if !keyShape.MatchString(key) {
				t.Errorf("%s: %q has not the shape of a key", file, key)
			}
			for form, text := range forms {
				if strings.TrimSpace(text) == "" || text != strings.TrimSpace(text) {
					t.Errorf("%s: %q is blank or has a blank at its end", file, key)
				}
				if counts := strings.Contains(text, "{{.PluralCount}}"); counts != strings.Contains(english[key]["other"], "{{.PluralCount}}") && form == "other" {
					t.Errorf("%s: %q and its English differ in whether they count", file, key)
				}
			}
			if forms["other"] == "" {
				t.Errorf("%s: %q has no form \"other\"", file, key)
			}
		}
	}
}

// TestLocalesAreTheFiles: a new language is a new file and nothing else.
func TestLocalesAreTheFiles(t *testing.T) {
	c, err := show.Load()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range files(t) {
		want = append(want, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	got := c.Locales()
	if got[0] != "en" {
		t.Errorf("%s comes first, so it and not English is what an unknown language falls back to", got[0])
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestNoSentenceStandsInCode: what a user reads comes from the catalogues.
func TestNoSentenceStandsInCode(t *testing.T) {
	words := regexp.MustCompile(`\pL{2,}[ ,.:;!?]+\pL{2,}`)
	for s, at := range literals(t) {
		r := []rune(s)
		switch {
		case keyShape.MatchString(s) || strings.HasPrefix(s, "authorization_details.") || strings.HasPrefix(s, "request_context."):
		case slices.ContainsFunc(r, func(r rune) bool { return r > unicode.MaxASCII && unicode.IsLetter(r) }),
			len(r) > 0 && unicode.IsUpper(r[0]), words.MatchString(s):
			t.Errorf("%s: %q looks like words for people", at, s)
		}
	}
}
