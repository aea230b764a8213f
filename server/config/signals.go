package config

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// Signals is what follows when a user says that she did not start a request, and
// how the operator hears of it.
type Signals struct {
	Freeze       time.Duration  `koanf:"freeze" desc:"How long a client cannot ask a user who said, with her passkey, that she did not start its request." default:"15m"`
	Webhook      string         `koanf:"webhook" desc:"Where request.not_started_by_user and user.locked are posted as Standard Webhooks; https, or http with allow_private." derived:"nowhere"`
	Secrets      []Secret       `koanf:"secrets" desc:"Secrets that sign them, newest first, as mitome op secret prints them (whsec_…). All of them sign." derived:"those of secrets_file"`
	SecretsFile  string         `koanf:"secrets_file" desc:"File that holds the secrets, one a line, newest first." derived:"none"`
	SETURL       string         `koanf:"set_url" desc:"Where the same is pushed as Security Event Tokens (RFC 8935), CAEP's risk-level-change, signed by the keys of /.well-known/jwks.json; https, or http with allow_private." derived:"nowhere"`
	SETAudience  string         `koanf:"set_audience" desc:"The aud of those tokens." derived:"set_url"`
	SETTokenFile string         `koanf:"set_token_file" desc:"File that holds the bearer token that the receiver asks for." derived:"none"`
	Issuer       string         `koanf:"issuer" desc:"Issuer of the OP, by which a token's subject is named." derived:"signin.issuer; the subject is opaque without it"`
	AllowPrivate []netip.Prefix `koanf:"allow_private" desc:"Networks (CIDR) that both URLs may lead to besides public addresses." derived:"none"`
}

// deriveSignals fills what the rest of o says already. It comes after deriveSignIn.
func (o *OP) deriveSignals() {
	s := &o.Signals
	if s.SETAudience == "" {
		s.SETAudience = s.SETURL
	}
	if s.Issuer == "" {
		s.Issuer = o.SignIn.Issuer
	}
}

// The bounds of signals.freeze.
const (
	minFreeze = time.Millisecond
	maxFreeze = 24 * time.Hour
)

// Bounds of a secret, by Standard Webhooks.
const (
	minSecret  = 24
	maxSecret  = 64
	maxSecrets = 4
)

func (s Signals) validate(f *Faults, path string) {
	if s.Freeze < minFreeze || s.Freeze > maxFreeze {
		f.add(path+".freeze", "must be between %v and %v.", minFreeze, maxFreeze)
	}
	for key, to := range map[string]string{"webhook": s.Webhook, "set_url": s.SETURL} {
		u, err := url.Parse(to)
		if to != "" && (err != nil || u.Host == "" || u.User != nil || u.Fragment != "" ||
			u.Scheme != "https" && (u.Scheme != "http" || len(s.AllowPrivate) == 0)) {
			f.add(path+"."+key, "must begin with https://, or with http:// if allow_private says where it may lead.")
		}
	}
	s.validateSecrets(f, path)
	if s.SETURL == "" && (s.SETTokenFile != "" || s.SETAudience != "") {
		f.add(path+".set_url", "is missing.")
	}
	if _, err := s.SETToken(); err != nil {
		f.add(path+".set_token_file", "cannot be read, or is empty.")
	}
}

// validateSecrets says what is wrong with a secret without it.
func (s Signals) validateSecrets(f *Faults, path string) {
	secrets, err := s.WebhookSecrets()
	switch {
	case len(s.Secrets) > 0 && s.SecretsFile != "":
		f.add(path+".secrets", "and secrets_file cannot both be set.")
	case err != nil:
		f.add(path+".secrets_file", "cannot be read.")
	case s.Webhook == "" && len(secrets) > 0:
		f.add(path+".webhook", "is missing.")
	case s.Webhook != "" && (len(secrets) == 0 || len(secrets) > maxSecrets):
		f.add(path+".secrets", "must be 1 to %d.", maxSecrets)
	}
	for i, secret := range secrets {
		text, ok := strings.CutPrefix(string(secret), "whsec_")
		if b, err := base64.StdEncoding.DecodeString(text); !ok || err != nil || len(b) < minSecret || len(b) > maxSecret {
			f.add(path+".secrets", "must be whsec_ and the base64 of %d to %d bytes each; number %d is not.", minSecret, maxSecret, i+1)
		}
	}
}

// WebhookSecrets returns the secrets, from their file if they stand in one.
func (s Signals) WebhookSecrets() ([]Secret, error) {
	if s.SecretsFile == "" {
		return s.Secrets, nil
	}
	b, err := os.ReadFile(s.SecretsFile)
	if err != nil {
		return nil, err
	}
	var out []Secret
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, Secret(line))
		}
	}
	return out, nil
}

// SETToken returns the receiver's bearer token; empty if it asks for none.
func (s Signals) SETToken() (Secret, error) {
	if s.SETTokenFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(s.SETTokenFile)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", os.ErrInvalid
	}
	return Secret(text), nil
}
