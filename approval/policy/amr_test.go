package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
)

// TestWhatAnApprovalIsWorth: each row of what a WebAuthn approval is worth in amr
// (RFC 8176) and acr (EAP ACR Values 1.0, MODRNA). Nothing is claimed that was not
// proved: hwk, swk and phrh of an attested passkey that stays where it is; pin, fpt,
// face, otp and mca never.
func TestWhatAnApprovalIsWorth(t *testing.T) {
	rules := policy.Rules{Attestation: policy.AttestationDirect, ACR: append(policy.DefaultLevels(), policy.Level{Value: "hard", Hardware: true})}
	uncoded := rules
	uncoded.PhrWithoutCode = true
	verified := approval.Ceremony{UserVerified: true}
	with := func(c approval.Ceremony, change ...func(*approval.Ceremony)) approval.Ceremony {
		for _, f := range change {
			f(&c)
		}
		return c
	}
	synced := func(c *approval.Ceremony) { c.BackupEligible = true }
	typed := func(c *approval.Ceremony) { c.UserCode = true }
	attested := func(k device.KeyProtection) func(*approval.Ceremony) {
		return func(c *approval.Ceremony) { c.Attested, c.Keys = true, k }
	}
	hardware, software, unknown := attested(device.KeyHardware), attested(device.KeySoftware), attested("")
	tests := []struct {
		name     string
		rules    policy.Rules
		ceremony approval.Ceremony
		amr, acr string
	}{
		{"present, not verified", uncoded, approval.Ceremony{}, "pop user", ""},
		{"present, not verified, in hardware", uncoded, with(approval.Ceremony{}, hardware), "hwk pop user", "hard"},
		{"verified, not attested", uncoded, verified, "pop user mfa", "phr pr mf"},
		{"verified, synced", uncoded, with(verified, synced), "pop user mfa", "phr pr mf"},
		{"verified, synced, of a model with hardware", uncoded, with(verified, synced, hardware), "pop user mfa", "phr pr mf"},
		{"verified, in hardware", uncoded, with(verified, hardware), "hwk pop user mfa", "phr phrh pr mf hard"},
		{"verified, in software", uncoded, with(verified, software), "swk pop user mfa", "phr pr mf"},
		{"verified, attested, nobody says where", uncoded, with(verified, unknown), "pop user mfa", "phr pr mf"},
		{"in hardware, and phr needs a code", rules, with(verified, hardware), "hwk pop user mfa", "pr mf hard"},
		{"in hardware, a code typed", rules, with(verified, hardware, typed), "hwk pop user mfa", "phr phrh pr mf hard"},
		{"not attested, a code typed", rules, with(verified, typed), "pop user mfa", "phr pr mf"},
		{"phrh of a table of one's own", policy.Rules{PhrWithoutCode: true, ACR: []policy.Level{{Value: "phrh"}}}, with(verified, software), "swk pop user mfa", ""},
	}
	short := strings.NewReplacer(modrnaMF, "mf", modrnaPR, "pr")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := book(t, tt.rules)
			var acr []string
			for _, v := range []string{"phr", "phrh", modrnaPR, modrnaMF, "hard", "unknown"} {
				if g := b.Grade(approval.Request{OP: "op", ACRValues: []string{v}}, tt.ceremony); g.Met {
					acr = append(acr, short.Replace(v))
				}
			}
			g := b.Grade(approval.Request{OP: "op"}, tt.ceremony)
			if !slices.Equal(g.AMR, strings.Fields(tt.amr)) || !slices.Equal(acr, strings.Fields(tt.acr)) {
				t.Errorf("got amr %v, acr %v; want %s and %s", g.AMR, acr, tt.amr, tt.acr)
			}
		})
	}
}

// TestAttestationRule: who must be attested may approve with nothing less, and a
// client may have it otherwise than its connection.
func TestAttestationRule(t *testing.T) {
	b, _ := book(t, policy.Rules{Attestation: policy.AttestationDirect})
	if err := b.Client("op", "kiosk", policy.Rules{}); err != nil {
		t.Fatal(err)
	}
	for _, client := range []string{"shop", "kiosk"} {
		for _, c := range []approval.Ceremony{
			{UserVerified: true}, {UserVerified: true, Keys: device.KeyHardware},
			{UserVerified: true, Attested: true}, {UserVerified: true, Attested: true, BackupEligible: true},
		} {
			var want error
			if client == "shop" && !c.Attested {
				want = approval.ErrAttestation
			}
			if err := b.Permits(approval.Request{OP: "op", ClientID: client}, c); err != want {
				t.Errorf("%s, %+v: got %v, want %v", client, c, err, want)
			}
		}
	}
	if g := b.Grade(approval.Request{OP: "op", ClientID: "shop"}, approval.Ceremony{}); !slices.Equal(g.Rules, []string{"attestation"}) {
		t.Errorf("the decision says that these rules were kept: %v", g.Rules)
	}
	if g := b.Grade(approval.Request{OP: "op", ClientID: "kiosk"}, approval.Ceremony{}); len(g.Rules) > 0 {
		t.Errorf("of a client without it: %v", g.Rules)
	}
	var faults []string
	policy.Rules{Attestation: "indirect"}.Check(func(key, _ string) { faults = append(faults, key) })
	if !slices.Equal(faults, []string{"attestation"}) {
		t.Errorf("attestation: indirect has faults %v", faults)
	}
}
