// Package op is the OpenID Provider of the demo: go-oidc with CIBA in all three
// delivery modes, kept in memory, which hands each request to Mitome by its own
// API and learns the decision from its webhooks.
//
// It is no production OP. It is what an OP must do to use Mitome, in as few
// lines as that takes, and a counterpart for tests.
//
// # Why
//
// go-oidc v0.23.0 leaves to its user what a product would need, and all of it is
// done here: the session is saved only after the handler that calls Mitome has
// returned, so a decision can be quicker than the session (see desk.find); a
// grant after a denial turns it into an approval, so whatever comes first is
// final (desk.settle); requested_expiry has no bound, request_context is not
// read, nobody is told to slow down (front.go); a signed request may be good for
// two hours and have parameters beside it (signed.go); its own store hands the same
// pointer to everyone (store.go); a pushed ID token lacks the at_hash that CIBA
// demands (claims).
package op

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/luikyv/go-oidc/pkg/goidc"
	"github.com/luikyv/go-oidc/pkg/provider"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// Config is what the OP is made of.
type Config struct {
	Issuer  string // the URL at which the OP is served, for example http://op.localhost:9080
	Clients []Client
	// Users maps each login_hint to its subject. If it is nil the OP knows nobody
	// by name, hands hints on to Mitome and takes the subject from its answer.
	Users  map[string]string
	Mitome Mitome
	HTTP   *http.Client // reaches Mitome and the clients' notification endpoints
	// Observe, if set, is shown what passes between the OP and Mitome, secrets cut.
	Observe func(rp.Message)
	Log     *slog.Logger

	Scopes      []string      // besides openid
	ACRs        []string      // that clients may ask for; none: phr
	DetailTypes []string      // of authorization_details; none: payment_initiation
	Lifetime    time.Duration // of a request; zero: two minutes
	MaxLifetime time.Duration // that a client may ask for; zero: five minutes
	Interval    time.Duration // between polls; zero: five seconds
	FAPI        *FAPI         // its rules are in force; nil: those of CIBA Core
}

// Client is a client of the OP. It authenticates with its secret
// (client_secret_basic) or, if it has a key, with private_key_jwt.
type Client struct {
	ID     string
	Name   string // shown to the user
	Secret string
	Key    crypto.PublicKey // ECDSA P-256 or RSA, also for signed requests
	KeyID  string
	Mode   rp.Mode
	// NotificationEndpoint is where a ping or push client listens.
	NotificationEndpoint string
	UserCode             bool // it may send a user_code
	SignedRequests       bool // it sends nothing else
	RefreshTokens        bool
	NoCIBA               bool // it is there for other grants
}

// Mitome says where the gateway is.
type Mitome struct {
	URL     string   // of the connection, for example http://mitome.localhost:9080/op/shop
	Key     string   // API key
	Secrets []string // of its webhooks, whsec_…
}

// OP is the demo's OpenID Provider.
type OP struct {
	conf     Config
	desk     *desk
	clients  *clients // that have registered themselves
	provider *provider.Provider
	oidc     http.Handler
	hooks    []*standardwebhooks.Webhook
}

// Endpoints of the OP, below its issuer.
const (
	WebhookPath     = "/webhook"
	backchannelPath = "/bc-authorize"
	tokenPath       = "/token"
)

// New makes an OP with a signing key of its own.
func New(conf Config) (*OP, error) {
	conf.Lifetime = cmp.Or(conf.Lifetime, 2*time.Minute)
	conf.MaxLifetime = cmp.Or(conf.MaxLifetime, 5*time.Minute)
	conf.Interval = cmp.Or(conf.Interval, 5*time.Second)
	if len(conf.Clients) == 0 && conf.FAPI == nil || conf.Log == nil || conf.HTTP == nil || len(conf.Mitome.Secrets) == 0 {
		return nil, errors.New("op: clients, log, HTTP client and webhook secrets are needed")
	}
	conf.HTTP = straight(conf.HTTP)
	o := &OP{conf: conf, desk: newDesk(conf.Interval), clients: &clients{all: map[string]goidc.Client{}}}
	for _, s := range conf.Mitome.Secrets {
		hook, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			return nil, errors.New("op: webhook secret is not whsec_ and base64")
		}
		o.hooks = append(o.hooks, hook)
	}
	keys, err := o.keys()
	if err != nil {
		return nil, fmt.Errorf("op: signing key: %w", err)
	}
	o.provider, err = provider.New(conf.Issuer, o.desk,
		func(context.Context) (goidc.JSONWebKeySet, error) { return goidc.JSONWebKeySet{Keys: keys}, nil }, o.options()...)
	if err != nil {
		return nil, fmt.Errorf("op: %w", err)
	}
	o.oidc = o.provider.Handler()
	return o, nil
}

// keys are what the OP signs with: ES256, and PS256 where FAPI's clients may want
// it.
func (o *OP) keys() ([]goidc.JSONWebKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	keys := []goidc.JSONWebKey{{Key: key, KeyID: rand.Text(), Algorithm: string(jose.ES256), Use: "sig"}}
	if o.conf.FAPI != nil {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		keys = append(keys, goidc.JSONWebKey{Key: key, KeyID: rand.Text(), Algorithm: string(jose.PS256), Use: "sig"})
	}
	return keys, nil
}

// straight is client without redirects, which an OP must not follow with a
// notification (CIBA Core §10.2).
func straight(client *http.Client) *http.Client {
	one := *client
	one.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &one
}

// Asked says which of Mitome's requests a client knows by this auth_req_id.
func (o *OP) Asked(authReqID string) (id string, ok bool) { return o.desk.asked(authReqID) }

// ServeHTTP implements http.Handler.
func (o *OP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != WebhookPath {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if o.conf.FAPI != nil {
			r = o.conf.FAPI.front(w, r, o.clients)
		}
	}
	switch {
	case r.URL.Path == WebhookPath:
		o.webhook(w, r)
	case r.URL.Path == backchannelPath && r.Method == http.MethodPost:
		o.frontBackchannel(w, r)
	case r.URL.Path == tokenPath && r.Method == http.MethodPost:
		o.frontToken(w, r)
	default:
		o.oidc.ServeHTTP(w, r)
	}
}

// options say what of go-oidc is used.
func (o *OP) options() []provider.Option {
	scopes := []goidc.Scope{goidc.ScopeOpenID}
	for _, s := range o.conf.Scopes {
		scopes = append(scopes, goidc.NewScope(s))
	}
	acrs := names[goidc.ACR](o.conf.ACRs, "phr")
	types := names[goidc.AuthDetailType](o.conf.DetailTypes, "payment_initiation")
	reach := func(context.Context) *http.Client { return o.conf.HTTP }
	ways := o.plainOptions
	if o.conf.FAPI != nil {
		ways = o.fapiOptions
	}
	return append(ways(),
		provider.WithScopes(scopes...),
		provider.WithOpenIDScopeRequired(),
		provider.WithACRs(acrs[0], acrs[1:]...),
		provider.WithRAR(types[0], types[1:]...),
		provider.WithJTIConsumer(o.desk.consume),
		provider.WithCIBAEndpoint(backchannelPath),
		provider.WithTokenEndpoint(tokenPath),
		provider.WithCIBALifetime(seconds(o.conf.Lifetime)),
		provider.WithCIBAPollingInterval(seconds(o.conf.Interval)),
		provider.WithCIBASessionHandler(o.ask),
		provider.WithCIBAHTTPClientFunc(reach),
		provider.WithHTTPClientFunc(reach),
		provider.WithRefreshTokenGrant(o.desk),
		provider.WithOpaqueTokens(nil),
		provider.WithTokenOptions(func(context.Context, *goidc.Grant, *goidc.Client) goidc.TokenOptions {
			return goidc.NewOpaqueTokenOptions(300)
		}),
		provider.WithTokenHandler(bind),
		provider.WithIDTokenClaims(claims),
		provider.WithErrorHandler(o.logError),
	)
}

// plainOptions are for clients that the operator has written down.
func (o *OP) plainOptions() []provider.Option {
	var clients []*goidc.Client
	for _, c := range o.conf.Clients {
		clients = append(clients, o.client(c))
	}
	return []provider.Option{
		provider.WithStaticClients(clients[0], clients[1:]...),
		provider.WithIDTokenSignatureAlgs(goidc.ES256),
		provider.WithSecretBasicAuthn(),
		provider.WithPrivateKeyJWTAuthn(goidc.ES256, goidc.PS256),
		provider.WithCIBAGrant(o.desk, goidc.CIBADeliveryModePoll, goidc.CIBADeliveryModePing, goidc.CIBADeliveryModePush),
		provider.WithCIBAJAR(goidc.ES256, goidc.PS256),
		provider.WithCIBAUserCode(),
	}
}

// client writes a client in go-oidc's words.
func (o *OP) client(c Client) *goidc.Client {
	out := &goidc.Client{ID: c.ID, Secret: c.Secret}
	out.Name = c.Name
	if !c.NoCIBA {
		out.GrantTypes = append(out.GrantTypes, goidc.GrantCIBA)
	}
	if c.RefreshTokens {
		out.GrantTypes = append(out.GrantTypes, goidc.GrantRefreshToken)
	}
	out.ScopeIDs = strings.Join(append([]string{"openid"}, o.conf.Scopes...), " ")
	out.TokenAuthnMethod = goidc.AuthnMethodSecretBasic
	out.CIBATokenDeliveryMode = goidc.CIBATokenDeliveryMode(cmp.Or(c.Mode, rp.Poll))
	out.CIBANotificationEndpoint = c.NotificationEndpoint
	out.CIBAUserCodeIsEnabled = c.UserCode
	if c.Key != nil {
		out.TokenAuthnMethod = goidc.AuthnMethodPrivateKeyJWT
		out.JWKS = &goidc.JSONWebKeySet{Keys: []goidc.JSONWebKey{
			{Key: c.Key, KeyID: c.KeyID, Algorithm: string(c.algorithm()), Use: "sig"},
		}}
	}
	if c.SignedRequests {
		out.CIBAJARSigAlg = c.algorithm()
	}
	return out
}

// algorithm is what the client's key signs with: RS256 is never taken.
func (c Client) algorithm() goidc.SignatureAlgorithm {
	if _, ok := c.Key.(*rsa.PublicKey); ok {
		return goidc.PS256
	}
	return goidc.ES256
}

// Members of a session's and a grant's store.
const (
	storeMitome = "mitome" // Mitome's id of the request
	storeClaims = "claims" // of the ID token: acr, amr, auth_time
	storeATHash = "at_hash"
)

// bind notes the hash of the access token, so that the ID token that is made
// next can name it.
func bind(_ context.Context, token *goidc.Token, grant *goidc.Grant) error {
	sum := sha256.Sum256([]byte(token.ID)) // an opaque token's id is its value
	grant.Store = maps.Clone(grant.Store)
	if grant.Store == nil {
		grant.Store = map[string]any{}
	}
	grant.Store[storeATHash] = base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	return nil
}

// claims are what the ID token says besides who and when.
func claims(_ context.Context, grant *goidc.Grant) map[string]any {
	out := map[string]any{}
	if how, ok := grant.Store[storeClaims].(map[string]any); ok {
		maps.Copy(out, how)
	}
	if hash, ok := grant.Store[storeATHash].(string); ok {
		out[storeATHash] = hash
	}
	return out
}

// logError writes down what went wrong inside; what a client did wrong is its
// own to read.
func (o *OP) logError(ctx context.Context, err error) {
	var said goidc.Error
	if !errors.As(err, &said) || said.StatusCode() >= http.StatusInternalServerError {
		o.conf.Log.ErrorContext(ctx, "demo OP", "error", err)
	}
}

func seconds(d time.Duration) int { return int(d / time.Second) }

// names converts a list, or its default.
func names[T ~string](list []string, otherwise string) []T {
	var out []T
	for _, s := range list {
		out = append(out, T(s))
	}
	if len(out) == 0 {
		out = append(out, T(otherwise))
	}
	return out
}
