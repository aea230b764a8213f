package approval_test

import (
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// TestNobodyIsAskedInVain: where no passkey that the user has can reach the acr,
// she is not asked, and the OP hears of it at once.
func TestNobodyIsAskedInVain(t *testing.T) {
	rules := policy.Rules{ACR: []policy.Level{{Value: "bound", UserVerified: true, DeviceBound: true}, {Value: "any"}}}
	asserting := rules
	asserting.AssertsACR = true
	synced, bound := []devicetest.Lie{devicetest.BackupEligible()}, []devicetest.Lie(nil)
	tests := []struct {
		name  string
		rules policy.Rules
		has   [][]devicetest.Lie // a device each
		acr   []string
		err   error
	}{
		{"nothing asked", rules, [][]devicetest.Lie{synced}, nil, nil},
		{"synced only", rules, [][]devicetest.Lie{synced, synced}, []string{"bound"}, approval.ErrACR},
		{"one is bound", rules, [][]devicetest.Lie{synced, bound}, []string{"bound"}, nil},
		{"second choice", rules, [][]devicetest.Lie{synced}, []string{"bound", "any"}, nil},
		{"second choice, and the OP asserts the first", asserting, [][]devicetest.Lie{synced}, []string{"bound", "any"}, approval.ErrACR},
		{"both, and the OP asserts both", asserting, [][]devicetest.Lie{bound}, []string{"bound", "any"}, nil},
	}
	for _, tt := range tests {
		for _, reports := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				w := newWorld(t, tt.rules)
				aiko := w.user(t, "aiko")
				for _, lies := range tt.has {
					w.pair(t, aiko, lies...)
				}
				a := w.asks("aiko")
				a.ACRValues, a.ReportsRefusals = tt.acr, reports
				r, err := w.Accept(t.Context(), a, theOP)
				switch {
				case tt.err == nil || !reports:
					is(t, "Accept", err, tt.err)
				case err != nil || r.State != approval.Denied || r.Decision.Reason != approval.ReasonACR:
					t.Errorf("got %s, %+v, %v; want a denial", r.State, r.Decision, err)
				}
				if waiting, err := w.db.PendingFor(t.Context(), []device.UserID{aiko.ID}, w.now); err != nil || len(waiting) != 0 != (tt.err == nil) {
					t.Errorf("%d request(s) wait for her, %v", len(waiting), err)
				}
			})
		}
	}
}

// TestARevokedBoundPasskeyReachesNothing: only a device that may decide counts.
func TestARevokedBoundPasskeyReachesNothing(t *testing.T) {
	w := newWorld(t, policy.Rules{ACR: []policy.Level{{Value: "bound", DeviceBound: true}}})
	aiko := w.user(t, "aiko")
	w.pair(t, aiko, devicetest.BackupEligible())
	lost := w.pair(t, aiko)
	fatal(t, w.people.Revoke(t.Context(), lost.ID, admin))
	a := w.asks("aiko")
	a.ACRValues = []string{"bound"}
	_, err := w.Accept(t.Context(), a, theOP)
	is(t, "Accept", err, approval.ErrACR)
}
