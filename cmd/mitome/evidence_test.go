package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/sign"
)

// TestEvidenceVerify checks statements that Mitome's own key signed: even so an
// approval holds only if the device's passkey signed what was shown.
func TestEvidenceVerify(t *testing.T) {
	key, err := sign.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := sign.New(key)
	if err != nil {
		t.Fatal(err)
	}
	denied := approval.Statement{
		Version: "mitome/evidence/v1", Request: "r", OP: "corp", ClientID: "shop\u202e", User: approval.StatementUser{Subject: "s-1"},
		Decision: approval.Decision{Verdict: approval.Deny, Reason: approval.ReasonUser, At: time.Now()},
	}
	unsigned := denied
	unsigned.Decision = approval.Decision{Verdict: approval.Approve, At: time.Now()}
	forged := unsigned
	forged.View, forged.Nonce, forged.RPID = `{"request":"r"}`, make([]byte, 32), "mitome.test"
	forged.Assertion, forged.Credential = &approval.SignedAssertion{}, &approval.StatementKey{}
	for name, tt := range map[string]struct {
		statement approval.Statement
		code      int
		says      string
	}{
		"a denial":                       {denied, 0, "was DENIED"},
		"an approval that nobody signed": {unsigned, 1, "does not hold"},
		"an approval with a bad passkey": {forged, 1, "does not hold"},
		"another form of statement":      {approval.Statement{}, 1, "does not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errOut := verify(t, signer, tt.statement)
			if code != tt.code || !strings.Contains(out+errOut, tt.says) {
				t.Errorf("got %d\n%s%s", code, out, errOut)
			}
			if code != 0 && out != "" {
				t.Errorf("evidence that does not hold was told all the same: %s", out)
			}
			if strings.Contains(out, "\u202e") {
				t.Error("a client's name can turn the text about")
			}
		})
	}
}

// verify has the command line judge a statement.
func verify(t *testing.T, signer *sign.Signer, st approval.Statement) (code int, out, errOut string) {
	t.Helper()
	payload, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(signer.Published())
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(keys, set, 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), []string{"evidence", "verify", "--keys", keys, "-"}, strings.NewReader(jws), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}
