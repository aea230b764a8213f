package rp_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// published serves an OP's metadata, with changes; a nil value takes a member
// away. "BASE" in a value stands for the server's own address.
func published(t *testing.T, changes map[string]any) (server *httptest.Server) {
	t.Helper()
	meta := map[string]any{
		"issuer": "BASE", "token_endpoint": "BASE/token", "jwks_uri": "BASE/jwks",
		"backchannel_authentication_endpoint":                             "BASE/bc",
		"backchannel_token_delivery_modes_supported":                      []string{"poll", "push"},
		"backchannel_user_code_parameter_supported":                       true,
		"backchannel_authentication_request_signing_alg_values_supported": []string{"ES256"},
		"token_endpoint_auth_methods_supported":                           []string{"client_secret_basic"},
		"id_token_signing_alg_values_supported":                           []string{"ES256"},
		"authorization_endpoint":                                          "BASE/auth",
	}
	maps.Copy(meta, changes)
	maps.DeleteFunc(meta, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(strings.ReplaceAll(string(text), "BASE", "https://"+r.Host)))
	}))
	t.Cleanup(server.Close)
	return server
}

func TestDiscover(t *testing.T) {
	s := published(t, nil)
	p, err := rp.Discover(t.Context(), s.Client(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if p.Issuer != s.URL || p.BackchannelEndpoint != s.URL+"/bc" || p.TokenEndpoint != s.URL+"/token" || !p.UserCode ||
		len(p.DeliveryModes) != 2 || p.RequestSigningAlgs[0] != "ES256" || p.IDTokenSigningAlgs[0] != "ES256" || p.Keys == nil {
		t.Errorf("got %+v", p)
	}
}

func TestDiscoverRefuses(t *testing.T) {
	tests := []struct {
		name    string
		changes map[string]any
		want    error // nil: any
	}{
		{"another issuer", map[string]any{"issuer": "https://evil.example"}, nil},
		{"no CIBA", map[string]any{"backchannel_authentication_endpoint": nil}, rp.ErrUnsupported},
		{"no modes", map[string]any{"backchannel_token_delivery_modes_supported": []string{}}, rp.ErrUnsupported},
		{"no token endpoint", map[string]any{"token_endpoint": nil}, rp.ErrUnsupported},
		{"backchannel in the clear", map[string]any{"backchannel_authentication_endpoint": "http://op.example/bc"}, rp.ErrInsecure},
		{"tokens in the clear", map[string]any{"token_endpoint": "http://op.example/token"}, rp.ErrInsecure},
		{"keys in the clear", map[string]any{"jwks_uri": "http://op.example/jwks"}, rp.ErrInsecure},
		{"no keys", map[string]any{"jwks_uri": nil}, rp.ErrInsecure},
		{"a password in a URL", map[string]any{"token_endpoint": "https://a:b@op.example/token"}, rp.ErrInsecure},
		{"nonsense", map[string]any{"backchannel_token_delivery_modes_supported": "poll"}, rp.ErrResponse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := published(t, tt.changes)
			if _, err := rp.Discover(t.Context(), s.Client(), s.URL); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := rp.Discover(t.Context(), nil, "http://localhost.evil.example"); !errors.Is(err, rp.ErrInsecure) {
		t.Errorf("an issuer in the clear: got %v, want %v", err, rp.ErrInsecure)
	}
}

// TestOnThisMachine: without TLS a demonstration works, and only on its own
// machine.
func TestOnThisMachine(t *testing.T) {
	for host, local := range map[string]bool{
		"127.0.0.1": true, "[::1]": true, "localhost": true, "op.localhost": true, "OP.LocalHost.": true,
		"localhost.example": false, "notlocalhost": false, "192.168.0.1": false, "0.0.0.0": false,
	} {
		_, err := rp.Discover(t.Context(), &http.Client{Transport: nowhere{}}, "http://"+host+":1")
		if errors.Is(err, rp.ErrInsecure) == local {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

// nowhere is a network without anybody in it.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("nowhere") }
