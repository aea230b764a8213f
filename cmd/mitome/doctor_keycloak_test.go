package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
)

// testDoctor holds the doctor to what a real Keycloak answers: a fault that is
// none would have an operator mend what is well.
func testDoctor(t *testing.T, s *stage) {
	realm := s.kc.Realm(t, keycloaktest.Policy{})
	// The first page of its life takes Keycloak long, an error's like any other.
	if resp, err := http.Get(realm.Issuer + "/protocol/openid-connect/auth?client_id=none&response_type=code"); err != nil {
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	signin := ", signin: {client_id: mitome, internal_url: " + s.kc.URL + "}"
	tests := []struct {
		name, public, op, check string
		state                   doctor.State
		words                   string
	}{
		{"all well", "http://localhost:8080", "issuer: " + realm.Issuer + ", internal_url: " + s.kc.URL + signin, "op corp", doctor.OK, "Decisions can be told"},
		{"client of the sign-in", "http://localhost:8080", "issuer: " + realm.Issuer + ", internal_url: " + s.kc.URL + signin, "sign-in corp", doctor.OK, "knows client mitome"},
		{"no such realm", "http://localhost:8080", "issuer: " + realm.Issuer + "x, internal_url: " + s.kc.URL, "op corp", doctor.Fault, "how the realm is written"},
		{"by another name", "http://localhost:8080", "issuer: " + strings.Replace(realm.Issuer, "//", "//sso.", 1) + ", internal_url: " + s.kc.URL, "op corp", doctor.Fault, "calls itself " + realm.Issuer},
		{"redirect URI not registered", "http://phones.localhost:8080", "issuer: " + realm.Issuer + ", internal_url: " + s.kc.URL + signin, "sign-in corp", doctor.Fault, "register both there"},
		{"client not registered", "http://localhost:8080", "issuer: " + realm.Issuer + ", internal_url: " + s.kc.URL + strings.Replace(signin, "client_id: mitome", "client_id: other", 1), "sign-in corp", doctor.Fault, "refuses client other"},
		{"client that may not", "http://localhost:8080", "issuer: " + realm.Issuer + ", internal_url: " + s.kc.URL + strings.Replace(signin, "client_id: mitome", "client_id: shop, client_secret: wrong", 1), "sign-in corp", doctor.Fault, "refuses client shop"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			findings := diagnose(t, s.binary, fmt.Sprintf("public_url: %s\nops:\n  - {name: corp, kind: keycloak, %s}\n", tt.public, tt.op))
			found := false
			for _, f := range findings {
				found = found || f.Check == tt.check && f.State == tt.state && strings.Contains(f.Text, tt.words)
				if f.State != doctor.OK && tt.state == doctor.OK {
					t.Errorf("%s %s: %s", f.State, f.Check, f.Text)
				}
			}
			if !found {
				t.Errorf("no %s of %s with %q in %+v", tt.state, tt.check, tt.words, findings)
			}
		})
	}
}

// diagnose runs the doctor before the start, on a configuration with keys.
func diagnose(t *testing.T, binary, config string) []doctor.Finding {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "mitome.yaml")
	config += "data_dir: " + dir + "/data\nlisten: {devices: '127.0.0.1:0', ops: '127.0.0.1:0', metrics: '127.0.0.1:0'}\n"
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(binary, "--config", path, "keys", "init").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, _ := exec.Command(binary, "--config", path, "--json", "doctor", "--before-start").Output() // fails where there is a fault
	var report struct{ Findings []doctor.Finding }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return report.Findings
}
