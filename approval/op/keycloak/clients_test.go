package keycloak_test

import (
	"errors"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
)

// TestRulesGoByTheClientInTheToken: whose rules are kept is what Keycloak signed,
// whatever the body says beside it.
func TestRulesGoByTheClientInTheToken(t *testing.T) {
	book, err := policy.New(policy.Rules{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	strict := policy.Rules{BindingMessage: policy.ModeRequired, Scopes: []string{"email"}}
	if err := book.Client("corp", "bank", strict); err != nil {
		t.Fatal(err)
	}
	key := newSigner(t, "k1")
	c := newKeysCase(t, key)
	tests := []struct {
		name, azp, body string
		want            error
	}{
		{"shop", "shop", `{"scope":"openid payments"}`, nil},
		{"bank says nothing", "bank", `{"scope":"openid"}`, approval.ErrBindingMessage},
		{"bank asks for more", "bank", `{"scope":"openid payments","binding_message":"Pay 3 EUR"}`, approval.ErrScope},
		{"bank keeps its rules", "bank", `{"scope":"openid email","binding_message":"Pay 3 EUR"}`, nil},
		{"bank by another name in the body", "bank", `{"scope":"openid payments","client_id":"shop","azp":"shop","binding_message":"Pay 3 EUR"}`, approval.ErrScope},
		{"shop by bank's name in the body", "shop", `{"scope":"openid payments","client_id":"bank"}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := key.sign(t, with(tokenClaims(c.issuer(), now), map[string]any{"azp": tt.azp}))
			a, err := c.adapter.Receive(ask(token, tt.body))
			if err != nil || a.ClientID != tt.azp {
				t.Fatalf("read as %s, %v", a.ClientID, err)
			}
			a.OP = "corp"
			if _, err := book.Admit(a); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
