// Package mdstest makes what tests of attestation need: a maker of authenticators
// with a CA of its own, what it attests, and a FIDO that vouches for it.
package mdstest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	jose "github.com/go-jose/go-jose/v4"
)

// CA issues certificates.
type CA struct {
	Cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes one that signed itself.
func NewCA(t testing.TB, name string) CA {
	t.Helper()
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return issue(t, c, CA{})
}

// PEM is the CA's certificate, as an operator has it in a file.
func (ca CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Cert.Raw})
}

// issue has by sign a certificate for a fresh key; by itself if by is nobody.
func issue(t testing.TB, c *x509.Certificate, by CA) CA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by.Cert == nil {
		by = CA{c, key}
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore = serial, time.Now().AddDate(-10, 0, 0)
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().AddDate(10, 0, 0)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.Cert, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return CA{cert, key}
}

// FIDO signs metadata.
type FIDO struct {
	Root   CA
	Signer CA
}

// NewFIDO makes one whose signer has a certificate for name.
func NewFIDO(t testing.TB, name string) FIDO {
	t.Helper()
	root := NewCA(t, "root of metadata")
	return FIDO{root, issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}}, root)}
}

// Blob is a metadata BLOB with one entry for each model, signed.
func (f FIDO) Blob(t testing.TB, number int, nextUpdate time.Time, models ...Model) []byte {
	t.Helper()
	entries := []any{}
	for _, m := range models {
		entries = append(entries, m.entry())
	}
	payload, err := json.Marshal(map[string]any{
		"legalHeader": "test", "no": number, "nextUpdate": nextUpdate.UTC().Format(time.DateOnly), "entries": entries,
	})
	if err != nil {
		t.Fatal(err)
	}
	chain := []string{base64.StdEncoding.EncodeToString(f.Signer.Cert.Raw), base64.StdEncoding.EncodeToString(f.Root.Cert.Raw)}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: f.Signer.key},
		(&jose.SignerOptions{}).WithHeader("x5c", chain))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return []byte(out)
}

// Model is one model of authenticators. What is not set is as honest makers do it.
type Model struct {
	AAGUID [16]byte
	Maker  CA
	Keys   []string // KEY_PROTECTION
	Status []string // of FIDO; newest last
}

// NewModel makes one of a maker of its own that keeps keys in hardware.
func NewModel(t testing.TB) Model {
	t.Helper()
	m := Model{Maker: NewCA(t, "maker"), Keys: []string{"hardware", "secure_element"}, Status: []string{"FIDO_CERTIFIED_L1"}}
	rand.Read(m.AAGUID[:])
	return m
}

// Name is what the metadata calls the model.
func (m Model) Name() string { return fmt.Sprintf("Test key %x", m.AAGUID[:2]) }

func (m Model) entry() map[string]any {
	h := hex.EncodeToString(m.AAGUID[:])
	id := h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	reports := []any{}
	for _, s := range m.Status {
		reports = append(reports, map[string]any{"status": s, "effectiveDate": "2024-01-01"})
	}
	return map[string]any{
		"aaguid": id, "timeOfLastStatusChange": "2024-01-01", "statusReports": reports,
		"metadataStatement": map[string]any{
			"aaguid": id, "description": m.Name(), "protocolFamily": "fido2", "schema": 3,
			"attestationTypes": []string{"basic_full", "basic_surrogate"}, "keyProtection": m.Keys,
			"attestationRootCertificates": []string{base64.StdEncoding.EncodeToString(m.Maker.Cert.Raw)},
		},
	}
}

// Attest makes of the answer of an authenticator without attestation (a
// PublicKeyCredential as JSON) that of one of this model.
func (m Model) Attest(t testing.TB, answer []byte) []byte {
	t.Helper()
	return m.AttestAs(t, answer, m.AAGUID)
}

// AttestAs is Attest with a certificate that names another model.
func (m Model) AttestAs(t testing.TB, answer []byte, certified [16]byte) []byte {
	t.Helper()
	var credential map[string]any
	if err := json.Unmarshal(answer, &credential); err != nil {
		t.Fatal(err)
	}
	response := credential["response"].(map[string]any)
	var object struct {
		AuthData []byte `cbor:"authData"`
	}
	if err := cbor.Unmarshal(decode(t, response["attestationObject"]), &object); err != nil {
		t.Fatal(err)
	}
	const aaguidAt = 37 // WebAuthn §6.1: after hash, flags and counter
	copy(object.AuthData[aaguidAt:], m.AAGUID[:])
	statement := m.statement(t, object.AuthData, decode(t, response["clientDataJSON"]), certified)
	made, err := cbor.Marshal(map[string]any{"fmt": "packed", "attStmt": statement, "authData": object.AuthData})
	if err != nil {
		t.Fatal(err)
	}
	response["attestationObject"] = base64.RawURLEncoding.EncodeToString(made)
	delete(response, "authenticatorData") // said again there, with the AAGUID of before
	out, err := json.Marshal(credential)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// statement is a packed attestation statement with a certificate (WebAuthn §8.2).
func (m Model) statement(t testing.TB, authData, clientData []byte, certified [16]byte) map[string]any {
	t.Helper()
	aaguid, err := asn1.Marshal(certified[:])
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, &x509.Certificate{
		Subject: pkix.Name{Country: []string{"JP"}, Organization: []string{"Maker"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Batch 1"},
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: aaguid},
		},
		BasicConstraintsValid: true,
	}, m.Maker)
	client := sha256.Sum256(clientData)
	sum := sha256.Sum256(bytes.Join([][]byte{authData, client[:]}, nil))
	sig, err := ecdsa.SignASN1(rand.Reader, leaf.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"alg": -7, "sig": sig, "x5c": [][]byte{leaf.Cert.Raw}}
}

func decode(t testing.TB, text any) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
