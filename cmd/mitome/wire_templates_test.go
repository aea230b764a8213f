package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/server/config"
)

// TestTemplatesOf: a connection's own templates go before those of all, and those
// before the built-in ones; what is wrong is told at the setting that names it.
func TestTemplatesOf(t *testing.T) {
	all, own := t.TempDir(), filepath.Join(t.TempDir(), "own.yaml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(all, "all.yaml"), "templates: [{types: [lease, payment_initiation]}]")
	write(own, "templates: [{type: lease}]")
	c := config.Config{TemplatesDir: all, OPs: []config.OP{{Name: "a", Templates: []string{own}}, {Name: "b"}}}
	got, faults := templatesOf(c)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	from := func(op, typ string) string {
		for _, x := range got[op].List() {
			if x.Name == typ {
				return filepath.Base(x.From)
			}
		}
		return "none"
	}
	for _, tt := range []struct{ op, typ, want string }{
		{"a", "lease", "own.yaml"}, {"b", "lease", "all.yaml"}, {"a", "payment_initiation", "all.yaml"},
		{"b", "payment_initiation", "all.yaml"}, {"a", "account_information", "."},
	} {
		if f := from(tt.op, tt.typ); f != tt.want {
			t.Errorf("%s of %s: got %s, want %s", tt.typ, tt.op, f, tt.want)
		}
	}
	write(filepath.Join(all, "more.yaml"), "x: 1")
	write(own, "y: 2")
	_, faults = templatesOf(c)
	if len(faults) != 2 || faults[0].Path != "templates_dir" || faults[1].Path != "ops[0].templates" ||
		!strings.Contains(faults[0].Text, "more.yaml:1: ") || !strings.Contains(faults[1].Text, "own.yaml:1: ") {
		t.Errorf("got %v", faults)
	}
}
