package policy_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
)

var (
	anyRules = rapid.Custom(func(t *rapid.T) policy.Rules {
		return policy.Rules{
			BindingMessage: rapid.SampledFrom([]policy.Mode{"", policy.ModeShow, policy.ModeType, policy.ModeRequired}).Draw(t, "mode"),
			RequireCode:    rapid.Bool().Draw(t, "code"), RefuseVague: rapid.Bool().Draw(t, "vague"),
			DeviceBound: rapid.Bool().Draw(t, "bound"), AssertsACR: rapid.Bool().Draw(t, "asserts"),
			Scopes: rapid.SampledFrom([][]string{nil, {"*"}, {"profile"}}).Draw(t, "scopes"),
			ACR:    rapid.SampledFrom([][]policy.Level{nil, {{Value: "gold", DeviceBound: true}}}).Draw(t, "acr"),
		}
	})
	anyAsk = rapid.Custom(func(t *rapid.T) approval.Ask {
		return approval.Ask{
			OP: "op", ClientID: rapid.SampledFrom([]string{"", "shop", "bank"}).Draw(t, "client"),
			BindingMessage: rapid.SampledFrom([]string{"", "Pay 3 EUR", "W4S-CT7", "ok"}).Draw(t, "message"),
			UserCode:       rapid.SampledFrom([]string{"", "012345"}).Draw(t, "code"),
			Scope:          rapid.SampledFrom([][]string{nil, {"openid"}, {"openid", "payments"}}).Draw(t, "scope"),
			ACRValues:      rapid.SampledFrom([][]string{nil, {"phr"}, {"gold"}, {"gold", "phr"}}).Draw(t, "acr"),
		}
	})
)

// TestNoClientOfItsOwnIsAsBefore: a client without rules of its own is judged as if
// no client had any, and one whose rules are its connection's as if they were not
// said twice.
func TestNoClientOfItsOwnIsAsBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, ask, synced := anyRules.Draw(t, "rules"), anyAsk.Draw(t, "ask"), rapid.Bool().Draw(t, "synced")
		plain, err := policy.New(policy.Rules{}, map[string]policy.Rules{"op": rules})
		if err != nil {
			t.Fatal(err)
		}
		before := verdict(plain, ask, synced)
		for id, r := range map[string]policy.Rules{"another": anyRules.Draw(t, "another's"), ask.ClientID: rules} {
			b, err := policy.New(policy.Rules{}, map[string]policy.Rules{"op": rules})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Client("op", id, r); err != nil {
				t.Fatal(err)
			}
			if after := verdict(b, ask, synced); !reflect.DeepEqual(before, after) {
				t.Errorf("with rules for %q: got %v, want %v", id, after, before)
			}
		}
	})
}

// verdict is all that b says of an ask and of its approval.
func verdict(b *policy.Book, a approval.Ask, synced bool) []any {
	adm, refused := b.Admit(a)
	code := adm.CodeSource != approval.NoCode
	r := approval.Request{
		OP: a.OP, ClientID: a.ClientID, Scope: a.Scope, ACRValues: a.ACRValues,
		BindingMessage: adm.BindingMessage, Code: approval.Code{Source: adm.CodeSource},
	}
	c := approval.Ceremony{UserVerified: true, BackupEligible: synced, UserCode: code}
	return []any{adm.BindingMessage, adm.Code, refused, b.Permits(r, c), b.Grade(r, c)}
}
