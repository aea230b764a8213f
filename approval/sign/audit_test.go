package sign_test

import (
	"errors"
	"testing"

	"github.com/mitome-ciba/mitome/approval/sign"
)

// TestWhatIsSignedForOneUseServesNoOther: evidence, login hints and the audit log
// are signed with one key.
func TestWhatIsSignedForOneUseServesNoOther(t *testing.T) {
	s, _ := newSigner(t)
	stranger, _ := newSigner(t)
	log, err := s.SignAudit([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	hint, err := s.SignHint([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := sign.VerifyAudit(log, s.Published()); err != nil || string(got) != payload {
		t.Errorf("our own: got %q, %v", got, err)
	}
	if _, err := sign.VerifyAudit(log, stranger.Published()); !errors.Is(err, sign.ErrInvalid) {
		t.Errorf("with a stranger's keys: got %v", err)
	}
	if _, err := sign.Verify(log, s.Published()); !errors.Is(err, sign.ErrInvalid) {
		t.Errorf("a checkpoint passes for evidence: %v", err)
	}
	for name, jws := range map[string]string{"evidence": mustSign(t, s), "a hint": hint} {
		if _, err := sign.VerifyAudit(jws, s.Published()); !errors.Is(err, sign.ErrInvalid) {
			t.Errorf("%s passes for a checkpoint: %v", name, err)
		}
	}
}
