// Package keycloak speaks with Keycloak's HTTP authentication channel
// (ciba-http-auth-channel), for one realm a connection. Keycloak needs nothing
// but its own configuration for it.
//
// # Why
//
// Keycloak's only credential is the bearer token that comes with each request:
// whoever holds it can approve that request at Keycloak. It is what we verify on
// the way in and what we send back on the way out, so it is the request's handle
// and treated as a secret everywhere.
//
// An approval is reported once. Keycloak answers a second report of it with 403
// and deletes the request that it had approved, so the login to which the user
// said yes fails. A denial may be repeated: Keycloak overwrites the first.
package keycloak

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/keyset"
)

// Config is the part of a connection's configuration that is Keycloak's own.
type Config struct {
	Issuer            string          `koanf:"issuer" desc:"The realm's issuer, exactly as in its discovery document: https://host/realms/name." required:"true"`
	InternalURL       string          `koanf:"internal_url" desc:"Where Mitome reaches Keycloak, if not by the issuer's own address: scheme://host:port. The path and the Host header are the issuer's." derived:"the issuer's address"`
	ExpiresIn         time.Duration   `koanf:"expires_in" desc:"The realm's CIBA policy \"Expires In\" (cibaExpiresIn). Keycloak does not tell it, and forgets a request after it whatever its token says." default:"120s"`
	Margin            time.Duration   `koanf:"margin" desc:"How long before Keycloak's own deadline users can no longer answer; at least 3s, so that the answer arrives in time." default:"3s"`
	Guard             time.Duration   `koanf:"guard" desc:"How long after our 201 no decision is sent: Keycloak stores the request only after it, and refuses a decision that comes earlier." default:"500ms"`
	RequestSecret     approval.Secret `koanf:"request_secret" desc:"If set (16 characters or more), Keycloak must call /op/<name>?token=<this>. A second factor beside the token that it signs." derived:"none"`
	RequestSecretFile string          `koanf:"request_secret_file" desc:"File that holds request_secret." derived:"none"`
	Algorithms        []string        `koanf:"algorithms" desc:"Signature algorithms that are accepted." default:"RS256,PS256,ES256"`
}

// Bounds of the settings.
const (
	minSecret = 16
	maxGuard  = 5 * time.Second
	// ackWithin is Keycloak's own time limit: the default socket timeout of its
	// HTTP client.
	ackWithin = 5 * time.Second
	// keysPause is the least time between two fetches for a key that the realm
	// does not have: a new one must be found while Keycloak waits.
	keysPause = time.Second
)

// The endpoints of a realm, below its issuer.
const (
	CertsPath    = "/protocol/openid-connect/certs"
	CallbackPath = "/protocol/openid-connect/ext/ciba/auth/callback"
)

// signatureAlgorithms are those that may be configured: public keys only. With
// HMAC the realm's public key could be turned into a signing key.
var signatureAlgorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// Adapter is an op.Adapter for one realm.
type Adapter struct {
	cfg  Config
	algs []jose.SignatureAlgorithm
	keys *keyset.Set
	post *op.Poster
	base string // where the realm is reached: the issuer, by way of internal_url
	host string // Host header; empty if it is the one of base
	now  func() time.Time
}

var (
	_ op.Kind    = Open
	_ op.Hurried = (*Adapter)(nil)
)

// Open is the op.Kind "keycloak". It reads no more than its configuration:
// Keycloak need not be up yet.
func Open(decode func(any) error, d op.Deps) (op.Adapter, error) {
	var cfg Config
	if err := decode(&cfg); err != nil {
		return nil, err
	}
	if err := cfg.finish(); err != nil {
		return nil, err
	}
	post, err := op.NewPoster(d.Client)
	if err != nil {
		return nil, err
	}
	a := &Adapter{cfg: cfg, post: post, now: d.Now}
	for _, alg := range cfg.Algorithms {
		a.algs = append(a.algs, jose.SignatureAlgorithm(alg))
	}
	a.base, a.host = cfg.Reach()
	a.keys = &keyset.Set{URL: a.base + CertsPath, Host: a.host, Client: d.Client, Log: d.Log, Now: d.Now, Pause: keysPause}
	return a, nil
}

// AckWithin implements op.Hurried.
func (a *Adapter) AckWithin() time.Duration { return ackWithin }

// finish fills what a file holds and returns all faults, one an error.
func (c *Config) finish() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if err := c.readSecret(); err != nil {
		faults = append(faults, err)
	}
	if u, err := url.Parse(c.Issuer); err != nil || !isHTTP(u) || u.RawQuery != "" || u.Fragment != "" ||
		u.User != nil || strings.HasSuffix(c.Issuer, "/") {
		fault("issuer must be the http or https URL of a realm, without query and without a slash at its end")
	}
	if u, err := url.Parse(c.InternalURL); c.InternalURL != "" &&
		(err != nil || !isHTTP(u) || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil) {
		fault("internal_url must be http:// or https:// with host and port only")
	}
	if c.Margin < op.Margin {
		fault("margin must be at least %v", op.Margin)
	}
	if c.ExpiresIn <= c.Margin {
		fault("expires_in must be longer than margin")
	}
	if c.Guard < 0 || c.Guard > maxGuard {
		fault("guard must be at most %v", maxGuard)
	}
	if len(c.Algorithms) == 0 {
		fault("algorithms must name at least one")
	}
	for _, alg := range c.Algorithms {
		if !slices.Contains(signatureAlgorithms, jose.SignatureAlgorithm(alg)) {
			fault("algorithms: %q is not a signature by public key", alg)
		}
	}
	return errors.Join(faults...)
}

// readSecret takes request_secret from its file, if it has one.
func (c *Config) readSecret() error {
	if c.RequestSecretFile != "" {
		if c.RequestSecret != "" {
			return errors.New("request_secret and request_secret_file cannot both be set")
		}
		b, err := os.ReadFile(c.RequestSecretFile)
		if err != nil {
			return fmt.Errorf("request_secret_file: %w", err)
		}
		if c.RequestSecret = approval.Secret(strings.TrimSpace(string(b))); c.RequestSecret == "" {
			return errors.New("request_secret_file is empty") // not "no secret": somebody meant one
		}
	}
	if n := len(c.RequestSecret); n > 0 && n < minSecret {
		return fmt.Errorf("request_secret must have at least %d characters", minSecret)
	}
	return nil
}

func isHTTP(u *url.URL) bool {
	return (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// Reach returns the realm's base URL and the Host header to call it with.
// Keycloak without a fixed host name derives its issuer from that header and
// rejects its own token when the two differ.
func (c *Config) Reach() (base, host string) {
	if c.InternalURL == "" {
		return c.Issuer, ""
	}
	u, _ := url.Parse(c.Issuer) // finish has parsed it
	return strings.TrimSuffix(c.InternalURL, "/") + u.EscapedPath(), u.Host
}

// header makes the headers of a call that carries the bearer back.
func header(bearer approval.Secret) http.Header {
	return http.Header{
		"Authorization": {"Bearer " + string(bearer)},
		"Content-Type":  {"application/json"},
		"Accept":        {"application/json"},
	}
}
