package server

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how long a certificate is used before its files are looked at
// again.
const lookEvery = time.Second

// certificate is the one of a listener, as it stands in its files now: those who
// renew certificates write files, and know nothing of us. Nothing watches the
// files; a handshake looks, at most once a second.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu       sync.Mutex
	cert     *tls.Certificate
	pem      [2][]byte // what cert was made of
	refused  [2][]byte // what was there last and could not be used
	looked   time.Time
	unusable bool // refused says so already
}

// load reads the files for the first time, when what is wrong with them is a
// reason not to start.
func (c *certificate) load() error {
	pem, cert, err := c.read()
	if err != nil {
		return err
	}
	c.pem, c.cert, c.looked = pem, cert, c.now()
	return nil
}

// current returns the certificate for a handshake.
//
// Files that make no pair are the rule for a moment, while they are replaced one
// after the other, and a mistake if they stay so. Either way the one in use is
// better than none; the log says so once for each content.
func (c *certificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		c.renew()
	}
	return c.cert, nil
}

func (c *certificate) renew() {
	pem, cert, err := c.read()
	switch {
	case err != nil:
		if !c.unusable || !same(pem, c.refused) {
			c.log.Error("certificate cannot be used, the one before it stays", "file", c.certFile, "error", err)
		}
		c.refused, c.unusable = pem, true
	case !same(pem, c.pem):
		c.pem, c.cert = pem, cert
		c.log.Info("certificate renewed", "file", c.certFile, "until", cert.Leaf.NotAfter)
		fallthrough
	default:
		c.refused, c.unusable = [2][]byte{}, false
	}
}

// read returns what the files hold, and the certificate that it makes.
func (c *certificate) read() (pem [2][]byte, cert *tls.Certificate, err error) {
	for i, path := range []string{c.certFile, c.keyFile} {
		if pem[i], err = os.ReadFile(path); err != nil {
			return pem, nil, err
		}
	}
	if same(pem, c.pem) {
		return pem, c.cert, nil
	}
	pair, err := tls.X509KeyPair(pem[0], pem[1])
	if err != nil {
		return pem, nil, fmt.Errorf("%s and %s: %w", c.certFile, c.keyFile, err)
	}
	return pem, &pair, nil
}

func same(a, b [2][]byte) bool { return bytes.Equal(a[0], b[0]) && bytes.Equal(a[1], b[1]) }
