package rp_test

import (
	"errors"
	"testing"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// TestTLSAuth: who is known by a certificate says its name, and nothing that is a
// secret, where the OP asks for certificates.
func TestTLSAuth(t *testing.T) {
	aliases := rp.Aliases{BackchannelEndpoint: issuer + "/mtls/bc", TokenEndpoint: issuer + "/mtls/token"}
	tests := []struct {
		name    string
		auth    rp.Auth
		mtls    bool
		aliases rp.Aliases
		want    string // path of the request's endpoint
	}{
		{"by a CA", rp.TLSByCA(), false, aliases, "/mtls/bc"},
		{"by itself", rp.TLSBySelf(), false, aliases, "/mtls/bc"},
		{"asked everywhere", rp.TLSBySelf(), false, rp.Aliases{}, "/bc"},
		{"bound tokens", rp.SecretBasic("secret"), true, aliases, "/mtls/bc"},
		{"no TLS of the client", rp.SecretBasic("secret"), false, aliases, "/bc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeOP(t)
			c := f.client(rp.Poll)
			c.Auth, c.MTLS, c.Provider.MTLS, c.Provider.AuthMethods = tt.auth, tt.mtls, tt.aliases, nil
			p, _ := start(t, f, c)
			got := f.last()
			if got.path != tt.want {
				t.Errorf("asked at %s, want %s", got.path, tt.want)
			}
			if tt.auth != rp.SecretBasic("secret") && (got.form.Get("client_id") != "shop" || got.header.Get("Authorization") != "") {
				t.Errorf("got %v %v", got.form, got.header)
			}
			f.tokens, f.ack = []said{refuse("authorization_pending")}, refuse("authorization_pending")
			if _, err := p.Poll(t.Context()); !errors.Is(err, rp.ErrAuthorizationPending) {
				t.Error(err)
			}
			if token := f.last().path; (token == "/mtls/token") != (tt.want == "/mtls/bc") {
				t.Errorf("tokens were asked for at %s", token)
			}
		})
	}
}

// TestTLSAuthUnsupported: an OP that does not have a way in is not asked.
func TestTLSAuthUnsupported(t *testing.T) {
	c := newFakeOP(t).client(rp.Poll)
	for _, auth := range []rp.Auth{rp.TLSByCA(), rp.TLSBySelf()} {
		c.Auth = auth
		if _, err := c.Start(t.Context(), rp.Request{LoginHint: "alice"}); !errors.Is(err, rp.ErrUnsupported) {
			t.Errorf("got %v, want %v", err, rp.ErrUnsupported)
		}
	}
}

func TestDiscoverAliases(t *testing.T) {
	s := published(t, map[string]any{"mtls_endpoint_aliases": map[string]any{"token_endpoint": "BASE/mtls/token"}})
	p, err := rp.Discover(t.Context(), s.Client(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if want := (rp.Aliases{TokenEndpoint: s.URL + "/mtls/token"}); p.MTLS != want {
		t.Errorf("got %+v, want %+v", p.MTLS, want)
	}
	s = published(t, map[string]any{"mtls_endpoint_aliases": map[string]any{"token_endpoint": "http://op.example/token"}})
	if _, err := rp.Discover(t.Context(), s.Client(), s.URL); !errors.Is(err, rp.ErrInsecure) {
		t.Errorf("tokens in the clear: got %v, want %v", err, rp.ErrInsecure)
	}
}
