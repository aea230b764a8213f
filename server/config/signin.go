package config

import (
	"net/url"
	"os"
	"strings"
	"time"
)

// SignIn is how users of a connection sign in at the OP to pair a device by
// themselves. Without client_id they cannot, and an administrator offers.
type SignIn struct {
	ClientID         string        `koanf:"client_id" desc:"Client at the OP with which Mitome lets users sign in to pair by themselves: code flow with PKCE, redirect URI <public_url>/signin/callback." derived:"users cannot pair by themselves"`
	ClientSecret     Secret        `koanf:"client_secret" desc:"Secret of that client." derived:"none: a public client"`
	ClientSecretFile string        `koanf:"client_secret_file" desc:"File that holds client_secret." derived:"none"`
	Issuer           string        `koanf:"issuer" desc:"The OP's issuer, exactly as in its discovery document." derived:"issuer of the connection"`
	InternalURL      string        `koanf:"internal_url" desc:"Where Mitome reaches the OP (discovery, tokens, keys), if not by the issuer's own address: scheme://host:port. Browsers are sent to the issuer's." derived:"internal_url of the connection"`
	Scopes           []string      `koanf:"scopes" desc:"Scopes to ask for. Names and hints are taken from the ID token." default:"openid,profile,email"`
	ACRValues        []string      `koanf:"acr_values" desc:"Ways of signing in of which the OP must have used one, best first." derived:"any"`
	MaxAge           time.Duration `koanf:"max_age" desc:"How long ago the user may have signed in. 0s has her sign in again each time." default:"0s"`
}

// Set reports whether users can sign in.
func (s SignIn) Set() bool { return s.ClientID != "" }

// deriveSignIn fills what o's own settings say already.
func (o *OP) deriveSignIn() {
	for key, into := range map[string]*string{"issuer": &o.SignIn.Issuer, "internal_url": &o.SignIn.InternalURL} {
		if v, ok := o.Settings[key].(string); ok && *into == "" {
			*into = v
		}
	}
}

// maxSignInAge bounds what may still be called fresh.
const maxSignInAge = time.Hour

func (s SignIn) validate(f *Faults, path string) {
	if !s.Set() {
		if s.ClientSecret != "" || s.ClientSecretFile != "" || len(s.ACRValues) > 0 {
			f.add(path+".client_id", "is missing.")
		}
		return
	}
	if u, err := url.Parse(s.Issuer); err != nil || !isSite(u) || u.RawQuery != "" || u.Fragment != "" {
		f.add(path+".issuer", "must be the http or https URL of the OP.")
	}
	if u, err := url.Parse(s.InternalURL); s.InternalURL != "" &&
		(err != nil || !isSite(u) || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "") {
		f.add(path+".internal_url", "must be http:// or https:// with host and port only.")
	}
	if s.ClientSecret != "" && s.ClientSecretFile != "" {
		f.add(path+".client_secret", "and client_secret_file cannot both be set.")
	} else if _, err := s.Secret(); err != nil {
		f.add(path+".client_secret_file", "cannot be read, or is empty.")
	}
	if s.MaxAge > maxSignInAge {
		f.add(path+".max_age", "must be at most %v.", maxSignInAge)
	}
	for _, v := range append(append([]string{}, s.Scopes...), s.ACRValues...) {
		if v == "" || strings.ContainsAny(v, " \t\r\n\"\\") {
			f.add(path, "has a scope or acr value that is empty or holds a space.")
			return
		}
	}
}

func isSite(u *url.URL) bool {
	return (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// Secret returns the client's secret, from its file if it has one.
func (s SignIn) Secret() (Secret, error) {
	if s.ClientSecretFile == "" {
		return s.ClientSecret, nil
	}
	b, err := os.ReadFile(s.ClientSecretFile)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(b))
	if text == "" { // not "no secret": somebody meant one
		return "", os.ErrInvalid
	}
	return Secret(text), nil
}
