package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// pki is a CA, and a key that everybody here has.
type pki struct {
	ca  *x509.Certificate
	key *ecdsa.PrivateKey
}

func newPKI(t *testing.T) pki {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := pki{key: key}
	p.ca = p.issue(t, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage, c.ExtKeyUsage = rand.Text(), true, x509.KeyUsageCertSign, nil
	}).Leaf
	return p
}

// issue makes a certificate by the CA; the first makes the CA by itself.
func (p pki) issue(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "op"}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	change(of)
	parent := p.ca
	if parent == nil {
		parent = of
	}
	der, err := x509.CreateCertificate(rand.Reader, of, parent, p.key.Public(), p.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: p.key, Leaf: leaf}
}

func certHash(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return hex.EncodeToString(sum[:])
}

// authStage is a Mitome that serves TLS to an OP, and what the OP proves itself by.
type authStage struct {
	*gateway
	url, key      string
	ours          pki
	pinned, named tls.Certificate
	jwts          *ecdsa.PrivateKey
}

// newAuthStage starts it. Its OP may do as it likes at corp; far is in a network
// of its own.
func newAuthStage(t *testing.T) *authStage {
	t.Helper()
	s := &authStage{ours: newPKI(t)}
	s.jwts = newPKI(t).key
	s.pinned = s.ours.issue(t, func(*x509.Certificate) {})
	s.named = s.ours.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"op.example"} })
	server := s.ours.issue(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	dir := t.TempDir()
	private, err := x509.MarshalPKCS8PrivateKey(s.ours.key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"tls-ca": {Type: "CERTIFICATE", Bytes: s.ours.ca.Raw}, "tls-cert": {Type: "CERTIFICATE", Bytes: server.Certificate[0]},
		"tls-key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.jwts.Public(), KeyID: "k1", Algorithm: "ES256"}}})
	}))
	t.Cleanup(keys.Close)
	var hash string
	s.key, hash = opCredentials(t, dir)
	key := `keys: [{name: test, sha256: "` + hash + `"}]`
	g, ops := newStandalone(t,
		"kind: webhook",
		key,
		"client_assertion: {issuer: 'https://op.example', jwks_url: '"+keys.URL+"', allow_private: [127.0.0.0/8]}",
		`client_certificates: [{name: pinned, sha256: "`+certHash(s.pinned)+`"}, {name: named, dns: op.example}]`,
		"networks: [127.0.0.0/8]",
		// What stands beside this connection is no more indented than it.
		"rules: {}\n  - name: far\n    kind: webhook\n    limits: {off: true}\n    "+key+"\n    networks: [10.0.0.0/8]\n"+
			"tls: {ops: {cert_file: '"+dir+"/tls-cert', key_file: '"+dir+"/tls-key', client_ca_file: '"+dir+"/tls-ca'}}",
	)
	s.gateway, s.url = g, strings.Replace(ops, "http:", "https:", 1)
	return s
}

// jwt is one that the OP signs for one call.
func (s *authStage) jwt(t *testing.T) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.jwts, KeyID: "k1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: "https://op.example", Subject: "https://op.example", Audience: jwt.Audience{s.devices + "/op/corp"}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(time.Now()), Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute)),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// caller is an OP that proves itself in one way.
type caller struct {
	s      *authStage
	client *http.Client
	bearer func() string // nil: none
}

func (s *authStage) caller(t *testing.T, bearer func() string, shows ...tls.Certificate) caller {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.ours.ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	if len(shows) > 0 { // whatever the server names as CAs
		transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shows[0], nil }
	}
	t.Cleanup(transport.CloseIdleConnections)
	return caller{s, &http.Client{Transport: transport, Timeout: patience}, bearer}
}

// call makes one call below a connection. A body makes it a POST.
func (c caller) call(t *testing.T, path, body string) (int, []byte) {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, c.s.url+"/op/"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", rand.Text())
	if c.bearer != nil {
		r.Header.Set("Authorization", "Bearer "+c.bearer())
	}
	resp, err := c.client.Do(r)
	if err != nil {
		t.Fatal(err) // a refusal is an answer, not a broken handshake
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}
