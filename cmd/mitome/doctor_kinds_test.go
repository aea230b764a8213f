package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
)

// TestDoctorKinds: the doctor calls the OP of a connection where decisions would
// go, looks who may read its secrets, and tells none of them.
func TestDoctorKinds(t *testing.T) {
	const secret = "hidden-hidden-hidden-hidden-hidden"
	dir, err := os.MkdirTemp("", "mitome-doctor-") // t.TempDir's parents keep strangers out
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(open, []byte(secret), 0o644)); err != nil {
		t.Fatal(err)
	}
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	at := "http://" + address
	for _, tt := range []struct {
		name, op string
		words    []string // of each finding but those that are well
	}{
		{"gravitee", "kind: gravitee, domain_url: '" + at + "/bank', client_id: mitome, client_secret: " + secret + ", header_value: " + secret,
			[]string{"nothing listens"}},
		{"gravitee, secrets in files", "kind: gravitee, domain_url: '" + at + "/bank', client_id: mitome, client_secret_file: " + open + ", header_value_file: " + open,
			[]string{"chmod", "chmod", "nothing listens"}},
		{"authlete", "kind: authlete, secret: " + secret + ", server_url: '" + at + "'", []string{"nothing listens"}},
		{"authlete, secret in a file", "kind: authlete, secret_file: " + open, []string{"chmod"}},
		{"an OP that signs", "kind: webhook, client_assertion: {issuer: 'https://op.example', jwks_url: '" + at + "/jwks', allow_private: [127.0.0.0/8]}",
			[]string{"none of its JWTs is taken: nothing listens"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			findings, text := consult(t, "op corp", "{name: corp, "+tt.op+"}")
			var bad []string
			for _, f := range findings {
				if f.State != doctor.OK {
					bad = append(bad, f.Text)
				}
			}
			if len(bad) != len(tt.words) {
				t.Fatalf("got %q, want %q\n%s", bad, tt.words, text)
			}
			for i, words := range tt.words {
				if !strings.Contains(bad[i], words) {
					t.Errorf("got %q, want %q", bad[i], words)
				}
			}
			if strings.Contains(text, "hidden") {
				t.Errorf("a secret is told: %s", text)
			}
		})
	}
}
