package main_test

import (
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
)

// keycloakOutcomes is how requests end at Keycloak. It refuses nothing at once for
// Mitome's sake, takes no user_code (the binding message is what is typed in its
// place), and says nothing of Mitome's in the ID token: its acr is always 1.
var keycloakOutcomes = []ending{
	{name: "approved", act: approves, want: "tokens", claims: claims{acr: "1"}},
	{
		name: "approved, with an acr", ask: rp.Request{BindingMessage: "W4SCT-77", ACRValues: "phr"},
		act: approvesWith("W4SCT-77"), want: "tokens", claims: claims{acr: "1"},
	},
	{name: "denied", act: denies, want: "access_denied", reason: "user_denied"},
	{name: "an acr that nobody reaches", ask: rp.Request{ACRValues: "urn:nobody"}, want: "access_denied"},
	{name: "an acr out of reach, with nothing to type", ask: rp.Request{ACRValues: "phr"}, want: "access_denied"},
	{name: "a user whom Keycloak does not know", ask: rp.Request{LoginHint: "nobody"}, early: true, want: "invalid_request"},
	{
		name: "a code typed wrongly", ask: rp.Request{BindingMessage: "W4SCT-77"},
		act: mistypes("W4SCT-77", "W4SCT-78"), want: "access_denied", reason: "user_code_exhausted",
	},
}

// keycloakErrors are the errors of CIBA that Keycloak alone says by itself.
var keycloakErrors = []cibaError{{where: tokenErrors, code: "slow_down", ask: rp.Request{UserCode: "none"}, then: pollsOften}}

// testOutcomes goes from a client's request to its tokens, or to the error that it
// sees.
func testOutcomes(t *testing.T, s *stage) {
	for _, mode := range []rp.Mode{rp.Poll, rp.Ping} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			u := keycloakSeat(t, s, mode, opening{Settings: "    rules:\n      binding_message: type"})
			for _, o := range keycloakOutcomes {
				t.Run(o.name, func(t *testing.T) { u.play(t, o) })
			}
			for _, e := range keycloakErrors {
				t.Run(e.code, func(t *testing.T) { check(t, "client", u.provoke(t, e), e.code) })
			}
		})
		t.Run(string(mode)+", nobody answers", func(t *testing.T) {
			t.Parallel()
			u := keycloakSeat(t, s, mode, opening{
				Realm: keycloaktest.Policy{Expires: 15 * time.Second}, Settings: "    expires_in: 15s",
			})
			u.play(t, ending{act: answersNot, want: "expired_token"})
		})
	}
}

// keycloakSeat makes a realm, a Mitome and a user with a phone.
func keycloakSeat(t *testing.T, s *stage, mode rp.Mode, o opening) seat {
	t.Helper()
	heard := newHeard(t)
	o.Realm.PingTo = heard.URL
	g := newGateway(t, s, o)
	p, err := rp.Discover(t.Context(), nil, g.realm.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	registered := g.realm.Shop
	if mode == rp.Ping {
		registered = g.realm.Kiosk
	}
	return seat{
		gateway: g, heard: heard, user: "alice", subject: g.realm.Alice, phone: g.pair(t, g.realm.Alice, "alice"),
		client: &rp.Client{
			Provider: p, ID: registered.ID, Auth: rp.SecretBasic(registered.Secret), Mode: mode, Notifications: &heard.Notifications,
		},
	}
}

// pollsOften asks for tokens more often than Keycloak allows. On a busy machine
// twice may not be enough.
func pollsOften(t *testing.T, s seat, p *rp.Pending) string {
	var got string
	await(t, "Keycloak to say something else", patience, func() bool {
		_, err := p.Poll(t.Context())
		got = code(t, err)
		return got != "authorization_pending"
	})
	denies(t, s, s.phone.pending(t))
	return got
}
