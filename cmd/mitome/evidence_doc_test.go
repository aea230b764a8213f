package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// auditor is somebody with two files and the tools of any machine.
type auditor struct {
	script string
	keys   []byte // the operator's, as she got them
}

// judge runs the document's commands, and Mitome's own, over the same files. It
// returns what the commands said last; empty if the evidence does not hold.
func (a auditor) judge(t *testing.T, jws string) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range map[string][]byte{"jwks.json": a.keys, "evidence.jws": []byte(jws + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(a.script)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var ours bytes.Buffer
	code := run(t.Context(), []string{"evidence", "verify", "--keys", filepath.Join(dir, "jwks.json"), filepath.Join(dir, "evidence.jws")}, nil, &ours, &ours)
	if (code == 0) != (err == nil) {
		t.Errorf("mitome evidence verify ended with %d, the commands with %v:\n%s\n%s", code, err, &ours, out)
	}
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// operator signs statements, and publishes her keys.
type operator struct{ *sign.Signer }

func newOperator(t *testing.T, before ...jose.JSONWebKey) (operator, jose.JSONWebKey) {
	t.Helper()
	key, err := sign.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.New(append([]jose.JSONWebKey{key}, before...)...)
	if err != nil {
		t.Fatal(err)
	}
	return operator{s}, key
}

func (o operator) published(t *testing.T) []byte {
	t.Helper()
	b, err := json.Marshal(o.Published())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (o operator) states(t *testing.T, st approval.Statement) string {
	t.Helper()
	payload, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := o.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	return jws
}

// approvedBy is the statement of an approval with a passkey of that algorithm.
func approvedBy(t *testing.T, alg int, lies ...devicetest.Lie) approval.Statement {
	t.Helper()
	rp := device.RelyingParty{RPID: "mitome.test", RPName: "Mitome", Origins: []string{"https://mitome.test"}}
	phone := devicetest.NewAuthenticator(t, rp.RPID, rp.Origins[0], alg)
	options, ceremony, err := rp.BeginRegistration(device.User{ID: "u", Name: "Aiko"}, "e")
	if err != nil {
		t.Fatal(err)
	}
	cred, err := rp.FinishRegistration(ceremony, phone.Create(t, options))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	ch := approval.Challenge{Nonce: bytes.Repeat([]byte{7}, 32), View: []byte(`{"request":"r","client":{"id":"shop"},"binding_message":"<100> € & ラ"}`)}
	ask, err := json.Marshal(map[string]any{"publicKey": map[string]any{"challenge": base64.RawURLEncoding.EncodeToString(ch.Bytes())}})
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Response struct{ ClientDataJSON, AuthenticatorData, Signature string }
	}
	if err := json.Unmarshal(phone.Get(t, ask, lies...), &said); err != nil {
		t.Fatal(err)
	}
	raw := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return approval.Statement{
		Version: "mitome/evidence/v1", Issuer: "https://mitome.test", IssuedAt: now.Unix(), Request: "r", OP: "corp", ClientID: "shop",
		User: approval.StatementUser{ID: "u", Subject: "s-1"}, Device: approval.StatementDevice{ID: "d", Name: "phone", PairedAt: now},
		Decision: approval.Decision{Verdict: approval.Approve, At: now, Device: "d", Credential: "c"},
		View:     string(ch.View), Nonce: ch.Nonce, RPID: rp.RPID,
		Assertion:  &approval.SignedAssertion{ClientDataJSON: raw(said.Response.ClientDataJSON), AuthenticatorData: raw(said.Response.AuthenticatorData), Signature: raw(said.Response.Signature)},
		Credential: &approval.StatementKey{ID: "c", PublicKey: cred.PublicKey, CreatedAt: now},
	}
}

const (
	saysApproved = "The evidence holds: APPROVED, by the passkey."
	saysDenied   = "The evidence holds: DENIED, on the word of Mitome."
)

func denial() approval.Statement {
	return approval.Statement{
		Version: "mitome/evidence/v1", Request: "r", OP: "corp", ClientID: "shop",
		Decision: approval.Decision{Verdict: approval.Deny, Reason: approval.ReasonUser},
	}
}

// TestEvidenceByStandardTools runs docs/evidence.md on evidence that holds.
func TestEvidenceByStandardTools(t *testing.T) {
	former, key := newOperator(t)
	now, _ := newOperator(t, key)
	a := auditor{commands(t, "evidence.md"), now.published(t)}
	for name, tt := range map[string]struct {
		jws, want string
	}{
		"ES256":                          {now.states(t, approvedBy(t, devicetest.ES256)), saysApproved},
		"EdDSA":                          {now.states(t, approvedBy(t, devicetest.EdDSA)), saysApproved},
		"RS256":                          {now.states(t, approvedBy(t, devicetest.RS256)), saysApproved},
		"a denial":                       {now.states(t, denial()), saysDenied},
		"signed by a key that retired":   {former.states(t, approvedBy(t, devicetest.ES256)), saysApproved},
		"a denial by a key that retired": {former.states(t, denial()), saysDenied},
	} {
		if got := a.judge(t, tt.jws); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestForgedEvidenceByStandardTools: the commands find what Mitome's own program
// finds. Most of these are signed by the operator's own key, as by a Mitome that
// lies.
func TestForgedEvidenceByStandardTools(t *testing.T) {
	op, _ := newOperator(t)
	other, _ := newOperator(t)
	a := auditor{commands(t, "evidence.md"), op.published(t)}
	good := approvedBy(t, devicetest.ES256)
	second := approvedBy(t, devicetest.ES256)
	forged := func(change func(*approval.Statement)) string {
		st := good
		assertion, credential := *good.Assertion, *good.Credential
		st.Assertion, st.Credential = &assertion, &credential
		change(&st)
		return op.states(t, st)
	}
	jws := op.states(t, good)
	parts := strings.Split(jws, ".")
	payload, err := json.Marshal(denial())
	if err != nil {
		t.Fatal(err)
	}
	hint, err := op.SignHint(payload) // by the same key, and not evidence
	if err != nil {
		t.Fatal(err)
	}
	header := func(h string) string { return base64.RawURLEncoding.EncodeToString([]byte(h)) }
	for name, jws := range map[string]string{
		"another typ":            hint,
		"another operator's":     other.states(t, good),
		"another's, by our name": header(`{"alg":"ES256","kid":"`+op.Published().Keys[0].KeyID+`","typ":"mitome-evidence+jwt"}`) + other.states(t, good)[len(parts[0]):],
		"no algorithm":           header(`{"alg":"none","kid":"`+op.Published().Keys[0].KeyID+`","typ":"mitome-evidence+jwt"}`) + "." + parts[1] + ".",
		"brings its key":         header(`{"alg":"ES256","jwk":{},"kid":"`+op.Published().Keys[0].KeyID+`","typ":"mitome-evidence+jwt"}`) + "." + parts[1] + "." + parts[2],
		"payload changed":        parts[0] + "." + strings.Replace(parts[1], "A", "B", 1) + "." + parts[2],
		"four parts":             jws + "." + parts[2],
		"another form":           forged(func(s *approval.Statement) { s.Version = "mitome/evidence/v2" }),
		"another request":        forged(func(s *approval.Statement) { s.Request = "r2" }),
		"another client":         forged(func(s *approval.Statement) { s.ClientID = "casino" }),
		"another device":         forged(func(s *approval.Statement) { s.Decision.Device = "d2" }),
		"another view":           forged(func(s *approval.Statement) { s.View = strings.Replace(s.View, "100", "900", 1) }),
		"another nonce":          forged(func(s *approval.Statement) { s.Nonce = bytes.Repeat([]byte{8}, 32) }),
		"a short nonce":          forged(func(s *approval.Statement) { s.Nonce = s.Nonce[:31] }),
		"another site":           forged(func(s *approval.Statement) { s.RPID = "evil.test" }),
		"another passkey":        forged(func(s *approval.Statement) { s.Credential.PublicKey = second.Credential.PublicKey }),
		"another's signature":    forged(func(s *approval.Statement) { s.Assertion.Signature = second.Assertion.Signature }),
		"nobody signed":          forged(func(s *approval.Statement) { s.Assertion, s.Credential = nil, nil }),
		"a denial with a yes":    forged(func(s *approval.Statement) { s.Decision.Verdict = approval.Deny }),
		"user not verified":      op.states(t, approvedBy(t, devicetest.ES256, devicetest.WithoutUV())),
		"not an assertion":       op.states(t, approvedBy(t, devicetest.ES256, devicetest.OfType("webauthn.create"))),
		"a bad EdDSA signature":  op.states(t, approvedBy(t, devicetest.EdDSA, devicetest.WithBadSignature())),
		"a bad RS256 signature":  op.states(t, approvedBy(t, devicetest.RS256, devicetest.WithBadSignature())),
	} {
		if got := a.judge(t, jws); got != "" {
			t.Errorf("%s: got %q, want that it does not hold", name, got)
		}
	}
	if got := a.judge(t, jws); got != saysApproved { // else the list above proves nothing
		t.Errorf("unforged: got %q", got)
	}
}
