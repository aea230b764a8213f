package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/server/config"
)

// adaptersIn lists the packages in a folder that hold adapters: those with Go
// code, but for the named ones.
func adaptersIn(t *testing.T, dir string, others ...string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if code, _ := filepath.Glob(filepath.Join(dir, e.Name(), "*.go")); e.IsDir() && !slices.Contains(others, e.Name()) && len(code) > 0 {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestTables finds an adapter that nobody can configure because wire.go does not
// name it.
func TestTables(t *testing.T) {
	var have []string
	for _, k := range kinds {
		have = append(have, k.name)
	}
	if want := adaptersIn(t, "../../approval/op", "optest", "keyset"); !slices.Equal(slices.Sorted(slices.Values(have)), want) {
		t.Errorf("kinds are %v, the folders in approval/op %v", have, want)
	}
	have = nil
	for _, c := range channels {
		have = append(have, string(c.name))
	}
	if want := adaptersIn(t, "../../push", "pushtest", "ece"); !slices.Equal(slices.Sorted(slices.Values(have)), want) {
		t.Errorf("channels are %v, the folders in push %v", have, want)
	}
}

// TestChannelsAreAlike finds a channel that was not held to what all must do.
func TestChannelsAreAlike(t *testing.T) {
	for _, c := range channels {
		tests, err := filepath.Glob(filepath.Join("../../push", string(c.name), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(tests, func(file string) bool {
			code, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(code), "pushtest.Run(t, ")
		}) {
			t.Errorf("no test of push/%s hands pushtest.Run a case", c.name)
		}
	}
}

// TestExample checks the example as an operator would, and that the one in
// deploy is the one that the program prints.
func TestExample(t *testing.T) {
	const path = "../../deploy/mitome.example.yaml"
	got, err := os.ReadFile(path)
	if err != nil || string(got) != config.Example {
		t.Errorf("%s is stale (%v); mitome config example writes it", path, err)
	}
	c, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, faults := openOPs(c, nil, nil); len(faults) > 0 {
		t.Error(faults)
	}
}

// TestEverySettingIsDescribed: a setting without a word about it is one that
// nobody but its author can use.
func TestEverySettingIsDescribed(t *testing.T) {
	for line := range strings.SplitSeq(reference(), "\n") {
		if strings.HasPrefix(line, "| `") && strings.HasSuffix(line, "|  |") {
			t.Errorf("no description: %s", line)
		}
	}
}
