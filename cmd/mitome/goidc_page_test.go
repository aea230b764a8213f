package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoOIDCPage runs docs/ops/go-oidc.md, every command as it is written, but for
// the ports and the place of this repository.
func TestGoOIDCPage(t *testing.T) {
	t.Parallel()
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text := commands(t, "ops/go-oidc.md", "8080", "8081", "9464", "3000", "9000")
	text = strings.ReplaceAll(text, "~/mitome", repository)
	out := runPage(t, goCaches(t)+text)
	for _, want := range []string{
		`"auth_req_id":"`, `"error":"authorization_pending"`, "Order 4711", "The request is approved.",
		`"acr":"phr","amr":["pop","user","mfa"]`, `"sub":"s-1"`, "The request is denied.", `"error":"access_denied"`,
		"does not reach what was asked for", `"error":"unknown_user_id"`, `"urn:openid:params:jwt:claim:auth_req_id":"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s does not come in it", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// goCaches has go take what is compiled and fetched already, wherever it is.
func goCaches(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "export %s='%s'\n", name, strings.TrimSpace(string(value)))
	}
	return b.String()
}
