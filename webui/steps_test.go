package webui

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestScriptsHaveTheirWords: what a script says by name stands on its page. A
// name without words would be a failure that nobody is told of.
func TestScriptsHaveTheirWords(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		b, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	names := regexp.MustCompile(`data-when="([^"]+)"`)
	says := regexp.MustCompile(`say\('(\w+)', [^)]*?'(\w+)'(?: : '(\w+)')?\)`)
	// Short for say("over", …) and its kin, where a page has them.
	short := regexp.MustCompile(`\b(over|gone|again|lock)\('(\w+)'\)`)
	stages := regexp.MustCompile(`show\([^)]*?'(\w+)'(?: : '(\w+)')?\)`)
	for page, html := range map[string]string{"pair": "pair", "offer": "offer", "unlock": "unlock", "devices": "devices", "code": "code", "push": "parts"} {
		html, script := read("pages/"+html+".html"), read("static/js/"+page+".js")
		has := map[string][]string{}
		for _, part := range strings.Split(html, `data-say="`)[1:] {
			group, rest, _ := strings.Cut(part, `"`)
			rest, _, _ = strings.Cut(rest, "</section>")
			for _, n := range names.FindAllStringSubmatch(rest, -1) {
				has[group] = append(has[group], strings.Fields(n[1])...)
			}
		}
		used := says.FindAllStringSubmatch(script, -1)
		for _, m := range short.FindAllStringSubmatch(script, -1) {
			group := m[1]
			switch group {
			case "again":
				group = "devices"
			case "lock":
				group = "code"
			}
			used = append(used, []string{m[0], group, m[2]})
		}
		if len(used) < 4 {
			t.Errorf("%s.js: found only %d sayings; the test looks for the wrong thing", page, len(used))
		}
		for _, m := range used {
			for _, name := range m[2:] {
				if name != "" && !slices.Contains(has[m[1]], name) {
					t.Errorf("%s.js: %s: the page has no such words (%v)", page, m[0], has[m[1]])
				}
			}
		}
		for _, m := range stages.FindAllStringSubmatch(script, -1) {
			for _, name := range m[1:] {
				if name != "" && !strings.Contains(html, `data-stage="`+name+`"`) {
					t.Errorf("%s.js: %s: the page has no such stage", page, m[0])
				}
			}
		}
	}
}
