package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// Config is the part of a connection's configuration that is this kind's own.
type Config struct {
	LoginHint string  `koanf:"login_hint" desc:"What a login_hint of this OP names: username, email, phone, or custom:<form>; auto tells by how it is written." default:"auto"`
	Keys      []Key   `koanf:"keys"`
	Webhook   Section `koanf:"webhook"`

	Assertion    Assertion     `koanf:"client_assertion"`
	Certificates []Certificate `koanf:"client_certificates"`
	HintTokens   HintTokens    `koanf:"login_hint_tokens"`

	TellUnknownUsers bool `koanf:"tell_unknown_users" desc:"Let users/reachability say unknown_user_id of a user whom nobody knows, and not only that she cannot be reached. For an OP whose clients learn nothing of it." default:"false"`
}

// Section is where decisions are sent. Without it the OP asks.
type Section struct {
	URL          string            `koanf:"url" desc:"Where decisions are posted as Standard Webhooks; https, or http with allow_private." derived:"none: the OP asks by GET"`
	Secrets      []approval.Secret `koanf:"secrets" desc:"Secrets that sign them, newest first, as mitome op secret prints them (whsec_…). All of them sign, so that the OP can change from one to the next." derived:"those of secrets_file"`
	SecretsFile  string            `koanf:"secrets_file" desc:"File that holds the secrets, one a line, newest first." derived:"none"`
	AllowPrivate []netip.Prefix    `koanf:"allow_private" desc:"Networks (CIDR) that the URL may lead to besides public addresses." derived:"none"`
}

// auto is the LoginHint that looks at the hint itself.
const auto = "auto"

// Bounds of a secret, by Standard Webhooks.
const (
	secretPrefix = "whsec_"
	minSecret    = 24
	maxSecret    = 64
	maxSecrets   = 4 // in force at once; each lengthens a header
)

// finish fills what a file holds and returns all faults, one an error.
func (c *Config) finish(d op.Deps) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if kind, custom := strings.CutPrefix(c.LoginHint, "custom:"); !custom || kind == "" {
		switch c.LoginHint {
		case auto, "username", "email", "phone":
		default:
			fault("login_hint must be auto, username, email, phone or custom:<form>")
		}
	}
	c.checkAuth(d, fault)
	c.checkHints(fault)
	c.Webhook.finish(fault)
	return errors.Join(faults...)
}

func (s *Section) finish(fault func(string, ...any)) {
	if s.URL == "" {
		if len(s.Secrets) > 0 || s.SecretsFile != "" || len(s.AllowPrivate) > 0 {
			fault("webhook needs a url")
		}
		return
	}
	if u, err := url.Parse(s.URL); err != nil || u.Host == "" || u.User != nil || u.Fragment != "" ||
		u.Scheme != "https" && (u.Scheme != "http" || len(s.AllowPrivate) == 0) {
		fault("webhook must have a url that begins with https://, or with http:// if allow_private says where it may lead")
	}
	if s.SecretsFile != "" {
		s.readSecrets(fault)
	}
	if len(s.Secrets) == 0 || len(s.Secrets) > maxSecrets {
		fault("webhook must have 1 to %d secrets", maxSecrets)
	}
	for i, secret := range s.Secrets { // what is wrong is said without the secret
		text, ok := strings.CutPrefix(string(secret), secretPrefix)
		if b, err := base64.StdEncoding.DecodeString(text); !ok || err != nil || len(b) < minSecret || len(b) > maxSecret {
			fault("webhook must have secrets of the form whsec_ and the base64 of %d to %d bytes; number %d is not", minSecret, maxSecret, i+1)
		}
	}
}

func (s *Section) readSecrets(fault func(string, ...any)) {
	if len(s.Secrets) > 0 {
		fault("webhook cannot have both secrets and secrets_file")
		return
	}
	b, err := os.ReadFile(s.SecretsFile)
	if err != nil {
		fault("webhook needs a secrets_file that can be read")
		return
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" {
			s.Secrets = append(s.Secrets, approval.Secret(line))
		}
	}
}
