package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNodeOIDCProviderPage runs docs/ops/node-oidc-provider.md, every command as
// it is written, but for the ports and the place of this repository. What npm
// installs was fetched before, by the same lock file.
func TestNodeOIDCProviderPage(t *testing.T) {
	t.Parallel()
	deps := os.Getenv("MITOME_TEST_OIDC_PROVIDER")
	if deps == "" {
		t.Fatal("MITOME_TEST_OIDC_PROVIDER is not set; tools/oidc-provider.sh prints what it must be")
	}
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text := commands(t, "ops/node-oidc-provider.md", "8080", "8081", "9464", "3000")
	text = strings.ReplaceAll(text, "~/mitome/", repository+"/")
	out := runPage(t, npm(deps)+text)
	for _, want := range []string{
		`"auth_req_id":"`, `"error":"authorization_pending"`, "Order 4711", "The request is approved.",
		`"acr":"phr","amr":["pop","user","mfa"],"auth_time":`, `"sub":"s-1"`,
		"The request is denied.", `"error":"access_denied"`, "does not reach what was asked for", `"error":"unknown_user_id"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s does not come in it", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// npm has npm take everything from the cache of deps, and be set up otherwise as
// it was when that was filled.
func npm(deps string) string {
	set := map[string]string{"offline": "true", "update_notifier": "false", "cache": filepath.Join(deps, "npm")}
	if home, err := os.UserHomeDir(); err == nil {
		set["userconfig"] = filepath.Join(home, ".npmrc")
	}
	if registry := os.Getenv("npm_config_registry"); registry != "" {
		set["registry"] = registry
	}
	var b strings.Builder
	for name, value := range set {
		fmt.Fprintf(&b, "export npm_config_%s='%s'\n", name, value)
	}
	return b.String()
}
