package rp_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// full is a request with everything in it.
func full() rp.Request {
	return rp.Request{
		LoginHint: "alice", Scope: "openid payments", BindingMessage: "Pay 480 JPY, コーヒー", UserCode: "123456",
		ACRValues: "phr phrh", Nonce: "n-1", RequestedExpiry: 90 * time.Second,
		RequestContext:       map[string]any{"device": "till 4"},
		AuthorizationDetails: []map[string]any{{"type": "payment_initiation"}},
	}
}

func TestForm(t *testing.T) {
	f := newFakeOP(t)
	if _, err := f.client(rp.Poll).Start(t.Context(), full()); err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"login_hint": {"alice"}, "scope": {"openid payments"}, "binding_message": {"Pay 480 JPY, コーヒー"},
		"user_code": {"123456"}, "acr_values": {"phr phrh"}, "nonce": {"n-1"}, "requested_expiry": {"90"},
		"request_context":       {`{"device":"till 4"}`},
		"authorization_details": {`[{"type":"payment_initiation"}]`},
	}
	if diff := cmp.Diff(want, f.last().form); diff != "" {
		t.Error(diff)
	}
	if got := f.last().header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
		t.Errorf("content type %q", got)
	}
	if _, err := f.client(rp.Poll).Start(t.Context(), rp.Request{LoginHintToken: "t"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(url.Values{"login_hint_token": {"t"}, "scope": {"openid"}}, f.last().form); diff != "" {
		t.Error(diff)
	}
}

// TestSignedRequest holds the JWT to CIBA Core §7.1.1.
func TestSignedRequest(t *testing.T) {
	for _, auth := range []rp.Auth{rp.SecretBasic("s"), rp.SecretPost("s")} {
		f := newFakeOP(t)
		c := f.client(rp.Ping)
		c.Auth, c.Key = auth, rp.Key{ID: "k1", Signer: f.key}
		r := full()
		r.Signed = true
		if _, err := c.Start(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		form := f.last().form
		raw := form.Get("request")
		for _, name := range []string{"request", "client_id", "client_secret"} {
			form.Del(name)
		}
		if len(form) != 0 {
			t.Errorf("outside of the JWT: %v", form)
		}
		token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		var std jwt.Claims
		own := map[string]any{}
		if err := token.Claims(&f.key.PublicKey, &std, &own); err != nil {
			t.Fatal(err)
		}
		if err := std.Validate(jwt.Expected{Issuer: "shop", AnyAudience: jwt.Audience{issuer}}); err != nil {
			t.Error(err)
		}
		if std.ID == "" || std.IssuedAt == nil || std.NotBefore == nil || std.Expiry == nil ||
			std.Expiry.Time().Sub(std.NotBefore.Time()) > time.Hour || token.Headers[0].KeyID != "k1" {
			t.Errorf("got %+v", std)
		}
		if own["requested_expiry"] != 90.0 || own["user_code"] != "123456" || own["client_notification_token"] == nil ||
			own["request_context"].(map[string]any)["device"] != "till 4" || len(own["authorization_details"].([]any)) != 1 {
			t.Errorf("got %v", own)
		}
	}
}

// TestRefusedUnsent: what no OP could accept, or this one does not offer, does
// not leave the client.
func TestRefusedUnsent(t *testing.T) {
	tests := []struct {
		name string
		r    rp.Request
		c    func(*rp.Client)
		want error
	}{
		{"no hint", rp.Request{}, nil, rp.ErrInvalidRequest},
		{"two hints", rp.Request{LoginHint: "a", IDTokenHint: "b"}, nil, rp.ErrInvalidRequest},
		{"no openid", rp.Request{LoginHint: "a", Scope: "payments openid2"}, nil, rp.ErrInvalidScope},
		{"negative expiry", rp.Request{LoginHint: "a", RequestedExpiry: -time.Second}, nil, rp.ErrInvalidRequest},
		{"half a second", rp.Request{LoginHint: "a", RequestedExpiry: 1500 * time.Millisecond}, nil, rp.ErrInvalidRequest},
		{"two lines", rp.Request{LoginHint: "a", BindingMessage: "Pay\n1 EUR"}, nil, rp.ErrInvalidBindingMessage},
		{"no text", rp.Request{LoginHint: "a", BindingMessage: "\xff"}, nil, rp.ErrInvalidBindingMessage},
		{"context that is no JSON", rp.Request{LoginHint: "a", RequestContext: map[string]any{"f": func() {}}}, nil, rp.ErrInvalidRequest},
		{"code the OP does not know", rp.Request{LoginHint: "a", UserCode: "1"}, func(c *rp.Client) { c.Provider.UserCode = false }, rp.ErrUnsupported},
		{"mode", rp.Request{LoginHint: "a"}, func(c *rp.Client) { c.Provider.DeliveryModes = []rp.Mode{rp.Ping} }, rp.ErrUnsupported},
		{"in the clear", rp.Request{LoginHint: "a"}, func(c *rp.Client) { c.Provider.BackchannelEndpoint = "http://op.example/bc" }, rp.ErrInsecure},
		{"tokens in the clear", rp.Request{LoginHint: "a"}, func(c *rp.Client) { c.Provider.TokenEndpoint = "http://op.example/token" }, rp.ErrInsecure},
		{"authentication", rp.Request{LoginHint: "a"}, func(c *rp.Client) { c.Provider.AuthMethods = []string{"tls_client_auth"} }, rp.ErrUnsupported},
		{"signed requests", rp.Request{LoginHint: "a", Signed: true}, func(c *rp.Client) { c.Provider.RequestSigningAlgs = nil }, rp.ErrUnsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeOP(t)
			c := f.client(rp.Poll)
			c.Key = rp.Key{ID: "k1", Signer: f.key}
			if tt.c != nil {
				tt.c(c)
			}
			if _, err := c.Start(t.Context(), tt.r); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if len(f.calls) != 0 {
				t.Error("it was sent")
			}
		})
	}
	for name, change := range map[string]func(*rp.Client){
		"no provider":      func(c *rp.Client) { c.Provider = nil },
		"no ID":            func(c *rp.Client) { c.ID = "" },
		"no secret":        func(c *rp.Client) { c.Auth = nil },
		"no Notifications": func(c *rp.Client) { c.Notifications = nil },
		"no key":           func(c *rp.Client) { c.Key = rp.Key{} },
	} {
		f := newFakeOP(t)
		c := f.client(rp.Push)
		c.Key = rp.Key{ID: "k1", Signer: f.key}
		change(c)
		if _, err := c.Start(t.Context(), rp.Request{LoginHint: "a", Signed: true}); err == nil || len(f.calls) != 0 {
			t.Errorf("%s: started: %v", name, err)
		}
	}
}

// TestAck refuses what an OP may not say.
func TestAck(t *testing.T) {
	good := map[string]any{"auth_req_id": "a.B-9_", "expires_in": 120, "interval": 5}
	for name, change := range map[string]map[string]any{
		"good":             {},
		"no interval":      {"interval": nil},
		"no auth_req_id":   {"auth_req_id": ""},
		"odd auth_req_id":  {"auth_req_id": "a b"},
		"long auth_req_id": {"auth_req_id": strings.Repeat("a", 5000)},
		"no expiry":        {"expires_in": 0},
		"past expiry":      {"expires_in": -1},
		"endless":          {"expires_in": int64(1) << 60},
		"text as expiry":   {"expires_in": "soon"},
		"backwards":        {"interval": -1},
	} {
		f := newFakeOP(t)
		ack := maps.Clone(good)
		maps.Copy(ack, change)
		f.ack = ok(ack)
		_, err := f.client(rp.Poll).Start(t.Context(), rp.Request{LoginHint: "alice"})
		if want := name == "good" || name == "no interval"; (err == nil) != want || err != nil && !errors.Is(err, rp.ErrResponse) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSecretAuth(t *testing.T) {
	f := newFakeOP(t)
	c := f.client(rp.Poll)
	c.ID, c.Auth = "shop:1", rp.SecretBasic("a+b/c d")
	start(t, f, c)
	r := &http.Request{Header: f.last().header}
	if id, secret, _ := r.BasicAuth(); id != "shop%3A1" || secret != "a%2Bb%2Fc+d" {
		t.Errorf("got %q, %q: not encoded as RFC 6749 §2.3.1 says", id, secret)
	}
	c.Auth = rp.SecretPost("a+b")
	start(t, f, c)
	if got := f.last(); got.form.Get("client_id") != "shop:1" || got.form.Get("client_secret") != "a+b" || got.header.Get("Authorization") != "" {
		t.Errorf("got %v", got.form)
	}
}

// TestSecretsDoNotPrint, however a client is printed.
func TestSecretsDoNotPrint(t *testing.T) {
	f := newFakeOP(t)
	raw, err := f.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d := new(big.Int).SetBytes(raw).String() // as fmt would print it
	key := rp.Key{ID: "k1", Signer: f.key}
	for _, auth := range []rp.Auth{rp.SecretBasic("hush"), rp.SecretPost("hush"), rp.PrivateKeyJWT(key)} {
		c := rp.Client{Auth: auth, Key: key}
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			text := fmt.Sprintf(format, c) + fmt.Sprintf(format, auth) + fmt.Sprintf(format, key)
			if strings.Contains(text, "hush") || strings.Contains(text, d) || strings.Contains(text, "ecdsa") {
				t.Errorf("%s prints %s", format, text)
			}
		}
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		key  crypto.Signer
		alg  string
		want jose.SignatureAlgorithm
	}{
		{p256, "", jose.ES256}, {p384, "", jose.ES384}, {ed, "", jose.EdDSA}, {rsaKey, "", jose.PS256}, {rsaKey, "RS256", jose.RS256},
	}
	used := []string{}
	for _, tt := range tests {
		f := newFakeOP(t)
		c := f.client(rp.Poll)
		c.Auth = rp.PrivateKeyJWT(rp.Key{ID: "k1", Signer: tt.key, Algorithm: tt.alg})
		p, _ := start(t, f, c)
		f.tokens = []said{refuse("authorization_pending")}
		if _, err := p.Poll(t.Context()); !errors.Is(err, rp.ErrAuthorizationPending) {
			t.Fatal(err)
		}
		for _, call := range f.calls { // both endpoints, an assertion each
			if got := call.form.Get("client_assertion_type"); got != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Errorf("type %q", got)
			}
			token, err := jwt.ParseSigned(call.form.Get("client_assertion"), []jose.SignatureAlgorithm{tt.want})
			if err != nil {
				t.Fatalf("%s: %v", tt.want, err)
			}
			var got jwt.Claims
			if err := token.Claims(tt.key.Public(), &got); err != nil {
				t.Errorf("%s: %v", tt.want, err)
			}
			if got.Issuer != "shop" || got.Subject != "shop" || !slices.Equal(got.Audience, []string{issuer}) ||
				got.Expiry.Time().After(time.Now().Add(2*time.Minute)) || slices.Contains(used, got.ID) || got.ID == "" {
				t.Errorf("got %+v", got)
			}
			used = append(used, got.ID)
		}
	}
	c := newFakeOP(t).client(rp.Poll)
	c.Auth = rp.PrivateKeyJWT(rp.Key{})
	if _, err := c.Start(t.Context(), rp.Request{LoginHint: "alice"}); err == nil {
		t.Error("signed without a key")
	}
}

// TestNoRedirect: what is sent are secrets, and stays where it was meant to go.
func TestNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer elsewhere.Close()
	srv := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	c := newFakeOP(t).client(rp.Poll)
	c.Provider.BackchannelEndpoint, c.HTTP = srv.URL, nil
	if _, err := c.Start(t.Context(), rp.Request{LoginHint: "alice"}); !errors.Is(err, rp.ErrResponse) {
		t.Errorf("got %v, want %v", err, rp.ErrResponse)
	}
}

// TestErrors: each code of CIBA Core §11 to §13 is told apart, at either
// endpoint.
func TestErrors(t *testing.T) {
	codes := map[string]error{
		"invalid_request": rp.ErrInvalidRequest, "invalid_scope": rp.ErrInvalidScope,
		"expired_login_hint_token": rp.ErrExpiredLoginHintToken, "unknown_user_id": rp.ErrUnknownUserID,
		"unauthorized_client": rp.ErrUnauthorizedClient, "missing_user_code": rp.ErrMissingUserCode,
		"invalid_user_code": rp.ErrInvalidUserCode, "invalid_binding_message": rp.ErrInvalidBindingMessage,
		"invalid_client": rp.ErrInvalidClient, "access_denied": rp.ErrAccessDenied,
		"authorization_pending": rp.ErrAuthorizationPending, "slow_down": rp.ErrSlowDown,
		"expired_token": rp.ErrExpiredToken, "invalid_grant": rp.ErrInvalidGrant,
		"transaction_failed": rp.ErrTransactionFailed, "invalid_target": rp.ErrInvalidTarget,
		"invalid_authorization_details": rp.ErrInvalidAuthorizationDetails,
		"unsupported_grant_type":        rp.ErrUnsupportedGrantType,
	}
	for code, want := range codes {
		f := newFakeOP(t)
		c := f.client(rp.Poll)
		p, _ := start(t, f, c)
		f.ack = refuse(code)
		f.tokens = []said{refuse(code)}
		_, start := c.Start(t.Context(), rp.Request{LoginHint: "alice"})
		_, poll := p.Poll(t.Context())
		for _, err := range []error{start, poll} {
			var said *rp.Error
			if !errors.As(err, &said) || said.Code != code || said.Status != 400 || said.Description != "because" {
				t.Errorf("%s: got %#v", code, err)
			}
			for other, sentinel := range codes {
				if errors.Is(err, sentinel) != (sentinel == want) {
					t.Errorf("%s is %s", code, other)
				}
			}
		}
	}
}

// TestStrangeErrors: an OP's own codes are kept, its words made fit for a log.
func TestStrangeErrors(t *testing.T) {
	f := newFakeOP(t)
	long, err := json.Marshal(map[string]any{"error": "own\ncode", "error_description": strings.Repeat("あ", 1000), "error_uri": "https://op.example/e"})
	if err != nil {
		t.Fatal(err)
	}
	f.ack = said{status: 401, body: string(long)}
	_, err = f.client(rp.Poll).Start(t.Context(), rp.Request{LoginHint: "alice"})
	var got *rp.Error
	if !errors.As(err, &got) || got.Code != "owncode" || got.Status != 401 || len([]rune(got.Description)) > 310 || got.URI == "" || got.Unwrap() != nil {
		t.Errorf("got %#v", err)
	}
	for _, answer := range []said{{status: 500, body: "<html>"}, {status: 200, body: "no JSON"}, {status: 302}, {status: 400, body: `{"message":"no"}`}} {
		f.ack = answer
		if _, err := f.client(rp.Poll).Start(t.Context(), rp.Request{LoginHint: "alice"}); !errors.Is(err, rp.ErrResponse) {
			t.Errorf("%d: got %v, want %v", answer.status, err, rp.ErrResponse)
		}
	}
	f.ack = said{err: errors.New("reset")}
	if _, err := f.client(rp.Poll).Start(t.Context(), rp.Request{LoginHint: "alice"}); err == nil || strings.Contains(err.Error(), "https://") {
		t.Errorf("got %v", err)
	}
	if n := len(f.polls()); n != 0 || len(f.calls) != 6 {
		t.Errorf("%d calls: a request was repeated", len(f.calls))
	}
}
