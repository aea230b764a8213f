package phone_test

import (
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
)

// view has what JSON encoders like to change: it must be signed byte for byte.
const view = `{"request":"r1",  "message":"愛 <b>&amp; \u00e9","amount":1.10}`

func TestApproveSignsWhatWasShown(t *testing.T) {
	hand := map[string]func(p *phone.Phone) (*phone.Request, error){
		"show": func(p *phone.Phone) (*phone.Request, error) { return p.Show("r1") },
		"list": func(p *phone.Phone) (*phone.Request, error) {
			l, err := p.List()
			return l.Get(0), err
		},
	}
	for name, get := range hand {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			p := f.paired()
			f.add("r1", view)
			r, err := get(p)
			if err != nil {
				t.Fatal(err)
			}
			if r.View != view || r.ID != "r1" || r.OP != "corp" || r.State != phone.Pending || r.ExpiresAt == "" {
				t.Errorf("shown: %+v", r)
			}
			if state, err := p.Approve("r1", "1234"); err != nil || state != "approved" {
				t.Errorf("got %q, %v", state, err)
			}
			if len(f.decisions) != 1 || f.decisions[0]["user_code"] != "1234" {
				t.Errorf("decisions: %v", f.decisions)
			}
			if _, err := p.Approve("r1", ""); !errors.Is(err, phone.ErrNotShown) {
				t.Errorf("again without showing: got %v, want %v", err, phone.ErrNotShown)
			}
		})
	}
}

func TestDeny(t *testing.T) {
	f := newFake(t)
	p := f.paired()
	f.add("r1", view)
	if state, err := p.Deny("r1", true); err != nil || state != "denied" { // without ever showing it
		t.Errorf("got %q, %v", state, err)
	}
	if d := f.decisions; len(d) != 1 || d[0]["not_me"] != true || d[0]["assertion"] != nil {
		t.Errorf("decisions: %v", d)
	}
	r, err := p.Show("r1")
	if err != nil || r.State != "denied" || r.Verdict != "deny" || r.DecidedOn != "tablet" || r.DecidedAt == "" {
		t.Errorf("shown after: %+v, %v", r, err)
	}
}

func TestNothingIsSignedButWhatWasShown(t *testing.T) {
	type spoil = func(*request) (string, []byte)
	tests := []struct {
		name  string
		show  bool
		spoil spoil
		want  error
	}{
		{"never shown", false, nil, phone.ErrNotShown},
		{"another view", true, func(*request) (string, []byte) { return "{}", challengeOver("{}") }, phone.ErrViewChanged},
		{"one byte more", true, func(r *request) (string, []byte) { return r.view + " ", challengeOver(r.view + " ") }, phone.ErrViewChanged},
		{"hash of another view", true, func(r *request) (string, []byte) { return r.view, challengeOver("{}") }, phone.ErrChallenge},
		{"random only", true, func(r *request) (string, []byte) { return r.view, make([]byte, 64) }, phone.ErrChallenge},
		{"hash only", true, func(r *request) (string, []byte) { return r.view, challengeOver(r.view)[32:] }, phone.ErrChallenge},
		{"more than both", true, func(r *request) (string, []byte) { return r.view, append(challengeOver(r.view), 0) }, phone.ErrChallenge},
		{"nothing", true, func(r *request) (string, []byte) { return r.view, nil }, phone.ErrChallenge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			keys, err := softkey.Open(filepath.Join(t.TempDir(), "keys"))
			if err != nil {
				t.Fatal(err)
			}
			watched := &watchedKeys{KeyStore: keys}
			p := f.openWith(watched)
			if _, err := p.Claim(f.url+"/pair#"+secret, "my phone"); err != nil {
				t.Fatal(err)
			}
			f.add("r1", view)
			f.spoil = tt.spoil
			if tt.show {
				if _, err := p.Show("r1"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := p.Approve("r1", ""); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if watched.used || len(f.decisions) > 0 {
				t.Errorf("passkey used: %v, decisions: %v", watched.used, f.decisions)
			}
		})
	}
}

// watchedKeys notices when the passkey is used.
type watchedKeys struct {
	phone.KeyStore
	used bool
	sig  []byte // instead of a proof's signature
	key  []byte // instead of the proof's key
}

func (w *watchedKeys) UsePasskey(server, options string) (string, error) {
	w.used = true
	return w.KeyStore.UsePasskey(server, options)
}

func (w *watchedKeys) SignProof(server string, data []byte) ([]byte, error) {
	if w.sig != nil {
		return w.sig, nil
	}
	return w.KeyStore.SignProof(server, data)
}

func (w *watchedKeys) ProofKey(server string) ([]byte, error) {
	if w.key != nil {
		return w.key, nil
	}
	return w.KeyStore.ProofKey(server)
}

func TestWhatNoLongerWaitsCannotBeApproved(t *testing.T) {
	f := newFake(t)
	p := f.paired()
	r := f.add("r1", view)
	for name, look := range map[string]func() error{
		"list": func() error { _, err := p.List(); return err },
		"show": func() error { _, err := p.Show("r1"); return err },
	} {
		f.settle(r, "pending")
		if _, err := p.Show("r1"); err != nil {
			t.Fatal(err)
		}
		f.settle(r, "withdrawn")
		if err := look(); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Approve("r1", ""); !errors.Is(err, phone.ErrNotShown) {
			t.Errorf("%s: got %v, want %v", name, err, phone.ErrNotShown)
		}
	}
}

func TestIDsCannotLeaveTheirPlace(t *testing.T) {
	f := newFake(t)
	p := f.paired()
	if _, err := p.Show("../devices"); phone.ProblemOf(err) == nil {
		t.Errorf("got %v, want a refusal", err)
	}
	if f.calls("GET /v1/devices") != 0 {
		t.Error("an id became another path")
	}
}

func TestBrokenKeyStoreIsNoticed(t *testing.T) {
	f := newFake(t)
	keys, err := softkey.Open(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	der := func(r, s *big.Int) []byte {
		b, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one, huge := big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 256)
	for name, w := range map[string]watchedKeys{
		"raw signature": {sig: make([]byte, 64)}, "zero": {sig: der(new(big.Int), one)}, "negative": {sig: der(big.NewInt(-1), one)},
		"too large": {sig: der(one, huge)}, "bytes after": {sig: append(der(one, one), 0)}, "no signature": {sig: []byte{}},
		"compressed key": {key: append([]byte{2}, make([]byte, 32)...)}, "point off the curve": {key: append([]byte{4}, make([]byte, 64)...)},
	} {
		w.KeyStore = keys
		called := false
		f.on("POST /v1/pairings/claim", func(http.ResponseWriter, *http.Request) { called = true })
		if _, err := f.openWith(&w).Claim(f.url+"/pair#"+secret, "my phone"); err == nil || called {
			t.Errorf("%s: got %v, called %v", name, err, called)
		}
	}
}
