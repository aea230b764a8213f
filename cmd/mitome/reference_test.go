package main

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/server"
)

// TestReferenceIsCurrent keeps docs/configuration.md what the program says;
// make docs writes it.
func TestReferenceIsCurrent(t *testing.T) {
	got, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != reference() {
		t.Error("docs/configuration.md is not what mitome config reference prints; run make docs")
	}
}

// TestContractsAreCurrent keeps docs/ops/README.md what the program says, and the
// table behind it complete: a kind without a row would be told nothing of.
func TestContractsAreCurrent(t *testing.T) {
	want, err := contractsDoc()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/ops/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/ops/README.md is not what mitome config kinds prints; run make docs")
	}
	var rows, names []string
	for _, c := range op.Contracts {
		rows = append(rows, c.Kind)
		if acrWords[c.ACR] == "" || c.Title == "" || c.Note == "" {
			t.Errorf("the row of %s is not whole", c.Kind)
		}
	}
	for _, k := range kinds {
		names = append(names, k.name)
	}
	if !slices.Equal(rows, names) {
		t.Errorf("op.Contracts has rows for %v, want %v", rows, names)
	}
}

// TestOpenAPIIsCurrent keeps docs/openapi what is served, and nothing else.
func TestOpenAPIIsCurrent(t *testing.T) {
	docs, err := server.Documents(apiVersion)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadDir("../../docs/openapi")
	if err != nil || len(kept) != len(docs) {
		t.Errorf("%d documents are kept, %v, want %d", len(kept), err, len(docs))
	}
	for _, d := range docs {
		got, err := os.ReadFile("../../docs/openapi/" + d.Name + ".yaml")
		if err != nil || !bytes.Equal(got, d.YAML) {
			t.Errorf("docs/openapi/%s.yaml is not what is served (%v); run make docs", d.Name, err)
		}
	}
}
