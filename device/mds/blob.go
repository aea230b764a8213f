package mds

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/metadata/providers/memory"
)

// book is the metadata of one file.
type book struct {
	number int
	next   time.Time
	models map[[16]byte]*metadata.Entry
	rules  metadata.Provider
}

// algorithms are those that a file may be signed with.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.ES256, jose.ES384, jose.ES512}

// readBlob verifies a metadata BLOB (FIDO Metadata Service 3.1 §3.1.7) and reads
// what is in it.
func readBlob(blob []byte, a anchor, now time.Time) (*book, error) {
	jws, err := jose.ParseSignedCompact(string(bytes.TrimSpace(blob)), algorithms)
	if err != nil {
		return nil, fmt.Errorf("parse metadata: %w", err)
	}
	var payload metadata.PayloadJSON
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &payload); err != nil {
		return nil, fmt.Errorf("parse metadata: %w", err)
	}
	next, err := time.Parse(time.DateOnly, payload.NextUpdate)
	if err != nil {
		return nil, errors.New("mds: metadata without a day of its next update")
	}
	at := now
	if next.Before(now) { // good until then; that it is not any more is complained of
		at = next
	}
	chains, err := jws.Signatures[0].Protected.Certificates(x509.VerifyOptions{
		Roots: a.roots, DNSName: a.name, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, fmt.Errorf("signer of metadata: %w", err)
	}
	if _, err := jws.Verify(chains[0][0].PublicKey); err != nil {
		return nil, fmt.Errorf("signature of metadata: %w", err)
	}
	return newBook(payload, next)
}

// newBook makes a verified payload ready to be looked up. A model whose entry
// cannot be read is a model unknown.
func newBook(payload metadata.PayloadJSON, next time.Time) (*book, error) {
	for i := range payload.Entries { // pictures are most of the file, and nobody looks at them
		s := &payload.Entries[i].MetadataStatement
		s.Icon, s.IconDark, s.ProviderLogoLight, s.ProviderLogoDark = "", "", "", ""
	}
	decoder, err := metadata.NewDecoder(metadata.WithIgnoreEntryParsingErrors())
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	parsed, err := decoder.Parse(&payload)
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	entries := parsed.ToMap()
	rules, err := memory.New(memory.WithMetadata(entries), memory.WithValidateAAGUID(true),
		memory.WithValidateBackupEligibility(true), memory.WithValidateUserVerification(true))
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	b := &book{number: payload.Number, next: next, models: map[[16]byte]*metadata.Entry{}, rules: rules}
	for id, e := range entries {
		b.models[id] = e
	}
	return b, nil
}
