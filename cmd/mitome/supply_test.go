package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLicencesAreListed: docs/licences.md names every module that the program is
// linked with, and none besides.
func TestLicencesAreListed(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags=disable_grpc_modules,nomsgpack",
		"-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/mitome")
	cmd.Dir, cmd.Stderr = top, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(out))
	slices.Sort(linked)
	linked = slices.Compact(linked)
	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^\| (\S+\.\S+) \|`).FindAllStringSubmatch(read(t, "docs/licences.md"), -1) {
		listed = append(listed, row[1])
	}
	if len(listed) < 20 {
		t.Fatalf("only %d rows", len(listed))
	}
	// A row may stand for a package, where that has a licence of its own.
	for _, m := range linked {
		if !slices.ContainsFunc(listed, func(row string) bool { return isOrIn(row, m) }) {
			t.Errorf("%s is not in docs/licences.md; run make licences", m)
		}
	}
	for _, row := range listed {
		if !slices.ContainsFunc(linked, func(m string) bool { return isOrIn(row, m) }) {
			t.Errorf("docs/licences.md lists %s, which is not linked; run make licences", row)
		}
	}
}

// isOrIn reports whether path is that of module, or of something in it.
func isOrIn(path, module string) bool {
	return path == module || strings.HasPrefix(path, module+"/")
}

// TestPinned: what is fetched to build, test or run Mitome is named by what it
// is, not by a tag that can be moved.
func TestPinned(t *testing.T) {
	for pattern, rule := range map[string]struct{ use, pinned *regexp.Regexp }{
		".github/workflows/*.yml": {regexp.MustCompile(`uses: +(\S+)`), regexp.MustCompile(`@[0-9a-f]{40}$`)},
		"Dockerfile":              {regexp.MustCompile(`(?m)^FROM (?:--\S+ )*(\S+)`), regexp.MustCompile(`@sha256:[0-9a-f]{64}$|^scratch$`)},
		"deploy/compose*.yaml":    {regexp.MustCompile(`image: +(\S+)`), regexp.MustCompile(`@sha256:[0-9a-f]{64}$|^mitome$`)},
	} {
		files, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range rule.use.FindAllStringSubmatch(string(text), -1) {
				if !rule.pinned.MatchString(m[1]) {
					t.Errorf("%s uses %s, which is not pinned", filepath.Base(f), m[1])
				}
			}
		}
	}
}
