package config

import "net/url"

// FCM wakes Android apps. It is off unless there are credentials.
type FCM struct {
	CredentialsFile string `koanf:"credentials_file" desc:"Key of a service account of your Firebase project (JSON), which may send messages. docs/push.md says how to get one." derived:"FCM is off"`
	Endpoint        string `koanf:"endpoint" desc:"Base URL that is called in place of https://fcm.googleapis.com/v1." derived:"Google's"`
}

// On reports whether FCM is configured.
func (f FCM) On() bool { return f.CredentialsFile != "" }

// APNs wakes iOS and watchOS apps. It is off unless there is a key.
type APNs struct {
	KeyFile  string `koanf:"key_file" desc:"APNs key of your Apple developer team (.p8), good for sandbox and production. docs/push.md says how to get one." derived:"APNs is off"`
	KeyID    string `koanf:"key_id" desc:"Ten characters that name the key." derived:"none; needed with key_file"`
	TeamID   string `koanf:"team_id" desc:"Ten characters that name the team." derived:"none; needed with key_file"`
	Topic    string `koanf:"topic" desc:"Bundle id of the app." derived:"none; needed with key_file"`
	Endpoint string `koanf:"endpoint" desc:"Base URL (https) that is called in place of both of Apple's." derived:"Apple's"`
}

// On reports whether APNs is configured.
func (a APNs) On() bool { return a.KeyFile != "" }

// validate finds a channel that is half configured, which its operator would
// take for one that is on.
func (f FCM) validate(faults *Faults) {
	if f.Endpoint != "" && !f.On() {
		faults.add("push.fcm.credentials_file", "is needed with push.fcm.endpoint.")
	}
	endpoint(faults, "push.fcm.endpoint", f.Endpoint, "http", "https")
}

func (a APNs) validate(faults *Faults) {
	set := a != APNs{}
	for _, s := range []struct{ name, value string }{
		{"key_file", a.KeyFile}, {"key_id", a.KeyID}, {"team_id", a.TeamID}, {"topic", a.Topic},
	} {
		if set && s.value == "" {
			faults.add("push.apns."+s.name, "is needed for APNs, as key_file, key_id, team_id and topic all are.")
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
