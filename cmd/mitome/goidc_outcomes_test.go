package main_test

import (
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// goOutcomes is how requests end at examples/go-oidc.
var goOutcomes = []ending{
	{
		name: "approved", ask: rp.Request{Scope: "openid payments", BindingMessage: "Pay 5 EUR to Bob"},
		act: approves, want: "tokens", claims: claims{how: true},
	},
	{
		name: "approved, and what was reached", ask: rp.Request{UserCode: "735106", ACRValues: "urn:example:gold phr"},
		act: approvesWith("735106"), want: "tokens", claims: claims{acr: "phr", how: true},
	},
	{name: "denied", act: denies, want: "access_denied", reason: "user_denied"},
	{name: "an acr that Mitome does not know", ask: rp.Request{ACRValues: "urn:example:gold"}, early: true, want: "access_denied"},
	{name: "an acr out of reach, with nothing to type", ask: rp.Request{ACRValues: "phr"}, early: true, want: "access_denied"},
	{name: "an acr that the OP does not know", ask: rp.Request{ACRValues: "urn:nobody"}, early: true, want: "invalid_request"},
	{
		name: "a code typed wrongly", ask: rp.Request{UserCode: "735106"},
		act: mistypes("735106", "735107"), want: "access_denied", reason: "user_code_exhausted",
	},
	{name: "nobody answers", ask: rp.Request{RequestedExpiry: 20 * time.Second}, act: answersNot, want: "expired_token"},
}

// TestGoOIDC goes from a client's request to its tokens, or to the error that it
// sees, through the OP of examples/go-oidc.
func TestGoOIDC(t *testing.T) {
	t.Parallel()
	s := newGoStage(t)
	for client, user := range map[string]string{"till": "alice", "kiosk": "bob", "shop": "carol", "bank": "dave"} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			u := s.seat(t, client, user)
			for _, o := range goOutcomes {
				o.ask.Signed = client == "bank" // which sends nothing else
				t.Run(o.name, func(t *testing.T) { u.play(t, o) })
			}
			back := ending{act: takenBack, ask: rp.Request{Signed: client == "bank"}, want: "access_denied"}
			if u.client.Mode == rp.Push {
				back.want = "transaction_failed"
			}
			t.Run("taken back", func(t *testing.T) { u.play(t, back) })
		})
	}
}
