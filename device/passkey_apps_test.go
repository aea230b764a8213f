package device_test

import (
	"errors"
	"testing"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// TestPasskeysOfApps: an app signs another origin than a page. One that is named
// is taken, and nothing that looks like it.
func TestPasskeysOfApps(t *testing.T) {
	const (
		app    = "android:apk-key-hash:FG3p" + "______________________________________8"
		signer = "android:apk-key-hash:AAAA" + "______________________________________8"
	)
	pages := relyingParty()
	apps := pages
	apps.Apps = []string{app}
	ios := pages // at a name below the RP ID, as an app on iOS never says it
	ios.Origins = []string{"https://sub.mitome.example:8443", "https://" + rpID}
	local := device.RelyingParty{RPID: rpID, RPName: "Mitome", Origins: []string{"http://localhost:8080"}, Apps: []string{app}}
	for _, tt := range []struct {
		name   string
		rp     device.RelyingParty
		origin string
		ok     bool
	}{
		{"the app", apps, app, true},
		{"the app, and pages on localhost", local, app, true},
		{"a page beside the app", apps, origin, true},
		{"an app where none is named", pages, app, false},
		{"an app that somebody else signed", apps, signer, false},
		{"another case", apps, "ANDROID" + app[len("android"):], false},
		{"more than the app", apps, app + "A", false},
		{"less than the app", apps, app[:len(app)-1], false},
		{"the start alone", apps, "android:apk-key-hash:", false},
		{"the app's hash as a host", apps, "https://" + app, false},
		{"another site beside the app", apps, "https://id.example.net", false},
		{"iOS names the RP ID", ios, "https://mitome.example", true},
		{"iOS, without TLS", ios, "http://mitome.example", false},
		{"iOS, another RP ID", ios, "https://example", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from := devicetest.FromOrigin(tt.origin)
			a := devicetest.NewAuthenticator(t, rpID, tt.origin, devicetest.ES256)
			options, ceremony, err := tt.rp.BeginRegistration(device.User{Name: "Aiko"}, "e1")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tt.rp.FinishRegistration(ceremony, a.Create(t, options, from)); (err == nil) != tt.ok || err != nil && !errors.Is(err, device.ErrPasskey) {
				t.Errorf("registration: got %v, want taken: %v", err, tt.ok)
			}
			// The passkey itself is one that a page made.
			b, cred := registered(t, pages, devicetest.ES256)
			creds, ch := []device.Credential{cred}, challenge()
			if options, err = tt.rp.AssertionOptions(creds, ch); err != nil {
				t.Fatal(err)
			}
			got, err := tt.rp.VerifyAssertion(creds, ch, b.Get(t, options, from))
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, device.ErrPasskey) {
				t.Errorf("assertion: got %v, want taken: %v", err, tt.ok)
			}
			if tt.ok && got.Origin != tt.origin {
				t.Errorf("the evidence says %q", got.Origin)
			}
		})
	}
}
