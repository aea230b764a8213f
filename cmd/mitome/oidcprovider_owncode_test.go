package main_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// setsCode gives a user a code as an administrator does: the code stands in no
// argument.
func (g *gateway) setsCode(t *testing.T, user, code string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), g.binary, "user", "code", "set", user)
	c.Env = append(os.Environ(), "MITOME_CONFIG="+g.config)
	c.Stdin = strings.NewReader(code + "\n")
	if out, err := c.CombinedOutput(); err != nil || strings.Contains(string(out), code) {
		t.Fatalf("%v: %s", err, out)
	}
}

// opOwnCode is CIBA Core's user_code: the OP has it verified before anybody is
// asked. Whoever does not know it gets no further, and five wrong ones lock it for
// that client, not for one whose code is typed on the device.
func opOwnCode(t *testing.T, s opTurn) {
	const hers, wrong = "KTPX7731", "KTPX7732"
	check(t, "before she has one", s.refusal(t, rp.Request{UserCode: hers}), "invalid_user_code")
	s.setsCode(t, s.subject, hers)
	check(t, "none", s.refusal(t, rp.Request{}), "missing_user_code")
	check(t, "wrong", s.refusal(t, rp.Request{UserCode: wrong}), "invalid_user_code")
	if waiting := s.phone.run(t, "list", "--json"); strings.TrimSpace(waiting) != "[]" {
		t.Errorf("the user is asked all the same:\n%s", waiting)
	}
	p := s.begin(t, rp.Request{UserCode: strings.ToLower(hers)})
	request := s.phone.pending(t)
	s.phone.do(t, "approve", request) // nothing is typed there
	_, got := s.end(t, p)
	check(t, "right", got, "tokens")
	for range 5 {
		check(t, "wrong", s.refusal(t, rp.Request{UserCode: wrong}), "invalid_user_code")
	}
	check(t, "right, locked", s.refusal(t, rp.Request{UserCode: hers}), "invalid_user_code")

	till := s
	till.client = s.op.till
	typed := till.begin(t, rp.Request{UserCode: "735106"})
	request = s.phone.pending(t)
	s.phone.do(t, "approve", "--code", "735106", request)
	_, got = till.end(t, typed)
	check(t, "typed on the device", got, "tokens")
	s.keepsSecret(t, hers)
}
