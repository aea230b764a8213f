package webhook

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/mitome-ciba/mitome/approval/op"
)

// certificate admits who holds the key of it.
type certificate struct {
	name string
	hash string // of the one certificate, raw; or
	dns  string // a name that one of the CA's must bear
}

// byCertificate takes the certificate of the connection. That the caller holds
// its key the handshake has shown, and no more than that: it takes any.
func (a *Adapter) byCertificate(state *tls.ConnectionState) (Identity, error) {
	no := func(why string) (Identity, error) { return Identity{}, fmt.Errorf("%w: %s", op.ErrUnauthentic, why) }
	if len(a.certificates) == 0 {
		return no("no bearer")
	}
	if state == nil || len(state.PeerCertificates) == 0 {
		return no("neither a bearer nor a client certificate")
	}
	leaf, now := state.PeerCertificates[0], a.now()
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return no("client certificate has expired or is not valid yet")
	}
	if a.clientCAs != nil {
		between := x509.NewCertPool()
		for _, c := range state.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots: a.clientCAs, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		if err != nil {
			return no("client certificate is not of tls.ops.client_ca_file")
		}
	}
	hash := sha256.Sum256(leaf.Raw)
	for _, c := range a.certificates {
		if c.hash == string(hash[:]) || c.dns != "" && slices.ContainsFunc(leaf.DNSNames, func(n string) bool { return strings.EqualFold(n, c.dns) }) {
			return Identity{Name: c.name}, nil
		}
	}
	return no("client certificate is not one of this connection's")
}
