package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval/policy"
)

// withClients is a configuration whose one connection has these rules and clients.
func withClients(t *testing.T, rules, clients string) (Config, error) {
	t.Helper()
	return Load(write(t, "public_url: https://mitome.example\nops:\n  - name: corp\n    kind: keycloak\n    rules: "+rules+"\n    clients: "+clients+"\n"), nil)
}

// TestClientRulesMerge: a client has its connection's rules, but for the keys that
// it has itself.
func TestClientRulesMerge(t *testing.T) {
	base := policy.Rules{
		BindingMessage: policy.ModeRequired, MaxGraphemes: 100, RequireCode: true, RefusedPhrases: []string{"deal"},
		Scopes: []string{"profile"}, ACR: []policy.Level{{Value: "gold", DeviceBound: true}},
	}
	text := `{binding_message: required, binding_message_max: 100, require_user_code: true, refused_phrases: [deal], scopes: [profile], acr: [{value: gold, device_bound: true}]}`
	tests := []struct {
		name, own string
		change    func(*policy.Rules)
	}{
		{"one key", `{device_bound: true}`, func(r *policy.Rules) { r.DeviceBound = true }},
		{"taken back", `{require_user_code: false}`, func(r *policy.Rules) { r.RequireCode = false }},
		{"another word", `{binding_message: type}`, func(r *policy.Rules) { r.BindingMessage = policy.ModeType }},
		{"a number", `{binding_message_max: 50}`, func(r *policy.Rules) { r.MaxGraphemes = 50 }},
		{"a list replaces", `{refused_phrases: [crypto]}`, func(r *policy.Rules) { r.RefusedPhrases = []string{"crypto"} }},
		{"all scopes again", `{scopes: ["*"]}`, func(r *policy.Rules) { r.Scopes = []string{"*"} }},
		{"a table replaces", `{acr: [{value: silver}]}`, func(r *policy.Rules) { r.ACR = []policy.Level{{Value: "silver"}} }},
		{"nothing said is the connection's", `{binding_message_max: , refuse_vague: true}`, func(r *policy.Rules) { r.RefuseVague = true }},
		{"empty is the default", `{binding_message: ""}`, func(r *policy.Rules) { r.BindingMessage = policy.ModeShow }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := withClients(t, text, "[{id: other, rules: {refuse_vague: true}}, {id: 'https://shop.example', rules: "+tt.own+"}]")
			if err != nil {
				t.Fatal(err)
			}
			o := c.OPs[0]
			defaults(&base, o.Rules)
			if d := cmp.Diff(base, o.Rules); d != "" {
				t.Fatalf("the connection's: %s", d)
			}
			want := base
			tt.change(&want)
			if d := cmp.Diff(want, o.Client("https://shop.example")); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(base, o.Client("unnamed")); d != "" {
				t.Errorf("a client that is not named: %s", d)
			}
		})
	}
}

// defaults fills what r does not say with what was read, so that a rule that comes
// new does not fail a test that is not about it.
func defaults(r *policy.Rules, read policy.Rules) {
	to, from := reflect.ValueOf(r).Elem(), reflect.ValueOf(read)
	for i := range to.NumField() {
		if to.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
}

// TestEveryRuleCanBeAClients: each key of rules is taken at a client, over what the
// connection says, and each that is wrong is told with its path.
func TestEveryRuleCanBeAClients(t *testing.T) {
	for _, f := range fieldsOf(reflect.TypeFor[policy.Rules]()) {
		c, err := withClients(t, "{}", "[{id: shop, rules: {"+f.key+": {wrong: [1]}}}]")
		var faults Faults
		if !errors.As(err, &faults) || !slices.ContainsFunc(faults, func(x Fault) bool {
			return strings.HasPrefix(x.Path, "ops[0].clients[0].rules."+f.key)
		}) {
			t.Errorf("%s: got %v, %v", f.key, c.OPs, err)
		}
	}
}

func TestClientsThatAreWrong(t *testing.T) {
	tests := []struct{ name, rules, clients, path string }{
		{"unknown key", "{}", "[{id: a, rules: {binding_mesage: type}}]", "ops[0].clients[0].rules.binding_mesage"},
		{"unknown key beside", "{}", "[{id: a, limits: {off: true}, rules: {refuse_vague: true}}]", "ops[0].clients[0].limits"},
		{"no id", "{}", "[{rules: {refuse_vague: true}}]", "ops[0].clients[0].id"},
		{"no rules", "{}", "[{id: a}]", "ops[0].clients[0].rules"},
		{"empty rules", "{}", "[{id: a, rules: {}}]", "ops[0].clients[0].rules"},
		{"twice", "{}", "[{id: a, rules: {refuse_vague: true}}, {id: b, rules: {refuse_vague: true}}, {id: a, rules: {require_user_code: true}}]", "ops[0].clients[2].id"},
		{"no word", "{}", "[{id: a, rules: {binding_message: shout}}]", "ops[0].clients[0].rules.binding_message"},
		{"no scope", "{}", "[{id: a, rules: {scopes: []}}]", "ops[0].clients[0].rules.scopes"},
		{"contradiction with the connection", "{binding_message_max: 5}", "[{id: a, rules: {binding_message: type}}]", "ops[0].clients[0].rules.binding_message_max"},
		{"the connection's fault is said once", "{binding_message: shout}", "[{id: a, rules: {refuse_vague: true}}]", "ops[0].rules.binding_message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := withClients(t, tt.rules, tt.clients)
			var faults Faults
			if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Path != tt.path {
				t.Errorf("got %v, want one fault at %s", err, tt.path)
			}
		})
	}
	_, err := withClients(t, "{binding_message: shout}", "[{id: a, rules: {binding_message: scream}}]")
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 2 {
		t.Errorf("got %v, want the fault of each", err)
	}
}
