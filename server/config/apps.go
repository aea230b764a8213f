package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Apps are the native apps that belong to this Mitome, and the other sites that
// may use its passkeys. Mitome tells phones and browsers of them in the files
// below /.well-known/.
type Apps struct {
	IOS     []IOSApp     `koanf:"ios"`
	Android []AndroidApp `koanf:"android"`
	Origins []string     `koanf:"origins" desc:"Other web origins whose pages may use the passkeys of rp_id, published in /.well-known/webauthn. Leave it empty unless you know that you need it: whoever controls one of them can ask for a passkey of your users." derived:"none"`
}

// IOSApp is an app that may open Mitome's links and use its passkeys.
type IOSApp struct {
	ID string `koanf:"app_id" desc:"Team id and bundle id: TEAM123456.org.example.mitome." required:"true"`
}

// AndroidApp is an app that may open Mitome's links and use its passkeys.
type AndroidApp struct {
	Package string        `koanf:"package" desc:"Package name (applicationId) of the app." required:"true"`
	SHA256  []Fingerprint `koanf:"sha256" desc:"SHA-256 of each certificate that signs the app, as keytool and the Play Console print it. In quotes." required:"true"`
}

// Fingerprint is the SHA-256 of a certificate.
type Fingerprint [sha256.Size]byte

// UnmarshalText implements encoding.TextUnmarshaler: 64 hex digits, with colons
// between the bytes or without.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(strings.ReplaceAll(string(text), ":", ""))
	if err != nil || len(b) != len(f) {
		return errors.New("must be the SHA-256 of a certificate: 32 bytes in hex, such as 14:6D:E9:…")
	}
	copy(f[:], b)
	return nil
}

// String is the fingerprint as assetlinks.json wants it: 14:6D:E9:….
func (f Fingerprint) String() string {
	return strings.ReplaceAll(fmt.Sprintf("% X", f[:]), " ", ":")
}

// PasskeyOrigins are the origins that the apps write into what their passkeys
// sign: web ones, and those of Android, which are compared to the letter. Origins
// is not among them: what other sites sign is for other sites.
func (a Apps) PasskeyOrigins(rpID string) (web, android []string) {
	if len(a.IOS) > 0 {
		web = append(web, "https://"+rpID) // iOS names the RP ID, whatever the app is
	}
	for _, app := range a.Android {
		for _, f := range app.SHA256 {
			android = append(android, "android:apk-key-hash:"+base64.RawURLEncoding.EncodeToString(f[:]))
		}
	}
	return web, android
}

var (
	appIDShape   = regexp.MustCompile(`^[A-Z0-9]{10}\.[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$`)
	packageShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$`)
)

// maxOrigins is how many sites a browser is bound to read of the list (WebAuthn
// L3 §5.11 counts names; one that is never reached is worse than a fault).
const maxOrigins = 5

// validate finds what phones would pass over without a word.
func (a Apps) validate(f *Faults) {
	seen := map[string]bool{}
	once := func(path, value string) {
		if value != "" && seen[value] {
			f.add(path, "stands there twice.")
		}
		seen[value] = true
	}
	for i, app := range a.IOS {
		path := fmt.Sprintf("apps.ios[%d].app_id", i)
		if !appIDShape.MatchString(app.ID) {
			f.add(path, "must be the ten characters of the team, a dot, and the bundle id.")
		}
		once(path, app.ID)
	}
	for i, app := range a.Android {
		path := fmt.Sprintf("apps.android[%d]", i)
		if !packageShape.MatchString(app.Package) {
			f.add(path+".package", "must be a package name such as org.example.mitome.")
		}
		if len(app.SHA256) == 0 {
			f.add(path+".sha256", "must name at least one certificate.")
		}
		once(path+".package", app.Package)
	}
	for i, o := range a.Origins {
		path := fmt.Sprintf("apps.origins[%d]", i)
		if !isOrigin(o) {
			f.add(path, "must be an origin such as https://id.example.net, without a path, in lower case.")
		}
		once(path, o)
	}
	if len(a.Origins) > maxOrigins {
		f.add("apps.origins", "must not be more than %d: browsers need not read on.", maxOrigins)
	}
}

// isOrigin reports whether s is written as browsers write an origin.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && hostShape.MatchString(u.Hostname()) && u.Port() != "443" && s == "https://"+u.Host
}
