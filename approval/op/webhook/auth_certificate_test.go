package webhook_test

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
)

// issue makes a certificate for a name, by itself or by a CA.
func issue(t *testing.T, ca *x509.Certificate, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "op"}, DNSNames: []string{"OP.example"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if change != nil {
		change(c)
	}
	parent := ca
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, ec.Public(), ec)
	if err != nil {
		t.Fatal(err)
	}
	return must2(x509.ParseCertificate(der))
}

// authority makes a CA, whose key is ec as everybody's here.
func authority(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	return issue(t, nil, func(c *x509.Certificate) {
		c.Subject.CommonName, c.SubjectKeyId, c.IsCA, c.DNSNames, c.KeyUsage = name, []byte(name), true, nil, x509.KeyUsageCertSign
		c.ExtKeyUsage = nil
	})
}

func hashOfCert(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// shown is a call over a connection on which these certificates were shown.
func shown(certs ...*x509.Certificate) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/op/shop/v1/requests/x", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: certs}
	return r
}

// certified is a connection whose OP shows certificates, and has no API key.
func certified(t *testing.T, cas []*x509.Certificate, certs ...webhook.Certificate) *webhook.Adapter {
	t.Helper()
	cfg := configured("http://127.0.0.1:9")
	cfg.Keys, cfg.Certificates = nil, certs
	d := deps()
	d.EndsTLS = true
	if cas != nil {
		d.ClientCAs = x509.NewCertPool()
	}
	for _, ca := range cas {
		d.ClientCAs.AddCert(ca)
	}
	a, err := open(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCertificates(t *testing.T) {
	ours, theirs := authority(t, "ours"), authority(t, "theirs")
	self, next := issue(t, nil, nil), issue(t, nil, nil)
	between := issue(t, ours, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage, c.DNSNames = "between", true, x509.KeyUsageCertSign, nil
	})
	byOurs, byTheirs, byBetween := issue(t, ours, nil), issue(t, theirs, nil), issue(t, between, nil)
	old := issue(t, ours, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) })
	early := issue(t, ours, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) })
	servers := issue(t, ours, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	elsewhere := issue(t, ours, func(c *x509.Certificate) { c.DNSNames = []string{"bank.example", "x.op.example"} })
	wild := issue(t, ours, func(c *x509.Certificate) { c.DNSNames = []string{"*.example"} })
	common := issue(t, ours, func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "op.example" })
	pin := func(name string, c *x509.Certificate) webhook.Certificate {
		return webhook.Certificate{Name: name, SHA256: hashOfCert(c)}
	}
	colons := strings.ToUpper(hashOfCert(next))
	for i := len(colons) - 2; i > 0; i -= 2 {
		colons = colons[:i] + ":" + colons[i:]
	}
	pinned := certified(t, nil, pin("a", self), webhook.Certificate{Name: "b", SHA256: colons}, pin("old", old), pin("early", early))
	both := certified(t, []*x509.Certificate{ours}, pin("a", byOurs), pin("t", byTheirs), pin("s", servers), pin("self", self))
	named := certified(t, []*x509.Certificate{ours}, webhook.Certificate{Name: "n", DNS: "op.example"})
	tests := []struct {
		name string
		conn *webhook.Adapter
		call *http.Request
		want string // empty: refused
	}{
		{"pinned", pinned, shown(self), "a"},
		{"the next one", pinned, shown(next), "b"},
		{"pinned of a CA, none asked", certified(t, nil, pin("a", byOurs)), shown(byOurs), "a"},
		{"pinned and of the CA", both, shown(byOurs), "a"},
		{"a name", named, shown(byOurs), "n"},
		{"a name by way of another CA", named, shown(byBetween, between), "n"},

		{"no TLS", pinned, bearing(""), ""},
		{"no certificate", pinned, shown(), ""},
		{"another certificate", pinned, shown(byOurs), ""},
		{"the pinned one behind", pinned, shown(byOurs, self), ""},
		{"expired", pinned, shown(old), ""},
		{"not valid yet", pinned, shown(early), ""},
		{"right CA, wrong hash", both, shown(elsewhere), ""},
		{"right hash, another CA", both, shown(byTheirs), ""},
		{"right hash, no CA", both, shown(self), ""},
		{"right hash, a server's", both, shown(servers), ""},
		{"right name, another CA", named, shown(byTheirs), ""},
		{"right name, without the CA between", named, shown(byBetween), ""},
		{"another name of the CA", named, shown(elsewhere), ""},
		{"a wildcard", named, shown(wild), ""},
		{"a common name", named, shown(common), ""},
		{"the CA itself", named, shown(ours), ""},
	}
	for _, tt := range tests {
		tt.call.Header.Del("Authorization")
		id, err := tt.conn.Authenticate(tt.call)
		if id.Name != tt.want || id.Once != "" || errors.Is(err, op.ErrUnauthentic) != (tt.want == "") {
			t.Errorf("%s: got %+v, %v, want %q", tt.name, id, err, tt.want)
		}
	}
	// What a proxy says that it has seen is worth nothing here.
	for _, header := range []string{"X-Client-Cert", "X-SSL-Client-Cert", "Client-Cert", "X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert"} {
		r := shown()
		r.Header.Set(header, url.QueryEscape(string(self.Raw)))
		if _, err := pinned.Authenticate(r); !errors.Is(err, op.ErrUnauthentic) {
			t.Errorf("%s: got %v, want %v", header, err, op.ErrUnauthentic)
		}
	}
	// A wrong bearer is not mended by a right certificate.
	r := shown(self)
	r.Header.Set("Authorization", "Bearer key-one")
	if _, err := pinned.Authenticate(r); !errors.Is(err, op.ErrUnauthentic) {
		t.Errorf("wrong bearer: got %v, want %v", err, op.ErrUnauthentic)
	}
	if !pinned.TakesCertificates() || signing(t, nil).TakesCertificates() {
		t.Error("the listener would ask the wrong callers")
	}
}

func TestAuthConfig(t *testing.T) {
	self := issue(t, nil, nil)
	good := webhook.Certificate{Name: "a", SHA256: hashOfCert(self)}
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "jwks.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	of := func(keys ...jose.JSONWebKey) string { return jwks(t, keys...) }
	tests := []struct {
		name   string
		change func(*webhook.Config, *op.Deps)
		want   string // in the one fault; empty: none
	}{
		{"a certificate", func(c *webhook.Config, _ *op.Deps) { c.Certificates = []webhook.Certificate{good} }, ""},
		{"a name", func(c *webhook.Config, d *op.Deps) {
			c.Certificates, d.ClientCAs = []webhook.Certificate{{Name: "a", DNS: "op.example"}}, x509.NewCertPool()
		}, ""},
		{"keys in a file", func(c *webhook.Config, _ *op.Deps) { c.Assertion.JWKSFile = of(published("ec", ec)) }, ""},
		{"keys at a URL", func(c *webhook.Config, _ *op.Deps) { c.Assertion.JWKSURL = "https://op.example/jwks" }, ""},

		{"nothing", func(*webhook.Config, *op.Deps) {}, "keys is missing"},
		{"the key is empty", func(c *webhook.Config, _ *op.Deps) { c.Keys = []webhook.Key{{Name: "k1", SHA256: hashOf("")}} }, "keys[0] must"},
		{"no TLS here", func(c *webhook.Config, d *op.Deps) { c.Certificates, d.EndsTLS = []webhook.Certificate{good}, false }, "without tls.ops"},
		{"a name of any CA", func(c *webhook.Config, _ *op.Deps) {
			c.Certificates = []webhook.Certificate{{Name: "a", DNS: "op.example"}}
		}, "client_ca_file"},
		{"a name and a hash", func(c *webhook.Config, d *op.Deps) {
			d.ClientCAs, c.Certificates = x509.NewCertPool(), []webhook.Certificate{{Name: "a", SHA256: good.SHA256, DNS: "op.example"}}
		}, "either a sha256"},
		{"neither", func(c *webhook.Config, _ *op.Deps) { c.Certificates = []webhook.Certificate{{Name: "a"}} }, "either a sha256"},
		{"a wildcard", func(c *webhook.Config, d *op.Deps) {
			d.ClientCAs, c.Certificates = x509.NewCertPool(), []webhook.Certificate{{Name: "a", DNS: "*.example"}}
		}, "either a sha256"},
		{"a short hash", func(c *webhook.Config, _ *op.Deps) {
			c.Certificates = []webhook.Certificate{{Name: "a", SHA256: "abcd"}}
		}, "either a sha256"},
		{"no name", func(c *webhook.Config, _ *op.Deps) { c.Certificates = []webhook.Certificate{{SHA256: good.SHA256}} }, "must have a name"},
		{"twice", func(c *webhook.Config, _ *op.Deps) {
			c.Certificates = []webhook.Certificate{good, {Name: "b", SHA256: good.SHA256}}
		}, "repeat"},
		{"a key's name", func(c *webhook.Config, _ *op.Deps) {
			c.Keys, c.Certificates = []webhook.Key{{Name: "a", SHA256: hashOf("x")}}, []webhook.Certificate{good}
		}, "repeat"},
		{"no keys", func(c *webhook.Config, _ *op.Deps) { c.Assertion.Issuer = issuer }, "either jwks_url or jwks_file"},
		{"both", func(c *webhook.Config, _ *op.Deps) {
			c.Assertion.JWKSURL, c.Assertion.JWKSFile = "https://op.example/", of(published("ec", ec))
		}, "either jwks_url or jwks_file"},
		{"no issuer", func(c *webhook.Config, _ *op.Deps) {
			c.Assertion = webhook.Assertion{JWKSURL: "https://op.example/", Audience: "x"}
		}, "must have an issuer"},
		{"http to the world", func(c *webhook.Config, _ *op.Deps) { c.Assertion.JWKSURL = "http://op.example/" }, "https://"},
		{"no such file", func(c *webhook.Config, _ *op.Deps) { c.Assertion.JWKSFile = "/nowhere" }, "can be read"},
		{"no JSON", func(c *webhook.Config, _ *op.Deps) { c.Assertion.JWKSFile = file("{") }, "a JWK set"},
		{"an empty set", func(c *webhook.Config, _ *op.Deps) { c.Assertion.JWKSFile = file(`{"keys":[]}`) }, "a JWK set"},
		{"a private key", func(c *webhook.Config, _ *op.Deps) {
			c.Assertion.JWKSFile = of(published("rs", rs), jose.JSONWebKey{Key: ec, KeyID: "ec"})
		}, "number 2"},
		{"a symmetric key", func(c *webhook.Config, _ *op.Deps) {
			c.Assertion.JWKSFile = of(jose.JSONWebKey{Key: []byte("secret-secret"), KeyID: "hs"})
		}, "public keys"},
		{"a key without kid", func(c *webhook.Config, _ *op.Deps) { c.Assertion.JWKSFile = of(published("", ec)) }, "a kid of its own"},
		{"a kid twice", func(c *webhook.Config, _ *op.Deps) { c.Assertion.JWKSFile = of(published("k", ec), published("k", rs)) }, "a kid of its own"},
		{"a key for encryption", func(c *webhook.Config, _ *op.Deps) {
			c.Assertion.JWKSFile = of(jose.JSONWebKey{Key: rs.Public(), KeyID: "k", Use: "enc"})
		}, "a kid of its own"},
		{"a short key", func(c *webhook.Config, _ *op.Deps) { c.Assertion.JWKSFile = of(published("k", short)) }, "2048 bits"},
	}
	for _, tt := range tests {
		cfg, d := configured(""), deps()
		cfg.Keys, cfg.Webhook, d.EndsTLS = nil, webhook.Section{}, true
		tt.change(&cfg, &d)
		if a := cfg.Assertion; a.JWKSURL+a.JWKSFile != "" && a.Audience == "" {
			cfg.Assertion.Issuer = issuer
		}
		_, err := open(cfg, d)
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		case err != nil && strings.Contains(err.Error(), `"d":`), err != nil && strings.Contains(err.Error(), "secret-secret"):
			t.Errorf("%s: the fault holds a key: %v", tt.name, err)
		}
	}
}
