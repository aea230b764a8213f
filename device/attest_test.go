package device_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/device/mds"
	"github.com/mitome-ciba/mitome/device/mds/mdstest"
)

// knows has w know these models, and want a proof of them.
func (w *world) knows(t *testing.T, p device.Proof, fido mdstest.FIDO, models ...mdstest.Model) {
	t.Helper()
	dir := t.TempDir()
	o := mds.Options{
		Path: filepath.Join(dir, "blob"), Root: filepath.Join(dir, "root"), Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return w.now },
	}
	err := errors.Join(os.WriteFile(o.Root, fido.Root.PEM(), 0o600),
		os.WriteFile(o.Path, fido.Blob(t, 1, w.now.AddDate(0, 0, 7), models...), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	f, err := mds.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Models, w.Proof = f, func(string) device.Proof { return p }
}

// attesting is a pairing in which what the authenticator answers is made by make.
func (w *world) attesting(t *testing.T, u device.User, id string, answer func(*devicetest.Authenticator, []byte) []byte) (device.Device, *devicetest.Authenticator, error) {
	t.Helper()
	e := w.confirmed(t, u, w.session(t, id))
	options, err := w.BeginPasskey(t.Context(), e.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	want := "none"
	if w.Proof("corp") != device.NoProof {
		want = "direct"
	}
	var o struct {
		PublicKey struct{ Attestation string }
	}
	if err := json.Unmarshal(options, &o); err != nil || o.PublicKey.Attestation != want {
		t.Errorf("asked for attestation %q, %v, want %q", o.PublicKey.Attestation, err, want)
	}
	a := devicetest.NewAuthenticator(t, rpID, origin, devicetest.ES256)
	d, err := w.FinishPasskey(t.Context(), device.NewPasskey{Enrollment: e.ID, Session: id, Response: answer(a, options), By: admin})
	return d, a, err
}

// credential is the passkey of d.
func (w *world) credential(t *testing.T, d device.Device) device.Credential {
	t.Helper()
	creds, err := w.CredentialsOf(t.Context(), d.ID)
	if err != nil || len(creds) != 1 {
		t.Fatalf("%d passkeys, %v", len(creds), err)
	}
	return creds[0]
}

// TestAttestation: where a proof is required only an authenticator of a model that
// FIDO's metadata knows, and has nothing against, is paired; where one is wanted
// any is, and what it could not prove is not said of it.
func TestAttestation(t *testing.T) {
	good := mdstest.NewModel(t)
	soft, remote, mixed, stranger := mdstest.NewModel(t), mdstest.NewModel(t), mdstest.NewModel(t), mdstest.NewModel(t)
	soft.Keys, remote.Keys, mixed.Keys = []string{"software"}, []string{"remote_handle"}, []string{"hardware", "software"}
	forger := good
	forger.Maker = mdstest.NewCA(t, "maker") // of the same name, with another key
	known := []mdstest.Model{good, soft, remote, mixed}
	with := func(m mdstest.Model, lies ...devicetest.Lie) func(*devicetest.Authenticator, []byte) []byte {
		return func(a *devicetest.Authenticator, options []byte) []byte {
			return m.Attest(t, a.Create(t, options, lies...))
		}
	}
	plain := func(lies ...devicetest.Lie) func(*devicetest.Authenticator, []byte) []byte {
		return func(a *devicetest.Authenticator, options []byte) []byte { return a.Create(t, options, lies...) }
	}
	type row struct {
		name   string
		answer func(*devicetest.Authenticator, []byte) []byte
		want   error
		keys   device.KeyProtection
	}
	tests := []row{
		{"hardware", with(good), nil, device.KeyHardware},
		{"software", with(soft), nil, device.KeySoftware},
		{"keys elsewhere", with(remote), nil, ""},
		{"some keys in software", with(mixed), nil, device.KeySoftware},
		{"not attested", plain(), device.ErrAttestation, ""},
		{"not attested, and says that it is known", plain(devicetest.OfModel(good.AAGUID)), device.ErrAttestation, ""},
		{"attested by itself", plain(devicetest.OfModel(good.AAGUID), devicetest.SelfAttested()), device.ErrAttestation, ""},
		{"model that nobody knows", with(stranger), device.ErrAttestation, ""},
		{"no root of that model", with(forger), device.ErrAttestation, ""},
		{"synced, of a model that syncs nothing", with(good, devicetest.BackupEligible()), device.ErrAttestation, ""},
	}
	for _, status := range []string{
		"REVOKED", "RETIRED", "USER_VERIFICATION_BYPASS", "ATTESTATION_KEY_COMPROMISE",
		"USER_KEY_REMOTE_COMPROMISE", "USER_KEY_PHYSICAL_COMPROMISE",
	} {
		m := mdstest.NewModel(t)
		m.Status = append(m.Status, status)
		known = append(known, m)
		tests = append(tests, row{status, with(m), device.ErrAttestation, ""})
	}
	w, fido := newWorld(t), mdstest.NewFIDO(t, "fido.test")
	w.now = time.Now()
	for _, proof := range []device.Proof{device.ProofRequired, device.ProofWanted, device.NoProof} {
		w.knows(t, proof, fido, known...)
		for _, tt := range tests {
			name := tt.name + ", proof " + string(proof)
			t.Run(name, func(t *testing.T) {
				want, attested := tt.want, tt.want == nil && proof != device.NoProof
				if proof != device.ProofRequired {
					want = nil
				}
				d, _, err := w.attesting(t, w.user(t, name), name, tt.answer)
				if !errors.Is(err, want) {
					t.Fatalf("got %v, want %v", err, want)
				}
				if err != nil {
					return
				}
				c := w.credential(t, d)
				keys := tt.keys
				if !attested {
					keys = ""
				}
				if c.Proven() != attested || c.Keys() != keys {
					t.Errorf("proven %v, keys %q; want %v, %q", c.Proven(), c.Keys(), attested, keys)
				}
				if attested != strings.HasPrefix(c.Attested.Model, "Test key") || attested && !c.Attested.At.Equal(w.now.Truncate(time.Microsecond)) {
					t.Errorf("got %+v", c.Attested)
				}
			})
		}
	}
}

// TestAttestationOfAnotherModel: a certificate of one model is no word for another,
// however little is asked.
func TestAttestationOfAnotherModel(t *testing.T) {
	m := mdstest.NewModel(t)
	for _, proof := range []device.Proof{device.ProofRequired, device.ProofWanted} {
		w := newWorld(t)
		w.now = time.Now()
		w.knows(t, proof, mdstest.NewFIDO(t, "fido.test"), m)
		_, _, err := w.attesting(t, w.user(t, "s-1"), "session", func(a *devicetest.Authenticator, options []byte) []byte {
			return m.AttestAs(t, a.Create(t, options), [16]byte{1, 2, 3})
		})
		if !errors.Is(err, device.ErrPasskey) {
			t.Errorf("%s: got %v, want ErrPasskey", proof, err)
		}
	}
}

// TestAttestationIsJudgedAnew: what was proved once counts as long as nothing is
// known against the model, and metadata is there to look into. The passkey itself
// goes on to work.
func TestAttestationIsJudgedAnew(t *testing.T) {
	w, m, fido := newWorld(t), mdstest.NewModel(t), mdstest.NewFIDO(t, "fido.test")
	w.now = time.Now()
	w.knows(t, device.ProofRequired, fido, m)
	d, a, err := w.attesting(t, w.user(t, "s-1"), "session", func(a *devicetest.Authenticator, options []byte) []byte {
		return m.Attest(t, a.Create(t, options))
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(against string, proven bool, keys device.KeyProtection) {
		t.Helper()
		ch := challenge()
		options, err := w.AssertionOptions(t.Context(), d.ID, ch)
		if err != nil {
			t.Fatal(err)
		}
		as, err := w.VerifyAssertion(t.Context(), d.ID, ch, a.Get(t, options))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []device.Credential{w.credential(t, d), as.Credential} {
			if c.Attested.Against != against || c.Proven() != proven || c.Keys() != keys {
				t.Errorf("against %q, proven %v, keys %q; want %q, %v, %q", c.Attested.Against, c.Proven(), c.Keys(), against, proven, keys)
			}
		}
	}
	check("", true, device.KeyHardware)
	revoked := m
	revoked.Status = append(revoked.Status, "REVOKED")
	w.knows(t, device.ProofRequired, fido, revoked)
	check("REVOKED", false, "")
	w.knows(t, device.ProofRequired, fido)
	check("UNLISTED", false, "")
	w.Models, w.Proof = nil, nil
	check("UNCHECKED", false, "")
}

// TestKeysOfASyncedPasskey: of a passkey that may be synced nobody knows where its
// key is, whatever is known of the authenticator.
func TestKeysOfASyncedPasskey(t *testing.T) {
	c := device.Credential{Attested: device.Attested{At: time.Now(), Keys: device.KeyHardware}}
	if c.Keys() != device.KeyHardware {
		t.Errorf("got %q", c.Keys())
	}
	if c.BackupEligible = true; c.Keys() != "" || !c.Proven() {
		t.Errorf("synced: got %q, proven %v", c.Keys(), c.Proven())
	}
}
