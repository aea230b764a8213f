package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

var (
	withColons    = "14:6D:E9" + strings.Repeat(":FF", 29)
	withoutColons = "146de9" + strings.Repeat("ff", 29)
)

func TestApps(t *testing.T) {
	app := "{package: org.example.mitome, sha256: ['" + withColons + "']}"
	for _, tt := range []struct {
		name, apps string
		faults     []string // paths
	}{
		{"none", "{}", nil},
		{"all", "{ios: [{app_id: TEAM123456.org.example.mitome}], android: [" + app + "], origins: ['https://id.example.net', 'https://id.example.net:8443']}", nil},
		{"a debug build beside it", "{android: [" + app + ", {package: org.example.mitome.debug, sha256: ['" + withoutColons + "', '" + withColons + "']}]}", nil},
		{"a bundle id alone", "{ios: [{app_id: org.example.mitome}]}", []string{"apps.ios[0].app_id"}},
		{"nothing of an app", "{ios: [{}], android: [{}]}", []string{"apps.ios[0].app_id", "apps.android[0].package", "apps.android[0].sha256"}},
		{"SHA-1", "{android: [{package: org.example.mitome, sha256: ['14:6D:E9:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF']}]}", []string{"apps.android[0].sha256[0]"}},
		{"no hex", "{android: [{package: org.example.mitome, sha256: ['" + strings.Replace(withColons, "E", "G", 1) + "']}]}", []string{"apps.android[0].sha256[0]"}},
		{"one name", "{android: [{package: mitome, sha256: ['" + withColons + "']}]}", []string{"apps.android[0].package"}},
		{"twice", "{ios: [{app_id: TEAM123456.a}, {app_id: TEAM123456.a}], android: [" + app + ", " + app + "]}", []string{"apps.ios[1].app_id", "apps.android[1].package"}},
		{"http", "{origins: ['http://id.example.net']}", []string{"apps.origins[0]"}},
		{"a path", "{origins: ['https://id.example.net/']}", []string{"apps.origins[0]"}},
		{"capitals", "{origins: ['https://ID.example.net']}", []string{"apps.origins[0]"}},
		{"the usual port", "{origins: ['https://id.example.net:443']}", []string{"apps.origins[0]"}},
		{"a user", "{origins: ['https://me@id.example.net']}", []string{"apps.origins[0]"}},
		{"an app as an origin", "{origins: ['android:apk-key-hash:FG3p']}", []string{"apps.origins[0]"}},
		{"more than browsers read", "{origins: ['https://a.a', 'https://b.a', 'https://c.a', 'https://d.a', 'https://e.a', 'https://f.a']}", []string{"apps.origins"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(write(t, minimal+"\napps: "+tt.apps+"\n"), nil)
			var faults Faults
			if err != nil && !errors.As(err, &faults) {
				t.Fatal(err)
			}
			for _, path := range tt.faults {
				if !slices.ContainsFunc(faults, func(f Fault) bool { return f.Path == path }) {
					t.Errorf("no fault of %s in %v", path, faults)
				}
			}
			if len(tt.faults) == 0 && len(faults) > 0 {
				t.Errorf("got %v, want no fault", faults)
			}
		})
	}
}

// TestPasskeyOrigins: what is published for other sites is no way in here.
func TestPasskeyOrigins(t *testing.T) {
	c, err := Load(write(t, minimal+`
rp_id: mitome.example
apps:
  ios: [{app_id: TEAM123456.org.example.mitome}]
  android: [{package: org.example.mitome, sha256: ["`+withColons+`"]}]
  origins: ["https://id.example.net"]
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	web, android := c.Apps.PasskeyOrigins(c.RPID)
	// The base64url of the same bytes, as Android's CredentialManager sends it.
	want := "android:apk-key-hash:FG3p" + strings.Repeat("_", 38) + "8"
	if !slices.Equal(web, []string{"https://mitome.example"}) || !slices.Equal(android, []string{want}) {
		t.Errorf("got %v and %v, want %s", web, android, want)
	}
	if got := c.Apps.Android[0].SHA256[0].String(); got != withColons {
		t.Errorf("it prints as %s", got)
	}
	if web, android := (Apps{}).PasskeyOrigins("mitome.example"); web != nil || android != nil {
		t.Errorf("without apps: %v, %v", web, android)
	}
}
