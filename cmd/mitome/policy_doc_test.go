package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/server/config"
)

// TestPolicyPage: every configuration on the page is one that the program takes,
// with every rule that is in it, and every rule that there is stands on the page.
func TestPolicyPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)\n```yaml\n(.*?)\n```\n").FindAllSubmatch(page, -1)
	if len(blocks) != 3 {
		t.Errorf("the page has %d configurations, want 3", len(blocks))
	}
	clients := 0
	for _, b := range blocks {
		path := filepath.Join(t.TempDir(), "mitome.yaml")
		if err := os.WriteFile(path, append([]byte("public_url: https://mitome.example.com\n"), b[1]...), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := (&app{config: path, out: &bytes.Buffer{}}).load()
		if err != nil {
			t.Errorf("%v in:\n%s", err, b[1])
			continue
		}
		if _, err := policyOf(c); err != nil {
			t.Errorf("%v in:\n%s", err, b[1])
		}
		for _, o := range c.OPs {
			clients += len(o.Clients)
		}
	}
	if clients != 6 {
		t.Errorf("they have %d clients, want 6", clients)
	}
	for f := range reflect.TypeFor[policy.Rules]().Fields() {
		if key := f.Tag.Get("koanf"); key != "-" && !strings.Contains(string(page), "`"+key) {
			t.Errorf("the page does not speak of %s", key)
		}
	}
}

// TestRulesThatNoKindKeeps: a client whose every request would be refused is a
// fault with its path.
func TestRulesThatNoKindKeeps(t *testing.T) {
	code := "require_user_code: true"
	keycloak := "kind: keycloak, issuer: 'https://id.example/realms/x'"
	webhook := "kind: webhook, keys: [{name: k, sha256: '" + strings.Repeat("ab", 32) + "'}]"
	for _, tt := range []struct{ name, op, rules, client, fault string }{
		{"a code that nothing brings", keycloak, "", code, "ops[0].clients[0].rules: "},
		{"a code that the message brings", keycloak, "", code + ", binding_message: type", ""},
		{"a code that the connection's message brings", keycloak, "binding_message: type", code, ""},
		{"and not for this client", keycloak, "binding_message: type", code + ", binding_message: show", "ops[0].clients[0].rules: "},
		{"a code that the OP brings", webhook, "", code, ""},
		{"the connection's own, of which the doctor warns", keycloak, code, "refuse_vague: true", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mitome.yaml")
			text := "public_url: https://mitome.example.com\nops: [{name: corp, " + tt.op + ", rules: {" + tt.rules + "}, clients: [{id: a, rules: {" + tt.client + "}}]}]\n"
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := (&app{config: path, out: &bytes.Buffer{}}).load()
			if (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("got %v, want a fault at %q", err, tt.fault)
			}
		})
	}
}

// TestClientsOfAnOPThatAssertsEverything: rules of its own do not free a client from
// what its OP does with acr values.
func TestClientsOfAnOPThatAssertsEverything(t *testing.T) {
	own := policy.Rules{ACR: []policy.Level{{Value: "any"}, {Value: "never", UserCode: true}}}
	for kind, met := range map[string]bool{"gravitee": false, "webhook": true} {
		book, err := policyOf(config.Config{OPs: []config.OP{{Name: "corp", Kind: kind, Clients: []config.Client{{ID: "shop", Rules: own}}}}})
		if err != nil {
			t.Fatal(err)
		}
		r := approval.Request{OP: "corp", ClientID: "shop", ACRValues: []string{"any", "never"}}
		if g := book.Grade(r, approval.Ceremony{UserVerified: true}); g.Met != met {
			t.Errorf("%s: met %v, want %v", kind, g.Met, met)
		}
	}
}
