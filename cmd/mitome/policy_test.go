package main_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// policyStage is a Mitome with one connection and two clients, of which one has
// rules of its own.
type policyStage struct {
	*gateway
	ops, key string
}

// clientRules are what bank must keep and shop need not.
const clientRules = "clients: [{id: bank, rules: {require_user_code: true, binding_message: required, device_bound: true, scopes: [profile], unknown_details: refuse}}]"

func newPolicyStage(t *testing.T, settings ...string) policyStage {
	t.Helper()
	key, hash := opCredentials(t, t.TempDir())
	settings = append([]string{"kind: webhook", `keys: [{name: test, sha256: "` + hash + `"}]`}, settings...)
	g, ops := newStandalone(t, settings...)
	return policyStage{g, ops, key}
}

// ask is one request of a client's.
func (s policyStage) ask(t *testing.T, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.ops+"/op/corp/v1/requests", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"Content-Type": "application/json", "Idempotency-Key": rand.Text(), "Authorization": "Bearer " + s.key} {
		r.Header.Set(k, v)
	}
	return said(t, r)
}

// said is what came back.
func said(t *testing.T, r *http.Request) (int, map[string]any) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if len(b) > 0 && json.Unmarshal(b, &out) != nil {
		t.Fatalf("%d, and not JSON: %s", resp.StatusCode, b)
	}
	return resp.StatusCode, out
}

// TestPolicyOfTwoClients: over one connection the stricter client is held to its
// rules, the other one to the connection's, and the evidence says to which.
func TestPolicyOfTwoClients(t *testing.T) {
	s := newPolicyStage(t, clientRules)
	alice := s.pair(t, "s-1", "alice")
	for _, tt := range []struct {
		name, body string
		status     int
		code       string // CIBA's; empty where it is taken
	}{
		{"nothing typed", `"scope":"openid","binding_message":"Pay 3 EUR"`, 400, "missing_user_code"},
		{"no message", `"scope":"openid","user_code":"483920"`, 400, "invalid_binding_message"},
		{"another scope", `"scope":"openid payments","binding_message":"Pay 3 EUR","user_code":"483920"`, 400, "invalid_scope"},
	} {
		status, got := s.ask(t, `{"sub":"s-1","client_id":"bank",`+tt.body+`}`)
		if status != tt.status || got["error"] != tt.code {
			t.Errorf("bank, %s: got %d %v, want %d %s", tt.name, status, got, tt.status, tt.code)
		}
		if status, got = s.ask(t, `{"sub":"s-1","client_id":"shop",`+tt.body+`}`); status != 201 {
			t.Errorf("shop, %s: got %d %v, want 201", tt.name, status, got)
		}
	}
	const kept = `"scope":"openid profile","binding_message":"Pay 3 EUR","user_code":"483920"`
	s.approves(t, alice, "bank", kept, []string{"require_user_code", "device_bound"})
	s.approves(t, alice, "shop", kept, nil)
	_, got := s.ask(t, `{"sub":"s-1","client_id":"bank",`+kept+`,"authorization_details":[{"type":"spell","name":"x"}]}`)
	alice.mustNot(t, "approve", "--code", "483920", got["id"].(string))
	_, got = s.ask(t, `{"sub":"s-1","client_id":"shop",`+kept+`,"authorization_details":[{"type":"spell","name":"x"}]}`)
	alice.do(t, "approve", "--code", "483920", got["id"].(string))
}

// approves has p approve what a client asks, and looks by which rules that went.
func (s policyStage) approves(t *testing.T, p *phone, client, body string, rules []string) {
	t.Helper()
	status, r := s.ask(t, `{"sub":"s-1","client_id":"`+client+`",`+body+`}`)
	if status != 201 {
		t.Fatalf("%s: got %d %v", client, status, r)
	}
	id := r["id"].(string)
	p.mustNot(t, "approve", "--code", "000000", id)
	p.do(t, "approve", "--code", "483920", id)
	again, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.ops+"/op/corp/v1/requests/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	again.Header.Set("Authorization", "Bearer "+s.key)
	_, r = said(t, again)
	decision, _ := r["decision"].(map[string]any)
	jws, _ := decision["evidence"].(string)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jws+"..", ".")[1])
	var st approval.Statement
	if err != nil || json.Unmarshal(payload, &st) != nil || st.ClientID != client ||
		strings.Join(st.Decision.Rules, " ") != strings.Join(rules, " ") {
		t.Errorf("%s: got %v, whose evidence is %s, want the rules %v", client, r, payload, rules)
	}
}

// TestNoClientsIsAsBefore: without rules for clients, and beside a client that has
// some, the connection's are those of everybody.
func TestNoClientsIsAsBefore(t *testing.T) {
	for name, settings := range map[string][]string{
		"no clients":     {"rules: {require_user_code: true}"},
		"another client": {"rules: {require_user_code: true}", "clients: [{id: bank, rules: {require_user_code: false}}]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newPolicyStage(t, settings...)
			s.pair(t, "s-1", "alice")
			for _, client := range []string{"shop", "Bank", "bank2"} {
				if status, got := s.ask(t, `{"sub":"s-1","client_id":"`+client+`","binding_message":"Pay 3 EUR"}`); status != 400 || got["error"] != "missing_user_code" {
					t.Errorf("%s: got %d %v, want what the connection's rules say", client, status, got)
				}
			}
			if status, got := s.ask(t, `{"sub":"s-1","client_id":"bank","binding_message":"Pay 3 EUR"}`); (status == 201) != (len(settings) > 1) {
				t.Errorf("bank: got %d %v", status, got)
			}
		})
	}
}

// TestNetworksOfEveryKind: a call from elsewhere is refused over each kind of
// connection before anything of it is read, and the operator reads why.
func TestNetworksOfEveryKind(t *testing.T) {
	_, hash := opCredentials(t, t.TempDir())
	settings := map[string]string{
		"keycloak": "issuer: 'http://127.0.0.1:1/realms/x'",
		"webhook":  `keys: [{name: k, sha256: "` + hash + `"}]`,
		"gravitee": "domain_url: 'http://127.0.0.1:1/bank', client_id: m, client_secret: s, header_value: " + strings.Repeat("h", 32),
		"authlete": "secret: " + strings.Repeat("s", 40),
	}
	paths := map[string]string{"webhook": "/v1/requests", "authlete": "/ad/" + strings.Repeat("s", 40) + "/api/authenticate/sync"}
	text := "kind: webhook\n    " + settings["webhook"]
	for _, c := range op.Contracts {
		if settings[c.Kind] == "" {
			t.Fatalf("%s: no settings to try it with", c.Kind)
		}
		text += "\n  - {name: far-" + c.Kind + ", kind: " + c.Kind + ", networks: [10.0.0.0/8], " + settings[c.Kind] + "}"
	}
	g, ops := newStandalone(t, text)
	for _, c := range op.Contracts {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ops+"/op/far-"+c.Kind+paths[c.Kind], bytes.NewReader([]byte("{")))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Forwarded-For", "10.1.2.3") // nobody's word is taken for it
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: got %d, want 401", c.Kind, resp.StatusCode)
		}
		log, err := os.ReadFile(g.log())
		if err != nil || !slices.ContainsFunc(strings.Split(string(log), "\n"), func(line string) bool {
			return strings.Contains(line, "far-"+c.Kind) && strings.Contains(line, "not from a network")
		}) {
			t.Errorf("%s: the log does not say why: %s, %v", c.Kind, log, err)
		}
	}
}
