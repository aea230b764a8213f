package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/mitome-ciba/mitome/approval/op"
)

// Key admits the bearer of one API key.
type Key struct {
	Name   string `koanf:"name" desc:"Name of an API key, for the audit log: a-z, 0-9, hyphen. Several keys are valid at once, so that they can be changed without a gap." required:"true"`
	SHA256 string `koanf:"sha256" desc:"SHA-256 of the key in hex, as mitome op key prints it. Put it in quotes." required:"true"`
	Only   string `koanf:"only" desc:"login_hint_tokens: the key may exchange the code of a phone for a login_hint_token and do nothing else; for the backend of a till, which is not the OP." derived:"it may do all that the OP may"`
}

// Assertion admits JWTs that the OP signs (private_key_jwt, RFC 7523), each good
// for one call.
type Assertion struct {
	Issuer       string         `koanf:"issuer" desc:"What the OP writes into iss and sub of the JWTs that it signs for its calls; its own issuer, say." derived:"no JWTs are taken"`
	Audience     string         `koanf:"audience" desc:"What it writes into aud." derived:"public_url/op/<name>"`
	JWKSURL      string         `koanf:"jwks_url" desc:"Where the OP publishes its public keys; https, or http with allow_private." derived:"jwks_file"`
	JWKSFile     string         `koanf:"jwks_file" desc:"File that holds them (a JWK set), if the OP publishes none." derived:"none"`
	AllowPrivate []netip.Prefix `koanf:"allow_private" desc:"Networks (CIDR) that jwks_url may lead to besides public addresses." derived:"none"`
}

// Certificate admits the holder of one client certificate.
type Certificate struct {
	Name   string `koanf:"name" desc:"Name of a client certificate (mutual TLS), for the audit log: a-z, 0-9, hyphen. Several are valid at once, so that they can be changed without a gap." required:"true"`
	SHA256 string `koanf:"sha256" desc:"SHA-256 of the certificate in hex, as openssl x509 -noout -fingerprint -sha256 prints it. Put it in quotes." derived:"dns"`
	DNS    string `koanf:"dns" desc:"In its place: a DNS name (SAN) in any certificate of tls.ops.client_ca_file." derived:"none"`
}

var (
	keyName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	dnsName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	// nothing is what a script configures whose key was empty.
	nothing = hex.EncodeToString(sha256.New().Sum(nil))
)

// checkAuth adds what is wrong with the ways in which the OP proves itself.
func (c *Config) checkAuth(d op.Deps, fault func(string, ...any)) {
	if len(c.Keys) == 0 && len(c.Certificates) == 0 && !c.Assertion.set() {
		fault("keys is missing, and so are client_assertion and client_certificates: the OP must prove itself by one of them")
	}
	seen := map[string]bool{}
	again := func(names ...string) (found bool) {
		for _, n := range names {
			found = found || n != "" && seen[n]
			seen[n] = true
		}
		return found
	}
	for i, k := range c.Keys {
		hash := strings.ToLower(k.SHA256)
		if b, err := hex.DecodeString(hash); err != nil || len(b) != 32 || hash == nothing || !keyName.MatchString(k.Name) {
			fault("keys[%d] must have a name (a-z, 0-9, hyphen) and a sha256 of 64 hex digits, as mitome op key prints them", i)
		}
		if again(k.Name, hash) {
			fault("keys[%d] must not repeat a name or a key", i)
		}
	}
	for i, k := range c.Certificates {
		hash, err := fingerprint(k.SHA256)
		if err != nil || (hash == "") == (k.DNS == "") || !keyName.MatchString(k.Name) || k.DNS != "" && !dnsName.MatchString(k.DNS) {
			fault("client_certificates[%d] must have a name (a-z, 0-9, hyphen) and either a sha256, of 64 hex digits, or a dns name", i)
		}
		if again(k.Name, hash, k.DNS) {
			fault("client_certificates[%d] must not repeat a name or a certificate", i)
		}
		if k.DNS != "" && d.ClientCAs == nil {
			fault("client_certificates[%d] needs tls.ops.client_ca_file: anybody can put a name into a certificate of his own", i)
		}
	}
	if len(c.Certificates) > 0 && !d.EndsTLS {
		fault("client_certificates cannot be used without tls.ops: Mitome must see the certificate itself, a proxy's word for it is not taken")
	}
	c.Assertion.check(fault)
}

func (s Assertion) set() bool {
	return s.Issuer != "" || s.Audience != "" || s.JWKSURL != "" || s.JWKSFile != "" || len(s.AllowPrivate) > 0
}

func (s Assertion) check(fault func(string, ...any)) {
	if !s.set() {
		return
	}
	if s.Issuer == "" || (s.JWKSURL == "") == (s.JWKSFile == "") {
		fault("client_assertion must have an issuer, and either jwks_url or jwks_file")
	}
	if s.JWKSFile != "" {
		if _, err := s.readKeys(); err != nil {
			fault("%v", err)
		}
	}
	if s.JWKSURL == "" {
		return
	}
	if u, err := url.Parse(s.JWKSURL); err != nil || u.Host == "" || u.User != nil || u.Fragment != "" ||
		u.Scheme != "https" && (u.Scheme != "http" || len(s.AllowPrivate) == 0) {
		fault("client_assertion must have a jwks_url that begins with https://, or with http:// if allow_private says where it may lead")
	}
}

func (s Assertion) readKeys() (fixed, error) {
	b, err := os.ReadFile(s.JWKSFile)
	if err != nil {
		return nil, errors.New("client_assertion needs a jwks_file that can be read")
	}
	return parseFile(b)
}

// fingerprint reads hex with or without the colons of openssl, and returns what
// it stands for; nothing for no text.
func fingerprint(text string) (string, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err == nil && text != "" && len(b) != sha256.Size {
		err = errors.New("not a SHA-256")
	}
	return string(b), err
}
