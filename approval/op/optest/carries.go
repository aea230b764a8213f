package optest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// Words that no contract has of itself.
const (
	someACR    = "urn:optest:acr"
	someAMR    = "optest-amr"
	someReason = "optest-reason"
)

// carries checks that the kind's row in op.Contracts says what the adapter does.
// Operators are told that table, and policy goes by it.
func (c Case) carries(t *testing.T) {
	contract, ok := op.ContractOf(c.Kind)
	if !ok {
		t.Fatalf("op.Contracts has no row for kind %q", c.Kind)
	}
	if c.Genuine != nil {
		c.carriesHither(t, contract)
	}
	r := c.spoken()
	r.State, r.Decision = approval.Approved, &approval.Decision{Verdict: approval.Approve, ACR: someACR, AMR: []string{someAMR}}
	wire := c.wire(t, r)
	r.State, r.Decision = approval.Denied, &approval.Decision{Verdict: approval.Deny, Reason: someReason}
	wire += c.wire(t, r)
	for word, want := range map[string]bool{
		someACR: contract.ACR == op.ACRReached, someAMR: contract.AMR, someReason: contract.Reason,
	} {
		if got := strings.Contains(wire, word); got != want {
			t.Errorf("the OP is told %s: %v, want %v", word, got, want)
		}
	}
}

// carriesHither checks what the adapter reads. That a field is empty in one ask
// says nothing: most are optional.
func (c Case) carriesHither(t *testing.T, contract op.Carries) {
	s := c.start(t, nil)
	ask, err := s.adapter.Receive(c.Genuine(t, s.url))
	if err != nil {
		t.Fatal(err)
	}
	if ask.ReportsRefusals == contract.Refusal {
		t.Errorf("refusals are reported: %v, and the OP's answer has a word for them: %v", ask.ReportsRefusals, contract.Refusal)
	}
	for what, wrong := range map[string]bool{
		"the client's name": ask.ClientName != "" && !contract.ClientName,
		"acr_values":        len(ask.ACRValues) > 0 && !contract.ACRValues,
		"a user_code":       ask.UserCode != "" && !contract.UserCode,
	} {
		if wrong {
			t.Errorf("the ask has %s, which its contract does not carry", what)
		}
	}
}

// wire is everything that the OP is told of r.
func (c Case) wire(t *testing.T, r approval.Request) (told string) {
	t.Helper()
	s := c.start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told += onWire(r) }))
	if err := s.adapter.Report(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return told
}
