package signin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Provider is one OP at which users can sign in. Its exported fields are set
// before the first use and not changed after.
type Provider struct {
	Name         string // of the connection
	Issuer       string
	InternalURL  string // where the OP is reached from here; empty for the issuer's address
	ClientID     string
	ClientSecret string // empty for a public client
	Scopes       []string
	ACRValues    []string
	MaxAge       time.Duration
	RedirectURL  string
	Client       *http.Client // follows no redirects, and has a timeout

	mu   sync.Mutex
	meta *metadata // nil until the OP was first reached
}

// metadata is what an OP says of itself.
type metadata struct {
	oauth    oauth2.Config
	provider *oidc.Provider
	namesISS bool // it puts iss into its answers (RFC 9207)
}

// discover reads the OP's metadata once. The OP need not be up when Mitome
// starts, so a failure is forgotten and the next sign-in tries again.
func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.meta != nil {
		return p.meta, nil
	}
	// The OP's keys are fetched by the client in this context, too.
	op, err := oidc.NewProvider(p.through(ctx), p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	var said struct {
		ISS     bool     `json:"authorization_response_iss_parameter_supported"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := op.Claims(&said); err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	endpoint := op.Endpoint()
	endpoint.AuthStyle = p.style(said.Methods)
	p.meta = &metadata{provider: op, namesISS: said.ISS, oauth: oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: endpoint,
		RedirectURL: p.RedirectURL, Scopes: p.scopes(),
	}}
	return p.meta, nil
}

// style is how the client proves itself. It is not left to the library to find
// out by trying: a code that was refused once is spent.
func (p *Provider) style(methods []string) oauth2.AuthStyle {
	basic := len(methods) == 0 || slices.Contains(methods, "client_secret_basic")
	if p.ClientSecret == "" || !basic {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// scopes begin with the one without which there is no ID token.
func (p *Provider) scopes() []string {
	out := []string{oidc.ScopeOpenID}
	for _, s := range p.Scopes {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// options are the parameters of the authorization request beside OAuth's own.
func (p *Provider) options(s state) []oauth2.AuthCodeOption {
	out := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(s.Verifier), oidc.Nonce(s.Nonce),
		oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(p.MaxAge/time.Second))),
	}
	if p.MaxAge == 0 { // the same again, for OPs that overlook a max_age of 0
		out = append(out, oauth2.SetAuthURLParam("prompt", "login"))
	}
	if len(p.ACRValues) > 0 {
		out = append(out, oauth2.SetAuthURLParam("acr_values", strings.Join(p.ACRValues, " ")))
	}
	return out
}

// through returns ctx with the client that reaches the OP.
func (p *Provider) through(ctx context.Context) context.Context {
	client := *p.Client
	from, err := url.Parse(p.Issuer)
	to, err2 := url.Parse(p.InternalURL)
	if err == nil && err2 == nil && p.InternalURL != "" {
		client.Transport = detour{from: from, to: to, base: client.Transport}
	}
	return oidc.ClientContext(ctx, &client)
}

// detour leads calls to one host another way. The Host header stays: an OP
// without a fixed name takes its issuer from that.
type detour struct {
	from, to *url.URL
	base     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (d detour) RoundTrip(r *http.Request) (*http.Response, error) {
	base := d.base
	if base == nil {
		base = http.DefaultTransport
	}
	if r.URL.Scheme != d.from.Scheme || r.URL.Host != d.from.Host {
		return base.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Host, r.URL.Scheme, r.URL.Host = d.from.Host, d.to.Scheme, d.to.Host
	return base.RoundTrip(r)
}
