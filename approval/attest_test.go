package approval_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
)

// showroom knows one model, by which every passkey is attested that is made while
// it is open, and what is said against it.
type showroom struct {
	open    bool
	against string
	now     func() time.Time
}

// Attest implements device.Models.
func (s *showroom) Attest(protocol.AttestationObject, []byte) (device.Attested, error) {
	if !s.open {
		return device.Attested{}, device.ErrAttestation
	}
	return device.Attested{At: s.now(), Model: "Model T", Keys: device.KeyHardware}, nil
}

// Against implements device.Models.
func (s *showroom) Against([]byte) string { return s.against }

// attesting is a world in which the clients of corp have these rules, and the
// client "kiosk" none.
func attesting(t *testing.T, rules policy.Rules) (*world, *showroom) {
	t.Helper()
	w := newWorld(t, rules)
	fatal(t, w.Policy.(*policy.Book).Client("corp", "kiosk", policy.Rules{}))
	s := &showroom{now: func() time.Time { return w.now }}
	w.people.Models, w.people.Proof = s, func(string) device.Proof { return device.ProofWanted }
	return w, s
}

// TestOnlyTheAttestedApprove: where an attestation is required a device without
// one is not asked and cannot approve; it can deny, and approve for clients that
// require none.
func TestOnlyTheAttestedApprove(t *testing.T) {
	w, shop := attesting(t, policy.Rules{Attestation: policy.AttestationDirect})
	aiko := w.user(t, "aiko")
	plain := w.pair(t, aiko)
	if _, err := w.Accept(t.Context(), w.asks("aiko"), theOP); err == nil {
		t.Error("a user without an attested device was asked")
	} else {
		is(t, "Accept", err, approval.ErrACR)
	}
	kiosk := w.asks("aiko")
	kiosk.ClientID = "kiosk"
	r := w.accept(t, kiosk)
	if _, err := w.Decide(t.Context(), w.signed(t, r.ID, plain, "")); err != nil {
		t.Errorf("a client that requires nothing: %v", err)
	}
	shop.open = true
	known := w.pair(t, aiko)
	r = w.accept(t, w.asks("aiko"))
	if n := w.jobs(t, r.ID)["notify"]; n != 1 {
		t.Errorf("%d devices were asked, want the attested one", n)
	}
	_, err := w.Challenge(t.Context(), r.ID, who(plain), "en")
	is(t, "Challenge", err, approval.ErrAttestation)
	shown, err := w.Show(t.Context(), r.ID, who(plain), "en")
	if err != nil || !strings.Contains(string(shown.View), "a device of a known model") {
		t.Errorf("she is shown %s, %v", shown.View, err)
	}
	r, err = w.Decide(t.Context(), w.signed(t, r.ID, known, ""))
	if err != nil || r.State != approval.Approved || !slices.Equal(r.Decision.AMR, []string{"hwk", "pop", "user", "mfa"}) {
		t.Errorf("the attested device: got %s, %+v, %v", r.State, r.Decision, err)
	}
	st := w.statement(t, r.ID)
	if a := st.Credential.Attestation; a == nil || a.Model != "Model T" || a.KeyProtection != "hardware" || !slices.Equal(st.Decision.Rules, []string{"attestation"}) {
		t.Errorf("evidence says %+v, rules %v", a, st.Decision.Rules)
	}
	r = w.accept(t, w.asks("aiko"))
	if r, err = w.Decide(t.Context(), no(r.ID, plain)); err != nil || r.State != approval.Denied {
		t.Errorf("a denial without attestation: got %s, %v", r.State, err)
	}
}

// TestACompromisedModelApprovesNoMore: what becomes known against a model counts
// from then on, also for a request that is under way and whose challenge is out.
func TestACompromisedModelApprovesNoMore(t *testing.T) {
	w, shop := attesting(t, policy.Rules{Attestation: policy.AttestationDirect})
	shop.open = true
	phone := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.asks("aiko"))
	yes := w.signed(t, r.ID, phone, "")
	shop.against = "USER_KEY_REMOTE_COMPROMISE"
	_, err := w.Decide(t.Context(), yes)
	is(t, "Decide", err, approval.ErrAttestation)
	if got := w.state(t, r.ID); got != approval.Pending {
		t.Errorf("the request is %s, want pending", got)
	}
	_, err = w.Challenge(t.Context(), r.ID, who(phone), "en")
	is(t, "Challenge", err, approval.ErrAttestation)
	_, err = w.Accept(t.Context(), w.asks("aiko"), theOP)
	is(t, "Accept", err, approval.ErrACR)

	kiosk := w.asks("aiko")
	kiosk.ClientID = "kiosk" // requires nothing, and is told nothing that is not proved
	r = w.accept(t, kiosk)
	r, err = w.Decide(t.Context(), w.signed(t, r.ID, phone, ""))
	if err != nil || strings.Join(r.Decision.AMR, " ") != "pop user mfa" {
		t.Errorf("got %+v, %v", r.Decision, err)
	}
	if a := w.statement(t, r.ID).Credential.Attestation; a != nil {
		t.Errorf("evidence says %+v of a model that is not trusted", a)
	}
}

// TestPhrhNeedsHardware: phrh is reached by an attested passkey in hardware, and
// by no other is it asked for in vain.
func TestPhrhNeedsHardware(t *testing.T) {
	w, shop := attesting(t, policy.Rules{Attestation: policy.AttestationDirect, PhrWithoutCode: true})
	aiko := w.user(t, "aiko")
	w.pair(t, aiko)
	a := w.asks("aiko")
	a.ACRValues = []string{"phrh"}
	_, err := w.Accept(t.Context(), a, theOP)
	is(t, "Accept", err, approval.ErrACR)
	shop.open = true
	phone := w.pair(t, aiko)
	a.Ref += "2"
	r := w.accept(t, a)
	r, err = w.Decide(t.Context(), w.signed(t, r.ID, phone, ""))
	if err != nil || r.Decision.ACR != "phrh" {
		t.Errorf("got %+v, %v", r.Decision, err)
	}
}
