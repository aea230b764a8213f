package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
)

// caller calls as the server does, but for the addresses that are allowed.
func caller() doctor.Caller {
	return doctor.Caller{Now: time.Now, Client: &http.Client{
		Timeout:       doctor.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// want is one finding that must be there: its state, and words of its sentence.
type want struct {
	check string
	state doctor.State
	words string
}

// expect checks that every finding is there, and no fault or warning that was
// not expected: an operator who is sent after a fault that is none is awake for
// nothing.
func expect(t *testing.T, r *doctor.Report, wants ...want) {
	t.Helper()
	seen := map[int]bool{}
	for _, w := range wants {
		found := false
		for i, f := range r.Findings {
			if f.Check == w.check && f.State == w.state && strings.Contains(f.Text, w.words) {
				found, seen[i] = true, true
			}
		}
		if !found {
			t.Errorf("no %s of %s with %q", w.state, w.check, w.words)
		}
	}
	for i, f := range r.Findings {
		if f.State != doctor.OK && !seen[i] {
			t.Errorf("unexpected: %s of %s: %s", f.State, f.Check, f.Text)
		}
		if end := f.Text[len(f.Text)-1]; end != '.' || strings.ToUpper(f.Text[:1]) != f.Text[:1] && !strings.ContainsAny(f.Text[:1], "abcdefghijklmnopqrstuvwxyz/") {
			t.Errorf("not a sentence: %s", f.Text)
		}
	}
	if t.Failed() {
		for _, f := range r.Findings {
			t.Logf("%s %s: %s", f.State, f.Check, f.Text)
		}
	}
}

// closedPort is an address at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// rude takes connections and closes them, once said has been sent.
func rude(t *testing.T, said string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1024))
			_, _ = c.Write([]byte(said))
			c.Close()
		}
	}()
	return l.Addr().String()
}

// certificate is a self-signed one for a name.
func certificate(t *testing.T, name string, from, to time.Time) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

// secure serves h by TLS with a certificate, and a caller that trusts it.
func secure(t *testing.T, h http.Handler, cert tls.Certificate) (*httptest.Server, doctor.Caller) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it says what the test is about
	s.EnableHTTP2 = true                           // which knows no upgrade
	s.StartTLS()
	t.Cleanup(s.Close)
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	c := caller()
	c.Client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	return s, c
}
