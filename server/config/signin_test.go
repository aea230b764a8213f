package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withSignIn is a configuration whose connection has this sign-in.
func withSignIn(t *testing.T, signin string) (Config, error) {
	t.Helper()
	return Load(write(t, `
public_url: https://mitome.example
ops:
  - {name: corp, kind: keycloak, issuer: "https://sso.example/realms/corp", internal_url: "http://sso:8080", signin: {`+signin+`}}
`), nil)
}

func TestSignIn(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := withSignIn(t, "client_id: mitome, client_secret_file: "+secret+", acr_values: [phr, mfa], max_age: 5m")
	if err != nil {
		t.Fatal(err)
	}
	want := SignIn{
		ClientID: "mitome", ClientSecretFile: secret, Issuer: "https://sso.example/realms/corp", InternalURL: "http://sso:8080",
		Scopes: []string{"openid", "profile", "email"}, ACRValues: []string{"phr", "mfa"}, MaxAge: 5 * time.Minute,
	}
	got := c.OPs[0].SignIn
	if diff := cmp.Diff(want, got); diff != "" || !got.Set() {
		t.Error(diff)
	}
	if s, err := got.Secret(); err != nil || string(s) != "from the file" {
		t.Errorf("got %v, %v", string(s), err)
	}
	if _, ok := c.OPs[0].Settings["signin"]; ok {
		t.Error("the kind is handed the sign-in, too")
	}
	other, err := withSignIn(t, "client_id: mitome, issuer: 'https://other.example', internal_url: 'http://other'")
	if s := other.OPs[0].SignIn; err != nil || s.Issuer != "https://other.example" || s.InternalURL != "http://other" || s.MaxAge != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
	if none, err := withSignIn(t, ""); err != nil || none.OPs[0].SignIn.Set() {
		t.Errorf("without a client: %v", err)
	}
}

func TestSignInFaults(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const at = "ops[0].signin"
	for name, tt := range map[string]struct{ signin, want string }{
		"secret and no client":  {"client_secret: x", at + ".client_id"},
		"acr and no client":     {"acr_values: phr", at + ".client_id"},
		"issuer without scheme": {"client_id: m, issuer: sso.example", at + ".issuer"},
		"issuer with a query":   {"client_id: m, issuer: 'https://sso.example/?x'", at + ".issuer"},
		"issuer with a user":    {"client_id: m, issuer: 'https://u@sso.example'", at + ".issuer"},
		"internal with a path":  {"client_id: m, internal_url: 'http://sso/x'", at + ".internal_url"},
		"secret twice":          {"client_id: m, client_secret: x, client_secret_file: " + empty, at + ".client_secret"},
		"no such file":          {"client_id: m, client_secret_file: /no/such/file", at + ".client_secret_file"},
		"empty file":            {"client_id: m, client_secret_file: " + empty, at + ".client_secret_file"},
		"hours ago":             {"client_id: m, max_age: 2h", at + ".max_age"},
		"negative age":          {"client_id: m, max_age: -1s", at + ".max_age"},
		"scope with a space":    {"client_id: m, scopes: ['a b']", at},
		"empty acr":             {"client_id: m, acr_values: ['']", at},
		"unknown setting":       {"client_id: m, redirect_uri: x", at + ".redirect_uri"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := withSignIn(t, tt.signin)
			var faults Faults
			if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Path != tt.want {
				t.Fatalf("got %v, want one fault at %s", err, tt.want)
			}
			if strings.Contains(err.Error(), "client_secret: x") {
				t.Error("the secret is in the error")
			}
		})
	}
}
