package rp

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Mode is how an OP tells its client what came of a request. The client does
// not choose it with the request: it was registered with the OP.
type Mode string

// The delivery modes of CIBA.
const (
	Poll Mode = "poll" // the client asks the token endpoint until it knows
	Ping Mode = "ping" // the OP says that there is something to ask for
	Push Mode = "push" // the OP brings the tokens
)

// Provider is an OpenID Provider that speaks CIBA. [Discover] reads it from the
// OP's metadata; one without metadata can be written down by hand.
type Provider struct {
	Issuer              string
	BackchannelEndpoint string
	TokenEndpoint       string
	DeliveryModes       []Mode   // empty: taken to be all
	AuthMethods         []string // of clients; empty: taken to be all
	RequestSigningAlgs  []string // empty: signed requests are not taken
	IDTokenSigningAlgs  []string // empty: RS256; those that are not asymmetric are passed over
	UserCode            bool     // user_code is understood
	MTLS                Aliases  // where the OP asks for certificates, if not everywhere
	Keys                KeySet   // that ID tokens are signed with
}

// Aliases are endpoints that stand a second time where TLS asks for the client's
// certificate (RFC 8705 §5). An empty one is where it always is.
type Aliases struct {
	BackchannelEndpoint string `json:"backchannel_authentication_endpoint"`
	TokenEndpoint       string `json:"token_endpoint"`
}

// KeySet verifies a JWS by the OP's keys and returns its payload.
type KeySet interface {
	VerifySignature(ctx context.Context, jwt string) (payload []byte, err error)
}

// metadata is what CIBA Core §4 adds to an OP's, and what else is read.
type metadata struct {
	Token       string   `json:"token_endpoint"`
	Backchannel string   `json:"backchannel_authentication_endpoint"`
	JWKS        string   `json:"jwks_uri"`
	Modes       []Mode   `json:"backchannel_token_delivery_modes_supported"`
	RequestAlgs []string `json:"backchannel_authentication_request_signing_alg_values_supported"`
	UserCode    bool     `json:"backchannel_user_code_parameter_supported"`
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	IDTokenAlgs []string `json:"id_token_signing_alg_values_supported"`
	MTLS        Aliases  `json:"mtls_endpoint_aliases"`
}

// Discover reads the metadata of the OP at issuer and prepares its keys, which
// are fetched when they are needed and again when an unknown one turns up. A nil
// client stands for one with a timeout.
//
// It fails with [ErrUnsupported] if the OP does not speak CIBA, and with
// [ErrInsecure] if an endpoint is plain HTTP and not on this machine: what is
// sent there are secrets.
func Discover(ctx context.Context, client *http.Client, issuer string) (*Provider, error) {
	client = plain(client)
	if err := secure(issuer); err != nil {
		return nil, err
	}
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, client), issuer) // compares the issuer
	if err != nil {
		return nil, fmt.Errorf("discover OP: %w", err)
	}
	var m metadata
	if err := p.Claims(&m); err != nil {
		return nil, fmt.Errorf("%w: metadata: %w", ErrResponse, err)
	}
	if m.Backchannel == "" || m.Token == "" || len(m.Modes) == 0 {
		return nil, fmt.Errorf("%w: CIBA", ErrUnsupported)
	}
	for _, endpoint := range []string{
		m.Backchannel, m.Token, m.JWKS, cmp.Or(m.MTLS.BackchannelEndpoint, m.Backchannel), cmp.Or(m.MTLS.TokenEndpoint, m.Token),
	} {
		if err := secure(endpoint); err != nil {
			return nil, err
		}
	}
	// The keys outlive the call, so they are not fetched by its context.
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(context.WithoutCancel(ctx), client), m.JWKS)
	return &Provider{
		Issuer: issuer, BackchannelEndpoint: m.Backchannel, TokenEndpoint: m.Token,
		DeliveryModes: m.Modes, RequestSigningAlgs: m.RequestAlgs, UserCode: m.UserCode,
		AuthMethods: m.AuthMethods, IDTokenSigningAlgs: m.IDTokenAlgs, Keys: keys, MTLS: m.MTLS,
	}, nil
}

// secure refuses what would carry secrets in the clear. RFC 8252 §8.3 allows
// plain HTTP to the machine itself, which is all that a demonstration needs.
func secure(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("%w: not a URL of a server", ErrInsecure)
	}
	if u.Scheme == "https" || u.Scheme == "http" && local(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%w: %s://%s", ErrInsecure, u.Scheme, u.Host)
}

// local says whether a host is this machine by its very name (RFC 6761 §6.3).
func local(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// hostname is a Host header without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// offers says whether a list of the metadata allows a value; an OP that leaves
// the list out is given the benefit of the doubt.
func offers[T comparable](list []T, value T) bool {
	return len(list) == 0 || slices.Contains(list, value)
}
