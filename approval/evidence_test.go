package approval_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
)

// approved is a request that p approved, in a world of its own.
func approved(t *testing.T) (*world, approval.Request, phone) {
	t.Helper()
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.asks("aiko"))
	r, err := w.Decide(t.Context(), w.signed(t, r.ID, p, ""))
	fatal(t, err)
	return w, r, p
}

// copyOf is st through JSON, as an auditor reads it, so that a change of the copy
// changes nothing else.
func copyOf(t *testing.T, st approval.Statement) (out approval.Statement) {
	t.Helper()
	raw, err := json.Marshal(st)
	fatal(t, err)
	fatal(t, json.Unmarshal(raw, &out))
	return out
}

func TestEvidenceSaysWhatHappened(t *testing.T) {
	w, r, p := approved(t)
	st := w.statement(t, r.ID)
	if err := st.Verify(device.CheckAssertion); err != nil {
		t.Fatal(err)
	}
	if st.Issuer != origin || st.Request != r.ID || st.OP != "corp" || st.ClientID != "shop" || st.User.Subject != "aiko" ||
		st.Device.ID != p.ID || st.Device.Enrollment != p.Enrollment || !st.Device.PairedAt.Equal(p.CreatedAt) ||
		st.Decision.Verdict != approval.Approve || st.IssuedAt != t0.Unix() || st.RPID != rpID {
		t.Errorf("got %+v", st)
	}
	if !strings.Contains(st.View, "Pay 100 EUR to Alice") {
		t.Errorf("the view is %s", st.View)
	}
}

// TestEveryChangeOfAnApprovalFails: each row changes one thing that the passkey
// signed, or that ties what it signed to the rest.
func TestEveryChangeOfAnApprovalFails(t *testing.T) {
	w, r, p := approved(t)
	st := w.statement(t, r.ID)
	second := w.accept(t, w.asks("aiko"))
	_, err := w.Decide(t.Context(), w.signed(t, second.ID, p, ""))
	fatal(t, err)
	stranger := w.pair(t, w.user(t, "ben"))
	theirs := w.asks("ben")
	_, err = w.Decide(t.Context(), w.signed(t, w.accept(t, theirs).ID, stranger, ""))
	fatal(t, err)
	other, foreign := w.statement(t, second.ID), w.statement(t, theirs.ID)

	changes := map[string]func(*approval.Statement){
		"version":               func(s *approval.Statement) { s.Version = "mitome/evidence/v2" },
		"request":               func(s *approval.Statement) { s.Request = second.ID },
		"client":                func(s *approval.Statement) { s.ClientID = "another" },
		"view: amount":          func(s *approval.Statement) { s.View = strings.Replace(s.View, "100 EUR", "900 EUR", 1) },
		"view: one space":       func(s *approval.Statement) { s.View += " " },
		"view: of another":      func(s *approval.Statement) { s.View = other.View },
		"view and request":      func(s *approval.Statement) { s.View, s.Request = other.View, other.Request },
		"view: gone":            func(s *approval.Statement) { s.View = "" },
		"view: not JSON":        func(s *approval.Statement) { s.View = "{" },
		"view: of no request":   func(s *approval.Statement) { s.View, s.Request = `{}`, "" },
		"nonce: one bit":        func(s *approval.Statement) { s.Nonce[0] ^= 1 },
		"nonce: another":        func(s *approval.Statement) { s.Nonce = other.Nonce },
		"nonce: short":          func(s *approval.Statement) { s.Nonce = s.Nonce[:31] },
		"nonce: gone":           func(s *approval.Statement) { s.Nonce = nil },
		"rp id":                 func(s *approval.Statement) { s.RPID = "evil.example" },
		"assertion: another":    func(s *approval.Statement) { s.Assertion = other.Assertion },
		"assertion: gone":       func(s *approval.Statement) { s.Assertion = nil },
		"client data":           func(s *approval.Statement) { s.Assertion.ClientDataJSON = other.Assertion.ClientDataJSON },
		"authenticator data":    func(s *approval.Statement) { s.Assertion.AuthenticatorData[36] ^= 1 },
		"signature":             func(s *approval.Statement) { s.Assertion.Signature[10] ^= 1 },
		"public key":            func(s *approval.Statement) { s.Credential.PublicKey = foreign.Credential.PublicKey },
		"public key: not one":   func(s *approval.Statement) { s.Credential.PublicKey = []byte("x") },
		"credential: gone":      func(s *approval.Statement) { s.Credential = nil },
		"credential: its name":  func(s *approval.Statement) { s.Credential.ID = foreign.Credential.ID },
		"device":                func(s *approval.Statement) { s.Device.ID = stranger.ID },
		"decision: device":      func(s *approval.Statement) { s.Decision.Device = stranger.ID },
		"decision: credential":  func(s *approval.Statement) { s.Decision.Credential = "" },
		"verdict: turned round": func(s *approval.Statement) { s.Decision.Verdict = approval.Deny },
		"verdict: none":         func(s *approval.Statement) { s.Decision.Verdict = "" },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			s := copyOf(t, st)
			change(&s)
			is(t, "Verify", s.Verify(device.CheckAssertion), approval.ErrEvidence)
		})
	}
	if err := copyOf(t, st).Verify(device.CheckAssertion); err != nil {
		t.Errorf("unchanged: %v", err) // else the rows above prove nothing
	}
}

// TestWhatIsSignedIsNotEnough: a check that passes every signature does not make
// a statement hold that says something else than what was signed.
func TestWhatIsSignedIsNotEnough(t *testing.T) {
	w, r, _ := approved(t)
	all := func([]byte, string, []byte, device.Assertion) error { return nil }
	for name, change := range map[string]func(*approval.Statement){
		"another request":   func(s *approval.Statement) { s.Request = "R2" },
		"another client":    func(s *approval.Statement) { s.ClientID = "another" },
		"half a nonce":      func(s *approval.Statement) { s.Nonce = s.Nonce[:16] },
		"no verdict":        func(s *approval.Statement) { s.Decision.Verdict = "" },
		"no assertion":      func(s *approval.Statement) { s.Assertion = nil },
		"no passkey":        func(s *approval.Statement) { s.Credential = nil },
		"two views in one":  func(s *approval.Statement) { s.View += s.View },
		"an unknown format": func(s *approval.Statement) { s.Version = "2" },
	} {
		s := copyOf(t, w.statement(t, r.ID))
		change(&s)
		is(t, name, s.Verify(all), approval.ErrEvidence)
	}
}

// TestADenialIsNobodysSignature: it holds by Mitome's word alone, and cannot be
// made to look signed, nor like an approval.
func TestADenialIsNobodysSignature(t *testing.T) {
	w, yes, p := approved(t)
	r := w.accept(t, w.asks("aiko"))
	_, err := w.Decide(t.Context(), no(r.ID, p))
	fatal(t, err)
	st, signed := w.statement(t, r.ID), w.statement(t, yes.ID)
	if err := st.Verify(device.CheckAssertion); err != nil || st.Decision.Reason != approval.ReasonUser || st.View != "" {
		t.Fatalf("got %+v, %v", st, err)
	}
	changes := map[string]func(*approval.Statement){
		"made an approval":      func(s *approval.Statement) { s.Decision.Verdict = approval.Approve },
		"given a signature":     func(s *approval.Statement) { s.Assertion = signed.Assertion },
		"given a view":          func(s *approval.Statement) { s.View = signed.View },
		"given a passkey":       func(s *approval.Statement) { s.Credential = signed.Credential },
		"given a nonce":         func(s *approval.Statement) { s.Nonce = signed.Nonce },
		"of an unknown version": func(s *approval.Statement) { s.Version = "" },
	}
	for name, change := range changes {
		s := copyOf(t, st)
		change(&s)
		is(t, name, s.Verify(device.CheckAssertion), approval.ErrEvidence)
	}
}

// TestEvidenceIsMitomesOrNothing: a bundle that somebody made himself, however
// well it holds together, is not signed by the operator.
func TestEvidenceIsMitomesOrNothing(t *testing.T) {
	w, r, _ := approved(t)
	st := w.statement(t, r.ID)
	st.Decision.ACR = "gold" // nothing that a passkey signs
	if err := st.Verify(device.CheckAssertion); err != nil {
		t.Fatalf("it should hold together: %v", err)
	}
	payload, err := json.Marshal(st)
	fatal(t, err)
	key, err := sign.NewKey()
	fatal(t, err)
	key.KeyID = w.keys.Keys[0].KeyID
	forger, err := sign.New(key)
	fatal(t, err)
	jws, err := forger.Sign(payload)
	fatal(t, err)
	_, err = sign.Verify(jws, w.keys)
	is(t, "self-made", err, sign.ErrInvalid)

	e, err := w.db.Evidence(t.Context(), r.ID)
	fatal(t, err)
	ours := strings.Split(e.JWS, ".")
	theirs := strings.Split(jws, ".")
	_, err = sign.Verify(ours[0]+"."+theirs[1]+"."+ours[2], w.keys)
	is(t, "our signature over another statement", err, sign.ErrInvalid)
}

// TestNoDecisionWithoutEvidence: where it cannot be signed, nothing is decided.
func TestNoDecisionWithoutEvidence(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.asks("aiko"))
	fault := errors.New("no key")
	s := *w.Service
	s.Signer = brokenSigner{fault}
	for _, a := range []approval.Answer{w.signed(t, r.ID, p, ""), no(r.ID, p)} {
		_, err := s.Decide(t.Context(), a)
		is(t, string(a.Verdict), err, fault)
		if got := w.state(t, r.ID); got != approval.Pending {
			t.Fatalf("%s: the request is %s", a.Verdict, got)
		}
	}
	for _, id := range []approval.RequestID{r.ID, "nothing"} {
		_, err := w.db.Evidence(t.Context(), id)
		is(t, "evidence", err, approval.ErrNotFound)
	}
}

type brokenSigner struct{ err error }

func (b brokenSigner) Sign([]byte) (string, error) { return "", b.err }
