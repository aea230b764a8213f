package policy_test

import (
	"slices"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
)

// TestGradeOfEveryCeremony: for every ceremony, whatever was asked for in whatever
// order, what is reported was asked for and was reached, and amr says no more than
// an assertion shows.
func TestGradeOfEveryCeremony(t *testing.T) {
	levels := []policy.Level{
		{Value: "gold", UserVerified: true, DeviceBound: true}, {Value: "typed", UserCode: true}, {Value: "bronze"},
	}
	reached := map[string]func(approval.Ceremony) bool{ // said once more, in other words than the code's
		"gold":    func(c approval.Ceremony) bool { return c.UserVerified && !c.BackupEligible },
		"typed":   func(c approval.Ceremony) bool { return c.UserCode },
		"bronze":  func(approval.Ceremony) bool { return true },
		"unknown": func(approval.Ceremony) bool { return false },
	}
	for bits := range 1 << 5 {
		on := func(i int) bool { return bits>>i&1 == 1 }
		c := approval.Ceremony{UserVerified: on(0), BackupEligible: on(1), BackedUp: on(2), UserCode: on(3)}
		b, _ := book(t, policy.Rules{ACR: levels, AssertsACR: on(4)})
		for _, asked := range orders([]string{"gold", "typed", "bronze", "unknown"}) {
			want, all := "", true
			for _, v := range slices.Backward(asked) {
				if reached[v](c) {
					want = v
				} else {
					all = false
				}
			}
			met := want != "" && (all || !on(4))
			if !met {
				want = ""
			}
			got := b.Grade(approval.Request{OP: "op", ACRValues: asked}, c)
			if got.ACR != want || got.Met != met {
				t.Errorf("%v of %+v, asserting %v: got %q, %v; want %q, %v", asked, c, on(4), got.ACR, got.Met, want, met)
			}
			if slices.Contains(got.AMR, "mfa") != c.UserVerified {
				t.Errorf("%+v: amr %v", c, got.AMR)
			}
			for _, m := range got.AMR {
				if !slices.Contains([]string{"pop", "user", "mfa"}, m) {
					t.Errorf("%+v: amr says %s, which no assertion shows", c, m)
				}
			}
		}
	}
}

// orders are all ways to choose some of values, at least one, in some order.
func orders(values []string) (out [][]string) {
	for i, v := range values {
		out = append(out, []string{v})
		rest := slices.Delete(slices.Clone(values), i, i+1)
		for _, o := range orders(rest) {
			out = append(out, append([]string{v}, o...))
		}
	}
	return out
}

// TestReachable: what the doctor says can be reached is what is admitted.
func TestReachable(t *testing.T) {
	own := []policy.Level{{Value: "typed", UserCode: true}, {Value: "gold", DeviceBound: true}}
	tests := []struct {
		name  string
		rules policy.Rules
		code  bool
		no    []string
	}{
		{"built in, no code", policy.Rules{}, false, []string{"phr", "phrh"}},
		{"built in, a code", policy.Rules{}, true, []string{"phrh"}},
		{"built in, a code, attested", policy.Rules{Attestation: policy.AttestationDirect}, true, nil},
		{"built in, attested, no code", policy.Rules{Attestation: policy.AttestationDirect}, false, []string{"phr", "phrh"}},
		{"built in, a message that is typed", policy.Rules{BindingMessage: policy.ModeType}, false, []string{"phrh"}},
		{"built in, by the switch", policy.Rules{PhrWithoutCode: true}, false, []string{"phrh"}},
		{"own, no code", policy.Rules{ACR: own}, false, []string{"typed"}},
		{"own, a code", policy.Rules{ACR: own}, true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			yes, no := tt.rules.Reachable(tt.code)
			if !slices.Equal(no, tt.no) {
				t.Errorf("got %v, want %v", no, tt.no)
			}
			b, _ := book(t, tt.rules)
			a := approval.Ask{OP: "op"}
			if tt.code {
				a.UserCode = "483920"
			} else if tt.rules.BindingMessage == policy.ModeType {
				a.BindingMessage = "W4SCT7"
			}
			for _, v := range slices.Concat(yes, no) {
				a.ACRValues = []string{v}
				if _, err := b.Admit(a); (err == nil) != slices.Contains(yes, v) {
					t.Errorf("%s: %v", v, err)
				}
			}
		})
	}
}
