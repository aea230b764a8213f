package policy_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
)

func TestScopesThatMayPass(t *testing.T) {
	tests := []struct {
		name  string
		rules []string
		asked []string
		err   error
	}{
		{"all by default", nil, []string{"openid", "payments:write"}, nil},
		{"all by word", []string{"*"}, []string{"openid", "payments:write"}, nil},
		{"named", []string{"profile"}, []string{"openid", "profile"}, nil},
		{"openid always", []string{"profile"}, []string{"openid"}, nil},
		{"none asked", []string{"profile"}, nil, nil},
		{"another", []string{"profile"}, []string{"openid", "profile", "payments:write"}, approval.ErrScope},
		{"in other letters", []string{"profile"}, []string{"Profile"}, approval.ErrScope},
		{"a part of one", []string{"payments:write"}, []string{"payments"}, approval.ErrScope},
		{"a star that is asked for", []string{"profile"}, []string{"*"}, approval.ErrScope},
		{"openid alone", []string{"openid"}, []string{"openid", "email"}, approval.ErrScope},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, marks := book(t, policy.Rules{Scopes: tt.rules})
			// What is said besides is not looked at: one fault is told, and nothing counted.
			adm, err := b.Admit(approval.Ask{OP: "op", Scope: tt.asked, BindingMessage: "Pay 3 EUR"})
			if !errors.Is(err, tt.err) || (err != nil) != (adm == approval.Admission{}) || len(*marks) != 0 {
				t.Errorf("Admit: got %+v, %v, marks %v; want %v", adm, err, *marks, tt.err)
			}
			if err := b.Permits(approval.Request{OP: "op", Scope: tt.asked}, approval.Ceremony{}); !errors.Is(err, tt.err) {
				t.Errorf("Permits: got %v, want %v", err, tt.err)
			}
		})
	}
}

// TestPermits: what may approve by the rules of now, though the request came when
// there were others.
func TestPermits(t *testing.T) {
	synced, bound := approval.Ceremony{BackupEligible: true}, approval.Ceremony{}
	typed := approval.Request{Code: approval.Code{Source: approval.CodeBindingMessage}}
	tests := []struct {
		name  string
		rules policy.Rules
		r     approval.Request
		c     approval.Ceremony
		err   error
	}{
		{"a synced passkey, by default", policy.Rules{}, approval.Request{}, synced, nil},
		{"a synced passkey", policy.Rules{DeviceBound: true}, approval.Request{}, synced, approval.ErrDeviceBound},
		{"a passkey of one device", policy.Rules{DeviceBound: true}, approval.Request{}, bound, nil},
		{"synced and not backed up yet", policy.Rules{DeviceBound: true}, approval.Request{},
			approval.Ceremony{BackupEligible: true, BackedUp: false}, approval.ErrDeviceBound},
		{"nothing typed", policy.Rules{RequireCode: true}, approval.Request{}, bound, approval.ErrNoCode},
		{"typed", policy.Rules{RequireCode: true}, typed, approval.Ceremony{UserCode: true}, nil},
		{"no message", policy.Rules{BindingMessage: policy.ModeRequired}, approval.Request{}, bound, approval.ErrBindingMessage},
		{"a message", policy.Rules{BindingMessage: policy.ModeRequired}, approval.Request{BindingMessage: "Pay 3 EUR"}, bound, nil},
		{"a message that was typed", policy.Rules{BindingMessage: policy.ModeRequired}, typed, approval.Ceremony{UserCode: true}, nil},
		{"whatever acr is asked for", policy.Rules{}, approval.Request{ACRValues: []string{"unknown"}}, synced, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := book(t, tt.rules)
			tt.r.OP = "op"
			if err := b.Permits(tt.r, tt.c); !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
		})
	}
}

// TestRulesOfAClient: who asks decides by which rules it is judged, everywhere.
func TestRulesOfAClient(t *testing.T) {
	b, _ := book(t, policy.Rules{MaxGraphemes: 20})
	strict := policy.Rules{RequireCode: true, DeviceBound: true, Scopes: []string{"profile"}, ACR: []policy.Level{{Value: "gold"}}}
	if err := b.Client("op", "bank", strict); err != nil {
		t.Fatal(err)
	}
	if err := b.Client("op", "wrong", policy.Rules{Scopes: []string{}}); err == nil {
		t.Error("wrong rules were taken")
	}
	synced := approval.Ceremony{UserVerified: true, BackupEligible: true, UserCode: true}
	for _, who := range []struct {
		op, id string
		own    bool
	}{
		{"op", "bank", true},
		{"op", "shop", false}, {"op", "", false}, {"op", "Bank", false}, {"op", "bank ", false},
		{"other", "bank", false}, // a client of the same name at another OP is another client
	} {
		t.Run(who.op+"/"+who.id, func(t *testing.T) {
			ask := approval.Ask{OP: who.op, ClientID: who.id, BindingMessage: "Pay 3 EUR"}
			if _, err := b.Admit(ask); errors.Is(err, approval.ErrNoCode) != who.own {
				t.Errorf("without a code: %v", err)
			}
			ask.UserCode, ask.Scope = "012345", []string{"email"}
			if _, err := b.Admit(ask); errors.Is(err, approval.ErrScope) != who.own {
				t.Errorf("another scope: %v", err)
			}
			ask.Scope, ask.ACRValues = nil, []string{"gold"}
			if _, err := b.Admit(ask); errors.Is(err, approval.ErrACR) == who.own {
				t.Errorf("an acr of its own: %v", err)
			}
			r := approval.Request{OP: who.op, ClientID: who.id}
			if err := b.Permits(r, synced); errors.Is(err, approval.ErrDeviceBound) != who.own {
				t.Errorf("a synced passkey: %v", err)
			}
			want := []string(nil)
			if who.own {
				want = []string{"require_user_code", "device_bound"}
			}
			if g := b.Grade(r, synced); !slices.Equal(g.Rules, want) {
				t.Errorf("rules %v, want %v", g.Rules, want)
			}
		})
	}
}

func TestScopesThatAreWrong(t *testing.T) {
	for want, scopes := range map[string][]string{
		"scopes":    {},
		"scopes[1]": {"profile", "two words"},
		"scopes[2]": {"a", "b", "a"},
	} {
		var keys []string
		policy.Rules{Scopes: scopes}.Check(func(key, _ string) { keys = append(keys, key) })
		if !slices.Equal(keys, []string{want}) {
			t.Errorf("%q: got faults at %v, want %s", scopes, keys, want)
		}
	}
	var keys []string
	policy.Rules{Scopes: []string{"*", "a"}}.Check(func(key, _ string) { keys = append(keys, key) })
	if !slices.Equal(keys, []string{"scopes"}) {
		t.Errorf("* and more: got faults at %v", keys)
	}
	policy.Rules{BindingMessage: policy.ModeType, MaxGraphemes: 5}.Check(func(key, _ string) { keys = append(keys, key) })
	if !slices.Equal(keys, []string{"scopes", "binding_message_max"}) {
		t.Errorf("nothing could be typed: got faults at %v", keys)
	}
}
