package browsertest

import (
	"github.com/chromedp/cdproto/webauthn"
)

// NewAuthenticator gives the browser an authenticator without passkeys.
func (b *Browser) NewAuthenticator() {
	b.t.Helper()
	b.authenticator = Call(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		},
	}).AuthenticatorID
}

// ForgetPasskeys deletes the passkeys of the browser, as people do in settings.
func (b *Browser) ForgetPasskeys() {
	b.t.Helper()
	Call(b, webauthn.ClearCredentials, webauthn.ClearCredentialsParams{AuthenticatorID: b.authenticator})
}

// Verified says whether the user is who she should be, when the authenticator
// asks next.
func (b *Browser) Verified(yes bool) {
	b.t.Helper()
	Call(b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: b.authenticator, IsUserVerified: yes})
}

// Present says whether somebody touches the authenticator. Until then a ceremony
// stays open, as it does while a person looks for her finger.
func (b *Browser) Present(yes bool) {
	b.t.Helper()
	Call(b, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{
		AuthenticatorID: b.authenticator, Enabled: yes,
	})
}
