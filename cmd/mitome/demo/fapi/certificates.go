package fapi

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// life is how long certificates are good for. They are gone with the demo.
const life = 7 * 24 * time.Hour

// certificates are a CA of this run's own, what it has issued, and where that
// stands.
type certificates struct {
	ca    *x509.Certificate
	caKey *ecdsa.PrivateKey
	pool  *x509.CertPool
	tls   tls.Certificate // of the OP

	caFile      string
	clientFiles []string // certificate and key of each of two clients
}

// newCertificates makes a CA, a certificate for the OP and one for each of two
// clients, and writes into folder what others need of them.
func newCertificates(folder string) (c certificates, err error) {
	if c.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return c, err
	}
	own := template("Mitome demo CA")
	own.IsCA, own.BasicConstraintsValid, own.KeyUsage = true, true, x509.KeyUsageCertSign
	c.ca = own
	der, err := c.issue(own, c.caKey.Public())
	if err != nil {
		return c, err
	}
	if c.ca, err = x509.ParseCertificate(der); err != nil {
		return c, err
	}
	c.pool = x509.NewCertPool()
	c.pool.AddCert(c.ca)
	c.caFile = filepath.Join(folder, "ca.pem")
	if err := write(c.caFile, "CERTIFICATE", der); err != nil {
		return c, err
	}
	for _, name := range []string{"client1", "client2"} {
		if err := c.client(folder, name); err != nil {
			return c, err
		}
	}
	return c, c.own()
}

// own issues the OP's certificate, with RSA: of TLS 1.2, FAPI 1.0 takes no suites
// but those (part 2 §8.5).
func (c *certificates) own() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	t := template("localhost")
	t.DNSNames, t.IPAddresses = []string{"localhost", "op.localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := c.issue(t, key.Public())
	c.tls = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return err
}

// client issues a certificate by which a client can be known (tls_client_auth).
func (c *certificates) client(folder, name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := template(name)
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := c.issue(t, key.Public())
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	cert, private := filepath.Join(folder, name+".pem"), filepath.Join(folder, name+"-key.pem")
	c.clientFiles = append(c.clientFiles, cert, private)
	if err := write(cert, "CERTIFICATE", der); err != nil {
		return err
	}
	return write(private, "PRIVATE KEY", secret)
}

func (c *certificates) issue(t *x509.Certificate, key crypto.PublicKey) (der []byte, err error) {
	return x509.CreateCertificate(rand.Reader, t, c.ca, key, c.caKey)
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // never fails
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life),
	}
}

func write(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// server is how the OP speaks TLS.
func (c *certificates) server(ask tls.ClientAuthType) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c.tls}, ClientAuth: ask,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
		NextProtos:   []string{"http/1.1"},
	}
}

// callTime bounds a call of the OP.
const callTime = 20 * time.Second

// thisMachine is an HTTP client that calls nobody but this machine, where clients
// under test listen with certificates of their own making. They are not checked:
// who could stand between could do more already.
func thisMachine() *http.Client {
	dialer := net.Dialer{Timeout: callTime, Control: func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			return fmt.Errorf("%s is not on this machine", host)
		}
		return nil
	}}
	return &http.Client{Timeout: callTime, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err == nil && strings.HasSuffix(host, ".localhost") { // whatever a resolver says of it
				address = net.JoinHostPort("127.0.0.1", port)
			}
			return dialer.DialContext(ctx, network, address)
		},
	}}
}
