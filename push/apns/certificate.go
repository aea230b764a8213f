package apns

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/sideshow/apns2/certificate"

	"github.com/mitome-ciba/mitome/push"
)

// File is a certificate of Apple's as it was put on the disk.
type File struct {
	Certificate []byte // a .p12 file, or PEM
	Key         []byte // PEM, if it does not stand in Certificate
	Password    string // of a .p12 file, or of the key
}

// ReadCertificate reads a certificate and its key. Its error quotes nothing of
// the file.
func ReadCertificate(f File) (*tls.Certificate, error) {
	read := certificate.FromP12Bytes
	data := f.Certificate
	if bytes.Contains(data, []byte("-----BEGIN")) {
		read, data = certificate.FromPemBytes, bytes.Join([][]byte{data, f.Key}, []byte("\n"))
	}
	c, err := read(data, f.Password)
	switch {
	case errors.Is(err, certificate.ErrNoPrivateKey):
		return nil, errors.New("apns: the certificate has no private key with it")
	case err != nil || c.Leaf == nil:
		return nil, errors.New("apns: the certificate cannot be read: its password is wrong, or it is neither PEM nor a .p12 file of the old kind; " +
			"openssl pkcs12 -in FILE -nodes makes PEM of any")
	case !belongs(c.PrivateKey, c.Leaf):
		return nil, errors.New("apns: the private key is not the certificate's")
	}
	return &c, nil
}

func belongs(key crypto.PrivateKey, leaf *x509.Certificate) bool {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return false
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(leaf.PublicKey)
}

// showing is base with every connection showing c. It shows c whatever list of
// issuers the service sends: another certificate there is none.
func showing(base http.RoundTripper, c *tls.Certificate) (http.RoundTripper, error) {
	t, ok := base.(*http.Transport)
	if !ok {
		return nil, errors.New("apns: a certificate needs a client with a transport")
	}
	t = t.Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c, nil }
	return t, nil
}

// Expires is when the certificate lapses; zero with a key, which does not.
func (s *Sender) Expires() time.Time {
	if s.certificate == nil {
		return time.Time{}
	}
	return s.certificate.Leaf.NotAfter
}

// lapsed finds out before anybody is called that a certificate is over. It does
// not keep Mitome from starting: that would take every other channel along.
func (s *Sender) lapsed() error {
	if end := s.Expires(); !end.IsZero() && !s.now().Before(end) {
		return fmt.Errorf("%w: apns: the certificate expired on %s", push.ErrBroken, end.UTC().Format(time.DateOnly))
	}
	return nil
}

// notOurs reports whether err is the service's refusal of our certificate in TLS,
// where there is no answer yet. In TLS 1.3 that may be lost with the connection;
// then it is an attempt that failed, and a later one tells.
func (s *Sender) notOurs(err error) bool {
	var refusal *net.OpError
	return s.certificate != nil && errors.As(err, &refusal) && refusal.Op == "remote error"
}
