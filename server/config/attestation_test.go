package config

import (
	"testing"

	"github.com/mitome-ciba/mitome/approval/policy"
)

// TestAttestationNeedsMetadata: who asks for attestation must say by what it is
// judged, for a connection and for a client alike.
func TestAttestationNeedsMetadata(t *testing.T) {
	direct := policy.Rules{Attestation: policy.AttestationDirect}
	tests := []struct {
		name string
		c    Config
		want string
	}{
		{"nothing", Config{OPs: []OP{{}}}, ""},
		{"metadata alone", Config{Attestation: Attestation{Metadata: "/m", Root: "/r"}}, ""},
		{"root alone", Config{Attestation: Attestation{Root: "/r"}}, "attestation.root"},
		{"connection", Config{OPs: []OP{{}, {Rules: direct, Clients: []Client{{Rules: direct}}}}}, "ops[1].rules.attestation"},
		{"client", Config{OPs: []OP{{Clients: []Client{{}, {Rules: direct}}}}}, "ops[0].clients[1].rules.attestation"},
		{"both", Config{Attestation: Attestation{Metadata: "/m"}, OPs: []OP{{Rules: direct}}}, ""},
	}
	for _, tt := range tests {
		var f Faults
		tt.c.validateAttestation(&f)
		got := ""
		if len(f) > 0 {
			got = f[0].Path
		}
		if got != tt.want || len(f) > 1 {
			t.Errorf("%s: got %v, want %q", tt.name, f, tt.want)
		}
	}
}
