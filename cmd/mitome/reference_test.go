package main

import (
	"bytes"
	"os"
	"testing"

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
