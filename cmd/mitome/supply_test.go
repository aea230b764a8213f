package main

import (
	"os"
	"os/exec"
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

// TestActionsArePinned: what the published workflow runs is named by its commit,
// because a tag can be moved.
func TestActionsArePinned(t *testing.T) {
	uses := regexp.MustCompile(`uses: +(\S+)`).FindAllStringSubmatch(read(t, ".github/workflows/ci.yml"), -1)
	if len(uses) == 0 {
		t.Error("no action is used")
	}
	for _, m := range uses {
		if !regexp.MustCompile(`@[0-9a-f]{40}$`).MatchString(m[1]) {
			t.Errorf("%s is not pinned to a commit", m[1])
		}
	}
}
