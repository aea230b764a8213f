package mds_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device/mds"
	"github.com/mitome-ciba/mitome/device/mds/mdstest"
)

// place is a file with metadata, and whom it is believed from.
type place struct {
	fido mdstest.FIDO
	opts mds.Options
	log  *bytes.Buffer
	now  time.Time
}

const signer = "mds.fidoalliance.org"

func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{fido: mdstest.NewFIDO(t, signer), log: &bytes.Buffer{}, now: time.Now()}
	p.opts = mds.Options{
		Path: filepath.Join(dir, "blob.jwt"), Root: filepath.Join(dir, "root.pem"),
		Log: slog.New(slog.NewTextHandler(p.log, nil)), Now: func() time.Time { return p.now },
	}
	p.write(t, p.opts.Root, p.fido.Root.PEM())
	return p
}

func (p *place) write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// blob writes metadata that is good for a week.
func (p *place) blob(t *testing.T, number int, models ...mdstest.Model) {
	t.Helper()
	p.write(t, p.opts.Path, p.fido.Blob(t, number, p.now.AddDate(0, 0, 7), models...))
}

func (p *place) open(t *testing.T) *mds.File {
	t.Helper()
	f, err := mds.Open(p.opts)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestMetadataIsVerified: metadata is believed from its root alone, to the byte.
func TestMetadataIsVerified(t *testing.T) {
	p := newPlace(t)
	model := mdstest.NewModel(t)
	next := p.now.AddDate(0, 0, 7)
	good := p.fido.Blob(t, 1, next, model)
	other := mdstest.NewFIDO(t, signer)
	forged := mdstest.FIDO{Root: p.fido.Root, Signer: other.Signer} // its chain ends elsewhere, though it names our root
	parts := strings.Split(string(good), ".")
	tests := []struct {
		name string
		blob []byte
		ok   bool
	}{
		{"good", good, true},
		{"a line after it", append(bytes.Clone(good), '\n'), true},
		{"another root", other.Blob(t, 1, next, model), false},
		{"signed by another", forged.Blob(t, 1, next, model), false},
		{"payload of another", []byte(parts[0] + "." + strings.Split(string(other.Blob(t, 2, next, model)), ".")[1] + "." + parts[2]), false},
		{"no signature", []byte(parts[0] + "." + parts[1] + "."), false},
		{"not a JWS", []byte("{}"), false},
		{"empty", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.write(t, p.opts.Path, tt.blob)
			if f, err := mds.Open(p.opts); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			} else if tt.ok && f.Models() != 1 {
				t.Errorf("got %d models, want 1", f.Models())
			}
		})
	}
}

// TestSignerOfMetadataIsFIDO: of a public CA anybody can buy a certificate; only
// one for FIDO's name makes a signer of metadata.
func TestSignerOfMetadataIsFIDO(t *testing.T) {
	p := newPlace(t)
	for name, ok := range map[string]bool{signer: true, "shop.example": false} {
		fido := mdstest.NewFIDO(t, name)
		p.write(t, p.opts.Path, fido.Blob(t, 1, p.now.AddDate(0, 0, 7)))
		if err := mds.Verify(p.opts, fido.Root.PEM()); (err == nil) != ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
	p.opts.Root = "" // FIDO's own, which did not sign this
	if _, err := mds.Open(p.opts); err == nil {
		t.Error("metadata of a root of our own is believed from FIDO's")
	}
}

// TestOpenSaysWhatIsMissing: files that are not there, or are something else.
func TestOpenSaysWhatIsMissing(t *testing.T) {
	p := newPlace(t)
	if _, err := mds.Open(p.opts); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	p.blob(t, 1)
	p.write(t, p.opts.Root, []byte("no certificate"))
	if _, err := mds.Open(p.opts); err == nil {
		t.Error("a root without a certificate was taken")
	}
	p.opts.Root += ".gone"
	if _, err := mds.Open(p.opts); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no root: got %v", err)
	}
}

// TestMetadataOutOfDate: it is used, and complained of, once a day.
func TestMetadataOutOfDate(t *testing.T) {
	p := newPlace(t)
	model := mdstest.NewModel(t)
	p.blob(t, 1, model)
	f := p.open(t)
	if f.Look(); f.Outdated() || p.log.Len() > 0 {
		t.Errorf("new metadata is out of date: %s", p.log)
	}
	p.now = p.now.AddDate(0, 0, 9)
	f.Look()
	f.Look()
	if !f.Outdated() || strings.Count(p.log.String(), "out of date") != 1 {
		t.Errorf("outdated %v, log %q, want one complaint", f.Outdated(), p.log)
	}
	if p.now = p.now.AddDate(0, 0, 1); f.Against(model.AAGUID[:]) != "" {
		t.Error("metadata out of date says nothing of what it knows")
	}
	if f.Look(); strings.Count(p.log.String(), "out of date") != 2 {
		t.Errorf("got %q, want another complaint the next day", p.log)
	}
	p.now = p.now.AddDate(20, 0, 0) // the signer's certificate is over as well
	p.open(t)
}

// TestMetadataIsReadAgain: a new file counts without a restart; a bad one, an
// older one and none at all leave what was known.
func TestMetadataIsReadAgain(t *testing.T) {
	p := newPlace(t)
	model := mdstest.NewModel(t)
	p.blob(t, 5, model)
	f := p.open(t)
	revoked := model
	revoked.Status = append(revoked.Status, "REVOKED")
	steps := []struct {
		name    string
		do      func()
		against string
		log     string
	}{
		{"the same", func() {}, "", ""},
		{"garbage", func() { p.write(t, p.opts.Path, []byte("garbage")) }, "", "cannot be used"},
		{"an older one", func() { p.blob(t, 4, revoked) }, "", "older than 5"},
		{"gone", func() { os.Remove(p.opts.Path) }, "", "is gone"},
		{"a newer one", func() { p.blob(t, 6, revoked) }, "REVOKED", "metadata read"},
		{"without the model", func() { p.blob(t, 7, mdstest.NewModel(t), mdstest.NewModel(t)) }, "UNLISTED", "metadata read"},
	}
	for _, s := range steps {
		p.log.Reset()
		s.do()
		f.Look()
		if got := f.Against(model.AAGUID[:]); got != s.against || !strings.Contains(p.log.String(), s.log) || s.log == "" && p.log.Len() > 0 {
			t.Errorf("%s: got %q, log %q, want %q and %q", s.name, got, p.log, s.against, s.log)
		}
	}
}

// TestAgainst: what FIDO says is wrong with a model, and nothing else, is said
// against it.
func TestAgainst(t *testing.T) {
	p := newPlace(t)
	bad := []string{
		"REVOKED", "RETIRED", "USER_VERIFICATION_BYPASS", "ATTESTATION_KEY_COMPROMISE",
		"USER_KEY_REMOTE_COMPROMISE", "USER_KEY_PHYSICAL_COMPROMISE",
	}
	models := map[string]mdstest.Model{}
	var all []mdstest.Model
	for _, s := range append([]string{"UPDATE_AVAILABLE", "NOT_FIDO_CERTIFIED"}, bad...) {
		m := mdstest.NewModel(t)
		m.Status = []string{"FIDO_CERTIFIED", s, "FIDO_CERTIFIED_L2"} // a later report takes nothing back
		models[s], all = m, append(all, m)
	}
	p.blob(t, 1, all...)
	f := p.open(t)
	for status, m := range models {
		want := ""
		for _, b := range bad {
			if b == status {
				want = b
			}
		}
		if got := f.Against(m.AAGUID[:]); got != want {
			t.Errorf("%s: got %q, want %q", status, got, want)
		}
	}
	stranger := make([]byte, 16)
	rand.Read(stranger)
	for _, id := range [][]byte{stranger, make([]byte, 16), nil} {
		if got := f.Against(id); got != "UNLISTED" {
			t.Errorf("%x: got %q, want UNLISTED", id, got)
		}
	}
}
