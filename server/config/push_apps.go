package config

import (
	"net/url"
	"strings"
)

// FCM wakes Android apps. It is off unless there are credentials.
type FCM struct {
	CredentialsFile string `koanf:"credentials_file" desc:"Key of a service account of your Firebase project (JSON), which may send messages. docs/push.md says how to get one." derived:"FCM is off"`
	Endpoint        string `koanf:"endpoint" desc:"Base URL that is called in place of https://fcm.googleapis.com/v1." derived:"Google's"`
}

// On reports whether FCM is configured.
func (f FCM) On() bool { return f.CredentialsFile != "" }

// APNs wakes iOS and watchOS apps. It is off unless there is a key or a certificate.
type APNs struct {
	KeyFile string `koanf:"key_file" desc:"APNs key of your Apple developer team (.p8), good for sandbox and production. docs/push.md says how to get one." derived:"APNs is off, unless there is a certificate"`
	KeyID   string `koanf:"key_id" desc:"Ten characters that name the key." derived:"none; needed with key_file"`
	TeamID  string `koanf:"team_id" desc:"Ten characters that name the team." derived:"none; needed with key_file"`
	Topic   string `koanf:"topic" desc:"Bundle id of the app." derived:"none; needed"`

	CertificateFile         string `koanf:"certificate_file" desc:"Apple Push Services certificate of the app (.p12, or PEM), in place of a key. It lapses after about a year, and a key does not." derived:"none"`
	CertificateKeyFile      string `koanf:"certificate_key_file" desc:"Private key of the certificate (PEM), if it does not stand in certificate_file." derived:"none"`
	CertificatePasswordFile string `koanf:"certificate_password_file" desc:"File that holds the password of the .p12 file." derived:"no password"`

	Endpoint string `koanf:"endpoint" desc:"Base URL (https) that is called in place of both of Apple's." derived:"Apple's"`
}

// On reports whether APNs is configured.
func (a APNs) On() bool { return a.KeyFile != "" || a.CertificateFile != "" }

// Complete reports whether all is there that one of the two ways needs.
func (a APNs) Complete() bool {
	return a.Topic != "" && (a.CertificateFile != "" || a.KeyFile != "" && a.KeyID != "" && a.TeamID != "")
}

// validate finds a channel that is half configured, which its operator would
// take for one that is on.
func (f FCM) validate(faults *Faults) {
	if f.Endpoint != "" && !f.On() {
		faults.add("push.fcm.credentials_file", "is needed with push.fcm.endpoint.")
	}
	endpoint(faults, "push.fcm.endpoint", f.Endpoint, "http", "https")
}

func (a APNs) validate(faults *Faults) {
	set, certificate := a != APNs{}, a.CertificateFile != ""
	for _, s := range []struct {
		name, value string
		key         bool // of a key only
	}{
		{"key_file", a.KeyFile, true}, {"key_id", a.KeyID, true}, {"team_id", a.TeamID, true}, {"topic", a.Topic, false},
		{"certificate_key_file", a.CertificateKeyFile, false}, {"certificate_password_file", a.CertificatePasswordFile, false},
	} {
		path := "push.apns." + s.name
		switch of := strings.HasPrefix(s.name, "certificate_"); {
		case of && s.value != "" && !certificate:
			faults.add(path, "is of no use without certificate_file.")
		case certificate && s.key && s.value != "":
			faults.add(path, "cannot be set with certificate_file: it is a key or a certificate.")
		case set && !of && s.value == "" && !(certificate && s.key):
			faults.add(path, "is needed for APNs, as key_file, key_id, team_id and topic all are; or certificate_file and topic.")
		}
	}
	endpoint(faults, "push.apns.endpoint", a.Endpoint, "https")
}

func endpoint(faults *Faults, path, value string, schemes ...string) {
	if value == "" {
		return
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		faults.add(path, "must be a URL without user, query and fragment.")
		return
	}
	oneOf(faults, path, u.Scheme, schemes...)
}
