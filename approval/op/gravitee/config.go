package gravitee

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// Config is the part of a connection's configuration that is Gravitee AM's own.
type Config struct {
	DomainURL        string          `koanf:"domain_url" desc:"Where AM's gateway serves the security domain: https://gateway/domain." required:"true"`
	CallbackPath     string          `koanf:"callback_path" desc:"Where decisions are told, below domain_url." default:"/oidc/ciba/authenticate/callback"`
	ClientID         string          `koanf:"client_id" desc:"Application of the domain as which Mitome tells decisions; it authenticates by client_secret_basic." required:"true"`
	ClientSecret     approval.Secret `koanf:"client_secret" desc:"Secret of that application." derived:"that of client_secret_file"`
	ClientSecretFile string          `koanf:"client_secret_file" desc:"File that holds client_secret." derived:"none"`
	HeaderName       string          `koanf:"header_name" desc:"Header by which AM proves itself, as the notifier's settings name it." default:"Authorization"`
	HeaderValue      approval.Secret `koanf:"header_value" desc:"Its whole value, word for word as in the notifier's settings, with at least 24 characters: Bearer and a long random secret." derived:"that of header_value_file"`
	HeaderValueFile  string          `koanf:"header_value_file" desc:"File that holds header_value." derived:"none"`
	ClientNameHeader string          `koanf:"client_name_header" desc:"Header in which AM says the name of the client that asks, if the notifier's settings add one. Users are shown it; without it they are shown the client's id." derived:"none"`
	Margin           time.Duration   `koanf:"margin" desc:"How long before AM's own deadline users can no longer answer; at least 3s, so that the answer arrives in time." default:"3s"`
	Guard            time.Duration   `koanf:"guard" desc:"How long after our answer no decision is sent: AM stores the transaction only after it. A decision that comes too early all the same is told again." default:"500ms"`
}

// Bounds of the settings.
const (
	minHeaderValue = 24
	maxGuard       = 5 * time.Second
)

// token is what RFC 9110 §5.6.2 allows as the name of a header.
var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// finish fills what files hold and returns all faults, one an error.
func (c *Config) finish() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	readFile("client_secret", &c.ClientSecret, c.ClientSecretFile, fault)
	readFile("header_value", &c.HeaderValue, c.HeaderValueFile, fault)
	if u, err := url.Parse(c.DomainURL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(c.DomainURL, "/") {
		fault("domain_url must be the http or https URL of a security domain, without query and without a slash at its end")
	}
	if !strings.HasPrefix(c.CallbackPath, "/") || strings.ContainsAny(c.CallbackPath, "?#") {
		fault("callback_path must begin with a slash and hold no query")
	}
	if strings.Contains(c.ClientID, ":") { // HTTP Basic ends it there
		fault("client_id cannot hold a colon")
	}
	c.checkHeaders(fault)
	if c.Margin < op.Margin {
		fault("margin must be at least %v", op.Margin)
	}
	if c.Guard < 0 || c.Guard > maxGuard {
		fault("guard must be at most %v", maxGuard)
	}
	return errors.Join(faults...)
}

func (c *Config) checkHeaders(fault func(string, ...any)) {
	switch v := string(c.HeaderValue); {
	case v == "": // said already
	case len(v) < minHeaderValue:
		fault("header_value must have at least %d characters", minHeaderValue)
	case v != strings.TrimSpace(v) || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }):
		fault("header_value must be printable ASCII without spaces at its ends, or it never arrives as it is written")
	}
	if !token.MatchString(c.HeaderName) {
		fault("header_name must be the name of a header")
	}
	if c.ClientNameHeader != "" && !token.MatchString(c.ClientNameHeader) {
		fault("client_name_header must be the name of a header")
	}
	// Whoever could choose the one would be shown, and logged, the other.
	if http.CanonicalHeaderKey(c.HeaderName) == http.CanonicalHeaderKey(c.ClientNameHeader) {
		fault("client_name_header cannot be header_name")
	}
}

// Secret is the client's, from wherever it is kept.
func (c Config) Secret() (secret approval.Secret, err error) {
	readFile("client_secret", &c.ClientSecret, c.ClientSecretFile, func(format string, args ...any) {
		err = fmt.Errorf(format, args...)
	})
	return c.ClientSecret, err
}

// readFile takes a secret from its file, if it has one. There must be either.
func readFile(key string, secret *approval.Secret, path string, fault func(string, ...any)) {
	switch {
	case path != "" && *secret != "":
		fault("%s and %s_file cannot both be set", key, key)
	case path == "" && *secret == "":
		fault("%s must be set, or %s_file", key, key)
	case path != "":
		b, err := os.ReadFile(path)
		if err != nil {
			fault("%s_file: %w", key, err)
			return
		}
		if *secret = approval.Secret(strings.TrimSpace(string(b))); *secret == "" {
			fault("%s_file is empty", key)
		}
	}
}
