package fcm

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/mitome-ciba/mitome/push"
)

const scope = "https://www.googleapis.com/auth/firebase.messaging"

// projectShape keeps a project's id one part of a path.
var projectShape = regexp.MustCompile(`^[a-z0-9][a-z0-9.:-]{0,62}$`)

// account is a service account's key file.
type account struct {
	Type    string `json:"type"`
	Project string `json:"project_id"`
	Email   string `json:"client_email"`
	KeyID   string `json:"private_key_id"`
	Key     secret `json:"private_key"`
	Tokens  string `json:"token_uri"`
}

// secret prints as [secret].
type secret string

// LogValue implements slog.LogValuer.
func (secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// Format implements fmt.Formatter, so that no verb reaches the key.
func (secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[secret]")) }

// readAccount says what is wrong with a key file without quoting it.
func readAccount(file []byte) (account, error) {
	var a account
	if err := json.Unmarshal(file, &a); err != nil {
		return a, errors.New("fcm: credentials are not JSON")
	}
	tokens, err := url.Parse(a.Tokens)
	switch {
	case a.Type != "service_account":
		return a, errors.New("fcm: credentials are not a service account's key")
	case !projectShape.MatchString(a.Project):
		return a, errors.New("fcm: credentials name no project_id")
	case a.Email == "":
		return a, errors.New("fcm: credentials name no client_email")
	case err != nil || tokens.Host == "" || tokens.Scheme != "https" && tokens.Scheme != "http":
		return a, errors.New("fcm: credentials name no token_uri")
	}
	block, _ := pem.Decode([]byte(a.Key))
	if block == nil {
		return a, errors.New("fcm: private_key of the credentials is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if _, ok := key.(*rsa.PrivateKey); err != nil || !ok {
		return a, errors.New("fcm: private_key of the credentials is not an RSA key in PKCS #8")
	}
	return a, nil
}

// tokens holds the access token that all sends share, as long as it is good.
type tokens struct {
	conf   *jwt.Config
	client *http.Client
	turn   chan struct{} // held by the one who looks or fetches
	have   *oauth2.Token
}

func newTokens(a account, client *http.Client) *tokens {
	return &tokens{client: client, turn: make(chan struct{}, 1), conf: &jwt.Config{
		Email: a.Email, PrivateKey: []byte(a.Key), PrivateKeyID: a.KeyID, Scopes: []string{scope}, TokenURL: a.Tokens,
	}}
}

// get returns the shared token, and whether it was fetched just now. Of many
// sends that have none, one fetches it and the others wait for that one, as
// long as their contexts let them.
func (t *tokens) get(ctx context.Context, now func() time.Time) (*oauth2.Token, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, push.Later(0, err)
	}
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, false, push.Later(0, ctx.Err())
	}
	defer func() { <-t.turn }()
	if t.have.Valid() {
		return t.have, false, nil
	}
	b := &bound{ctx: ctx, base: t.client.Transport}
	token, err := t.conf.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{
		Transport: b, CheckRedirect: t.client.CheckRedirect, Timeout: t.client.Timeout,
	})).Token()
	if err != nil {
		return nil, false, b.outcome(err, now())
	}
	if token.AccessToken == "" {
		return nil, false, push.Later(0, errNoToken)
	}
	t.have = token
	return token, true, nil
}

// drop forgets a token that is not accepted, unless another took its place.
func (t *tokens) drop(bad *oauth2.Token) {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	if t.have == bad {
		t.have = nil
	}
}

var errNoToken = errors.New("fcm: token endpoint's answer not understood")

// bound gives the requests of the OAuth library, which have none, a context.
type bound struct {
	ctx  context.Context //nolint:containedctx // it lives as long as one call
	base http.RoundTripper
	err  error
}

// RoundTrip implements http.RoundTripper.
func (b *bound) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.base.RoundTrip(r.WithContext(b.ctx))
	b.err = err
	return resp, err
}

// outcome is what came of asking for a token. The library's own text may hold
// what the endpoint sent.
func (b *bound) outcome(err error, now time.Time) error {
	var refused *oauth2.RetrieveError
	switch {
	case b.err != nil:
		return push.Later(0, b.err)
	case !errors.As(err, &refused):
		return push.Later(0, errNoToken)
	}
	status := refused.Response.StatusCode
	cause := fmt.Errorf("fcm: token endpoint answered %d", status)
	if status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout {
		return fmt.Errorf("%w: %w", push.ErrBroken, cause)
	}
	return push.Later(push.ParseRetryAfter(refused.Response.Header, now), cause)
}
