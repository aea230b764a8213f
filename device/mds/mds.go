// Package mds knows the models of authenticators by the metadata that FIDO
// publishes: it checks the attestation of a new passkey against it, and says
// what is known against a model today.
//
// # Why
//
// The metadata comes from a file and from nowhere else. The library's own reader
// of it asks revocation lists over the network while it reads, so only its parsing
// is used here; signature and chain are checked without it. An operator fetches
// the file (docs/attestation.md), which also says when it was fetched.
//
// The signer of FIDO's file has a certificate of a public CA, of whom anybody can
// buy one. The chain alone would let every customer of that CA write metadata, so
// the certificate must be for FIDO's name as well, unless the operator gives a
// root of his own.
//
// A file that is out of date is used and complained of: what it knew is still
// true, and without it nobody could pair or approve. Its chain is then judged as
// of the day until which it was good.
package mds

import (
	"context"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// fidoRoot is the root that FIDO names since August 2026, GlobalSign Root R46:
// SHA-256 4fa3126d8d3a11d1c4855a4f807cbad6cf919d3a5a88b03bea2c6372d93c40c9.
//
//go:embed globalsign-root-r46.pem
var fidoRoot []byte

// fidoSigner is whom FIDO's signer's certificate is for.
const fidoSigner = "mds.fidoalliance.org"

// lookEvery is how often the file is looked at, and complainEvery how often it is
// said that it is out of date.
const (
	lookEvery     = 5 * time.Second
	complainEvery = 24 * time.Hour
)

// Options say where the metadata is and whom it is believed from.
type Options struct {
	Path string // a metadata BLOB, as FIDO serves it
	Root string // PEM file of the root that it must chain to; empty: FIDO's
	Log  *slog.Logger
	Now  func() time.Time
}

// File is the metadata of one file, read again whenever that changes. It
// implements device.Models.
type File struct {
	o          Options
	anchor     anchor
	book       atomic.Pointer[book]
	seen       stamp // of the file that was read last, taken or not; Run's alone after Open
	complained time.Time
}

// anchor is whom a signer's certificate must come from, and be for.
type anchor struct {
	roots *x509.CertPool
	name  string // empty: any
}

// stamp tells one content of a file from another without reading it.
type stamp struct {
	at   time.Time
	size int64
}

// Open reads the metadata. What is wrong with it at that time is an error; later
// the metadata before it stays in use.
func Open(o Options) (*File, error) {
	f := &File{o: o, anchor: anchor{x509.NewCertPool(), fidoSigner}}
	pem := fidoRoot
	if o.Root != "" {
		var err error
		if pem, err = os.ReadFile(o.Root); err != nil {
			return nil, fmt.Errorf("read root: %w", err)
		}
		f.anchor.name = ""
	}
	if !f.anchor.roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("mds: there is no certificate in the file of the root")
	}
	info, err := os.Stat(o.Path)
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	f.seen = stampOf(info)
	b, err := f.read()
	if err != nil {
		return nil, err
	}
	f.book.Store(b)
	return f, nil
}

func stampOf(i fs.FileInfo) stamp { return stamp{i.ModTime(), i.Size()} }

func (f *File) read() (*book, error) {
	blob, err := os.ReadFile(f.o.Path)
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	return readBlob(blob, f.anchor, f.o.Now())
}

// Run looks for a new file, and complains while the one in use is out of date.
func (f *File) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		f.look()
		f.complain()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look reads the file if it is another than before.
func (f *File) look() {
	info, err := os.Stat(f.o.Path)
	if err != nil {
		if f.seen != (stamp{}) {
			f.o.Log.Error("authenticator metadata is gone, what was read stays in use", "file", f.o.Path, "error", err)
		}
		f.seen = stamp{}
		return
	}
	if stampOf(info) == f.seen {
		return
	}
	f.seen = stampOf(info)
	b, err := f.read()
	if err == nil && b.number < f.book.Load().number {
		err = fmt.Errorf("number %d is older than %d, which is in use", b.number, f.book.Load().number)
	}
	if err != nil {
		f.o.Log.Error("authenticator metadata cannot be used, what was read before stays", "file", f.o.Path, "error", err)
		return
	}
	f.book.Store(b)
	f.complained = time.Time{}
	f.o.Log.Info("authenticator metadata read", "number", b.number, "models", len(b.models), "next_update", b.next)
}

func (f *File) complain() {
	now := f.o.Now()
	if !f.Outdated() || now.Sub(f.complained) < complainEvery {
		return
	}
	f.complained = now
	f.o.Log.Warn("authenticator metadata is out of date: what FIDO has learnt since is not known here",
		"file", f.o.Path, "next_update", f.NextUpdate())
}

// NextUpdate is the day on which the metadata was to be replaced at the latest.
func (f *File) NextUpdate() time.Time { return f.book.Load().next }

// Models is how many models are known.
func (f *File) Models() int { return len(f.book.Load().models) }

// Outdated reports whether that day is over.
func (f *File) Outdated() bool { return f.o.Now().After(f.NextUpdate().AddDate(0, 0, 1)) }
