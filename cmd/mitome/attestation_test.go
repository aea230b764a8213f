package main_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device/mds/mdstest"
	phonelib "github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
	"github.com/mitome-ciba/mitome/server/adminapi"
)

// authenticator keeps keys as softkey does, and attests that it is of a model.
type authenticator struct {
	*softkey.Store
	t     *testing.T
	model *mdstest.Model // nil: it attests nothing
}

// CreatePasskey implements phone.KeyStore.
func (a authenticator) CreatePasskey(server, options string) (string, error) {
	answer, err := a.Store.CreatePasskey(server, options)
	if err != nil || a.model == nil {
		return answer, err
	}
	return string(a.model.Attest(a.t, []byte(answer))), nil
}

// attestWorld is a Mitome, run as operators run it, that believes metadata of a
// FIDO of the test's own, and requires attestation.
type attestWorld struct {
	*signalWorld
	fido  mdstest.FIDO
	blob  string
	admin *adminapi.Client
}

func newAttestWorld(t *testing.T, models ...mdstest.Model) *attestWorld {
	t.Helper()
	dir := t.TempDir()
	w := &attestWorld{signalWorld: &signalWorld{}, fido: mdstest.NewFIDO(t, "metadata.test"), blob: filepath.Join(dir, "blob.jwt")}
	root := filepath.Join(dir, "root.pem")
	if err := os.WriteFile(root, w.fido.Root.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	w.publish(t, 1, time.Now().AddDate(0, 1, 0), models...)
	var hash string
	w.key, hash = opCredentials(t, dir)
	w.gateway, w.ops = newStandalone(t, "kind: webhook", `keys: [{name: test, sha256: "`+hash+`"}]`,
		"rules: {attestation: direct, phr_without_code: true}\nattestation: {metadata: '"+w.blob+"', root: '"+root+"'}")
	w.admin = adminapi.NewClient("unix:"+filepath.Join(w.dir, "admin.sock"), "")
	return w
}

// publish replaces the metadata, as an operator's fetching does: all at once.
func (w *attestWorld) publish(t *testing.T, number int, until time.Time, models ...mdstest.Model) {
	t.Helper()
	next := w.blob + ".new"
	if err := errors.Join(os.WriteFile(next, w.fido.Blob(t, number, until, models...), 0o600), os.Rename(next, w.blob)); err != nil {
		t.Fatal(err)
	}
}

// pairs is one phone's try to be paired with a user.
func (w *attestWorld) pairs(t *testing.T, user string, model *mdstest.Model) (*phonelib.Phone, error) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	offer, err := w.admin.Offer(t.Context(), user)
	must(err)
	keys, err := softkey.Open(filepath.Join(t.TempDir(), "keys"))
	must(err)
	p, err := phonelib.Open(authenticator{keys, t, model}, w.devices)
	must(err)
	t.Cleanup(p.Close)
	claim, err := p.Claim(offer.Link, "phone")
	must(err)
	_, err = w.admin.Confirm(t.Context(), claim.ID, claim.MatchCode)
	must(err)
	_, err = claim.Finish()
	return p, err
}

// TestAttestationToTheEnd: what attests nothing is not paired; what is of a known
// model is, and its approval says hwk and phrh, and so does the evidence; and from
// the day on which the metadata revokes the model it approves nothing more, and
// the operator reads which device that is.
func TestAttestationToTheEnd(t *testing.T) {
	t.Parallel()
	model := mdstest.NewModel(t)
	w := newAttestWorld(t, model)
	u, err := w.admin.AddUser(t.Context(), adminapi.NewUser{OP: "corp", Subject: "s-1"})
	if err != nil {
		t.Fatal(err)
	}
	var p *phonelib.Problem
	if _, err := w.pairs(t, u.ID, nil); !errors.As(err, &p) || p.Type != "urn:mitome:attestation_failed" {
		t.Errorf("without attestation: got %v", err)
	}
	phone, err := w.pairs(t, u.ID, &model)
	if err != nil {
		t.Fatal(err)
	}
	w.approves(t, phone)
	w.revokes(t, u.ID, phone, model)
	w.outdated(t)
}

// approves has the phone approve, and looks at what that is worth.
func (w *attestWorld) approves(t *testing.T, phone *phonelib.Phone) {
	t.Helper()
	a := w.askOf(t, "corp", map[string]any{"sub": "s-1", "client_id": "till", "acr_values": "phrh"})
	var r struct{ ID string }
	if err := json.Unmarshal([]byte(a.Body), &r); err != nil || a.Status != http.StatusCreated {
		t.Fatalf("asked: %+v", a)
	}
	if _, err := phone.Show(r.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := phone.Approve(r.ID, ""); err != nil {
		t.Fatal(err)
	}
	d := w.request(t, r.ID).Decision
	if d == nil || d.ACR != "phrh" || strings.Join(d.AMR, " ") != "hwk pop user mfa" {
		t.Errorf("decided %+v", d)
	}
	e, err := w.admin.Evidence(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	statement, err := base64.RawURLEncoding.DecodeString(strings.Split(e.JWS, ".")[1])
	if err != nil || !strings.Contains(string(statement), `"attestation":{"model":"Test key`) || !strings.Contains(string(statement), `"key_protection":"hardware"`) {
		t.Errorf("evidence says %s, %v", statement, err)
	}
}

// revokes has FIDO revoke the model while Mitome runs.
func (w *attestWorld) revokes(t *testing.T, user string, phone *phonelib.Phone, model mdstest.Model) {
	t.Helper()
	waiting := w.asks(t, "corp", "s-1", "till")
	if _, err := phone.Show(waiting); err != nil {
		t.Fatal(err)
	}
	model.Status = append(model.Status, "REVOKED")
	w.publish(t, 2, time.Now().AddDate(0, 1, 0), model)
	var devices []adminapi.Device
	await(t, "the new metadata to be read", patience, func() (known bool) {
		var err error
		if devices, err = w.admin.Devices(t.Context(), user); err != nil {
			t.Fatal(err)
		}
		return devices[0].Attestation.Against == "REVOKED"
	})
	var p *phonelib.Problem
	if _, err := phone.Approve(waiting, ""); !errors.As(err, &p) || p.Type != "urn:mitome:passkey_unattested" {
		t.Errorf("a revoked model approves: %v", err)
	}
	if a := w.askOf(t, "corp", map[string]any{"sub": "s-1", "client_id": "till"}); a.Status == http.StatusCreated {
		t.Errorf("its user is asked again: %+v", a)
	}
	if out := w.run(t, "user", "device", "list", "s-1"); !strings.Contains(out, "model REVOKED") {
		t.Errorf("the list of devices says %s", out)
	}
	out, _ := w.try(t, "doctor") // which may find fault with the stage
	if want := fmt.Sprintf("Device %s (phone)", devices[0].ID); !strings.Contains(out, want) || !strings.Contains(out, "says REVOKED") {
		t.Errorf("the doctor says %s", out)
	}
}

// outdated leaves metadata that was to be replaced long ago.
func (w *attestWorld) outdated(t *testing.T) {
	t.Helper()
	w.publish(t, 3, time.Now().AddDate(0, -1, 0))
	await(t, "the log to complain", patience, func() bool {
		b, err := os.ReadFile(w.log())
		return err == nil && strings.Contains(string(b), "authenticator metadata is out of date")
	})
	if out, _ := w.try(t, "doctor"); !strings.Contains(out, "is out of date since") {
		t.Errorf("the doctor says %s", out)
	}
}

// TestMetadataThatIsNone: Mitome does not start on metadata that it cannot believe,
// and says so when asked before.
func TestMetadataThatIsNone(t *testing.T) {
	t.Parallel()
	w := newAttestWorld(t)
	w.kill()
	other := mdstest.NewFIDO(t, "metadata.test")
	if err := os.WriteFile(w.blob, other.Blob(t, 2, time.Now().AddDate(0, 1, 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"config check", "serve", "doctor --before-start"} {
		if out, err := w.try(t, strings.Fields(command)...); err == nil || !strings.Contains(out, "cannot be used: signer of metadata") {
			t.Errorf("%s: %v, %s", command, err, out)
		}
	}
}
