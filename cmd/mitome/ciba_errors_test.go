package main_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// cibaError is an error of CIBA, and a request of a client that comes by it.
type cibaError struct {
	where string // the section of CIBA Core that has it
	code  string

	client, user string // nobody: till, alice
	ask          rp.Request
	change       func(*rp.Client)                               // makes the client do what rp by itself does not
	spent        bool                                           // it brings a code of the user's phone that was used before
	act          func(*testing.T, seat, string)                 // what the user does
	then         func(*testing.T, seat, *rp.Pending) (s string) // what the client does; nil: it waits for the end
}

// The places at which CIBA Core has errors.
const (
	requestErrors = "§13 backchannel authentication endpoint"
	tokenErrors   = "§11 token endpoint"
	pushErrors    = "§12 push"
)

// cibaTable is what CIBA Core defines.
var cibaTable = map[string][]string{
	requestErrors: {
		"access_denied", "expired_login_hint_token", "invalid_binding_message", "invalid_client", "invalid_request",
		"invalid_scope", "invalid_user_code", "missing_user_code", "unauthorized_client", "unknown_user_id",
	},
	tokenErrors: {"access_denied", "authorization_pending", "expired_token", "invalid_grant", "slow_down", "unauthorized_client"},
	pushErrors:  {"access_denied", "expired_token", "transaction_failed"},
}

// goErrors come from examples/go-oidc. Those of Keycloak's are keycloakErrors.
var goErrors = []cibaError{
	{where: requestErrors, code: "invalid_request", change: hintTwice},
	{where: requestErrors, code: "invalid_scope", ask: rp.Request{Scope: "openid root"}},
	{where: requestErrors, code: "expired_login_hint_token", spent: true},
	{where: requestErrors, code: "unknown_user_id", ask: rp.Request{LoginHint: "mallory"}},
	{where: requestErrors, code: "unauthorized_client", client: "portal"},
	{where: requestErrors, code: "missing_user_code", ask: rp.Request{UserCode: "none"}},
	{where: requestErrors, code: "invalid_user_code", ask: rp.Request{UserCode: "7"}},
	{where: requestErrors, code: "invalid_binding_message", ask: rp.Request{BindingMessage: "See https://example.org"}},
	{where: requestErrors, code: "invalid_client", change: guessSecret},
	{where: requestErrors, code: "access_denied", ask: rp.Request{ACRValues: "urn:example:gold"}},

	{where: tokenErrors, code: "authorization_pending", then: pollsBefore},
	{where: tokenErrors, code: "unauthorized_client", client: "shop", then: pollsBefore},
	{where: tokenErrors, code: "access_denied", act: denies},
	{where: tokenErrors, code: "expired_token", user: "bob", ask: rp.Request{RequestedExpiry: 20 * time.Second}, act: answersNot},
	{where: tokenErrors, code: "invalid_grant", act: approvesWith(typed), then: pollsAfter},

	{where: pushErrors, code: "access_denied", client: "shop", act: denies},
	{where: pushErrors, code: "expired_token", client: "shop", user: "carol", ask: rp.Request{RequestedExpiry: 20 * time.Second}, act: answersNot},
	{where: pushErrors, code: "transaction_failed", client: "shop", act: takenBack},
}

// typed is the code that requests bring, where the connection wants one.
const typed = "735106"

// TestCIBAErrors has the client see each error of CIBA's, but for slow_down, which
// is in TestKeycloak: node-oidc-provider never says it, and here it is not the
// library that does.
func TestCIBAErrors(t *testing.T) {
	t.Parallel()
	s := newGoStage(t, "rules: {require_user_code: true}")
	byUser := map[string][]cibaError{}
	for _, e := range goErrors {
		if e.client == "" {
			e.client = "till"
		}
		if e.user == "" {
			e.user = "alice"
		}
		byUser[e.user] = append(byUser[e.user], e)
	}
	for user, all := range byUser {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			u := s.seat(t, "till", user)
			for _, e := range all {
				t.Run(e.where+" "+e.code, func(t *testing.T) {
					u.client = s.clients[e.client]
					check(t, "client", u.provoke(t, e), e.code)
				})
			}
			u.idle(t)
		})
	}
}

// TestCIBAErrorsAreAll counts the rows: an error that CIBA has and nobody provokes
// is one of which nobody knows what clients see.
func TestCIBAErrorsAreAll(t *testing.T) {
	t.Parallel()
	provoked := map[string][]string{}
	for _, e := range slices.Concat(goErrors, keycloakErrors) {
		provoked[e.where] = append(provoked[e.where], e.code)
	}
	for where, codes := range provoked {
		slices.Sort(codes)
		if want := cibaTable[where]; !slices.Equal(codes, want) {
			t.Errorf("%s: provoked are %v, want %v", where, codes, want)
		}
	}
	if got, want := slices.Sorted(maps.Keys(provoked)), slices.Sorted(maps.Keys(cibaTable)); !slices.Equal(got, want) {
		t.Errorf("provoked are those of %v, want %v", got, want)
	}
}

// provoke returns the error that the client sees.
func (s seat) provoke(t *testing.T, e cibaError) string {
	t.Helper()
	r := e.ask
	switch {
	case e.spent:
		r.LoginHintToken = s.spend(t)
	case r.LoginHint == "":
		r.LoginHint = s.user
	}
	switch r.UserCode {
	case "":
		r.UserCode = typed
	case "none":
		r.UserCode = ""
	}
	c := *s.client
	if e.change != nil {
		e.change(&c)
	}
	p, err := c.Start(t.Context(), r)
	if err != nil || e.where == requestErrors {
		return code(t, err)
	}
	request := s.phone.pending(t)
	if e.act != nil {
		e.act(t, s, request)
	}
	if e.then != nil {
		return e.then(t, s, p)
	}
	_, got := s.end(t, p)
	return got
}

// spend has the user show the code of her phone, and a client use it once.
func (s seat) spend(t *testing.T) string {
	t.Helper()
	var shown struct {
		Token string `json:"login_hint_token"`
	}
	s.json(t, &shown, s.phone.args([]string{"code"})...)
	if _, err := s.client.Start(t.Context(), rp.Request{LoginHintToken: shown.Token, UserCode: typed}); err != nil {
		t.Fatal(err)
	}
	denies(t, s, s.phone.pending(t))
	return shown.Token
}

// pollsBefore asks for tokens while nobody has answered.
func pollsBefore(t *testing.T, s seat, p *rp.Pending) string {
	_, err := p.Poll(t.Context())
	denies(t, s, s.phone.pending(t))
	return code(t, err)
}

// pollsAfter asks once more for tokens that it has.
func pollsAfter(t *testing.T, s seat, p *rp.Pending) string {
	_, got := s.end(t, p)
	check(t, "client, the first time", got, "tokens")
	_, err := p.Poll(t.Context())
	return code(t, err)
}

func guessSecret(c *rp.Client) { c.Auth = rp.SecretBasic("guess") }

// hintTwice says who the user is in two ways.
func hintTwice(c *rp.Client) {
	c.HTTP = &http.Client{Transport: appended("&id_token_hint=eyJhbGciOiJub25lIn0.e30.")}
}

// appended is what is sent besides the client's own parameters.
type appended string

// RoundTrip implements http.RoundTripper.
func (a appended) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	body = append(body, a...)
	again := r.Clone(r.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return http.DefaultTransport.RoundTrip(again)
}
