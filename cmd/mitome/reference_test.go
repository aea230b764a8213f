package main

import (
	"os"
	"testing"
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
