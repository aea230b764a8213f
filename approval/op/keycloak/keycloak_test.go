package keycloak_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/optest"
	"github.com/mitome-ciba/mitome/device"
)

// now is when everything happens.
var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func TestAdapter(t *testing.T) {
	key := newSigner(t, "realm-key")
	made := map[string]string{} // ECDSA never signs the same way twice
	token := func(t *testing.T, url string) string {
		if made[url] == "" {
			made[url] = key.sign(t, tokenClaims(url+realm, now))
		}
		return made[url]
	}
	optest.Run(t, optest.Case{
		Kind: "keycloak",
		Open: func(t *testing.T, url string, d op.Deps) op.Adapter {
			return open(t, d, map[string]any{"issuer": url + realm})
		},
		OP: func(string) http.Handler {
			return &fakeKeycloak{keys: []signer{key}, stored: map[string]string{}}
		},
		Now:     now,
		Genuine: func(t *testing.T, url string) *http.Request { return ask(token(t, url), genuineBody) },
		Want: func(t *testing.T, url string) approval.Ask {
			return approval.Ask{
				Ref:    "2f0c1a7e-0001",
				Handle: approval.Secret(token(t, url)),
				Subject: device.Subject{
					Sub:  "6b1d5a52-93e0-4f7e-8a43-5b8c8f0b3d11",
					Hint: device.Hint{Kind: "username", Value: "alice"},
				},
				ClientID:       "shop",
				Scope:          []string{"openid", "profile", "roles", "email"},
				BindingMessage: "W4SCT-1",
				ACRValues:      []string{"urn:x:1", "urn:x:2"},
				Context: map[string]json.RawMessage{
					"request_context": json.RawMessage(`"{\"ip\":\"1.2.3.4\"}"`), "foo": json.RawMessage(`"bar"`),
				},
				ExpiresAt: now.Add(2*time.Minute - 3*time.Second), Guard: 500 * time.Millisecond, ReportsRefusals: true,
			}
		},
		Forgeries: append(forgedTokens(t, key), forgedBodies(token)...),
		Reports: []optest.Report{
			{Name: "approved", Request: approval.Request{State: approval.Approved, Decision: &approval.Decision{Verdict: approval.Approve}}},
			{Name: "denied_by_user", Request: denied(approval.ReasonUser)},
			{Name: "denied_not_me", Request: denied(approval.ReasonNotMe)},
			{Name: "denied_unknown_user", Request: denied(approval.ReasonUnknownUser)},
			{Name: "denied_user_code", Request: denied(approval.ReasonUserCode)},
			{Name: "denied_acr", Request: denied(approval.ReasonACR)},
			{Name: "expired", Request: approval.Request{State: approval.Expired}, Silent: true},
			{Name: "withdrawn", Request: approval.Request{State: approval.Withdrawn}, Silent: true},
		},
		Answers: []optest.Answer{
			{Name: "client not pinged", Status: 400, Want: op.ErrNotRelayed,
				Body: `{"error":"invalid_request","error_description":"Failed to send request to client notification endpoint"}`},
			{Name: "client has no endpoint", Status: 400, Want: op.ErrNotRelayed,
				Body: `{"error":"invalid_request","error_description":"Client notification endpoint not set for the client with the ping mode"}`},
			{Name: "client disabled", Status: 400, Want: op.ErrRefused,
				Body: `{"error":"invalid_request","error_description":"Invalid token recipient"}`},
			{Name: "bad enum", Status: 400, Want: op.ErrRefused,
				Body: `{"error":"unknown_error","error_description":"Cannot parse the JSON"}`},
			{Name: "token dead", Status: 403, Want: op.ErrRefused,
				Body: `{"error":"invalid_token","error_description":"Invalid token"}`},
			{Name: "no bearer", Status: 401, Want: op.ErrRefused, Body: `{"error":"invalid_token"}`},
		},
		RepeatSafe: map[approval.State]bool{
			approval.Approved: false, approval.Denied: true, approval.Expired: true, approval.Withdrawn: true,
		},
	})
}

func denied(why approval.Reason) approval.Request {
	return approval.Request{State: approval.Denied, Decision: &approval.Decision{Verdict: approval.Deny, Reason: why}}
}

// forgedTokens are requests with a token that is not this realm's for us.
func forgedTokens(t *testing.T, key signer) []optest.Forgery {
	stranger := signer{key.kid, newSigner(t, "").key} // the right name, the wrong key
	claim := func(by signer, change map[string]any) func(*testing.T, string) *http.Request {
		return func(t *testing.T, url string) *http.Request {
			return ask(by.sign(t, with(tokenClaims(url+realm, now), change)), genuineBody)
		}
	}
	raw := func(bearer func(*testing.T, []byte) string) func(*testing.T, string) *http.Request {
		return func(t *testing.T, url string) *http.Request {
			payload, _ := json.Marshal(tokenClaims(url+realm, now))
			return ask(bearer(t, payload), genuineBody)
		}
	}
	ago := func(d time.Duration) int64 { return now.Add(-d).Unix() }
	table := []optest.Forgery{
		{Name: "signed by a stranger", Make: claim(stranger, nil)},
		{Name: "unknown kid", Make: claim(signer{"other", key.key}, nil)},
		{Name: "no kid", Make: claim(signer{"", key.key}, nil)},
		{Name: "other issuer", Make: claim(key, map[string]any{"iss": "https://evil.example/realms/demo"})},
		{Name: "other realm", Make: claim(key, map[string]any{"iss": "http://example.test/realms/other"})},
		{Name: "no iss", Make: claim(key, map[string]any{"iss": nil})},
		{Name: "an ID token", Make: claim(key, map[string]any{"typ": "ID"})},
		{Name: "no typ", Make: claim(key, map[string]any{"typ": nil})},
		{Name: "an access token of a client", Make: claim(key, map[string]any{"aud": "account"})},
		{Name: "an access token for the realm among others", Make: func(t *testing.T, url string) *http.Request {
			return ask(key.sign(t, with(tokenClaims(url+realm, now), map[string]any{"aud": []string{url + realm, "account"}})), genuineBody)
		}},
		{Name: "no aud", Make: claim(key, map[string]any{"aud": nil})},
		{Name: "expired", Make: claim(key, map[string]any{"exp": ago(time.Second), "iat": ago(time.Minute)})},
		{Name: "expires now", Make: claim(key, map[string]any{"exp": now.Unix()})},
		{Name: "no exp", Make: claim(key, map[string]any{"exp": nil})},
		{Name: "no iat", Make: claim(key, map[string]any{"iat": nil})},
		{Name: "issued in the future", Make: claim(key, map[string]any{"iat": now.Add(time.Minute).Unix()})},
		{Name: "not yet valid", Make: claim(key, map[string]any{"nbf": now.Add(time.Minute).Unix()})},
		{Name: "no jti", Make: claim(key, map[string]any{"jti": nil})},
		{Name: "long jti", Make: claim(key, map[string]any{"jti": strings.Repeat("j", 256)})},
		{Name: "no sub", Make: claim(key, map[string]any{"sub": nil})},
		{Name: "no azp", Make: claim(key, map[string]any{"azp": nil})},
		{Name: "azp of the wrong type", Make: claim(key, map[string]any{"azp": 7})},
		{Name: "unsigned", Make: raw(func(_ *testing.T, payload []byte) string {
			b64 := base64.RawURLEncoding.EncodeToString
			return b64([]byte(`{"alg":"none","kid":"realm-key"}`)) + "." + b64(payload) + "."
		})},
		{Name: "HMAC with the public key", Make: raw(func(t *testing.T, payload []byte) string {
			der, err := x509.MarshalPKIXPublicKey(key.key.Public())
			if err != nil {
				t.Fatal(err)
			}
			return compact(t, jose.HS256, jose.JSONWebKey{Key: der, KeyID: key.kid}, payload)
		})},
		{Name: "a key that it brings itself", Make: raw(func(t *testing.T, payload []byte) string {
			own, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			return compact(t, jose.RS256, jose.JSONWebKey{Key: own, KeyID: key.kid}, payload)
		})},
		{Name: "not a token", Make: raw(func(*testing.T, []byte) string { return "eyJhbGciOiJFUzI1NiJ9.e30" })},
		{Name: "two tokens", Make: func(t *testing.T, url string) *http.Request {
			r := claim(key, nil)(t, url)
			r.Header.Add("Authorization", r.Header.Get("Authorization"))
			return r
		}},
		{Name: "basic", Make: func(t *testing.T, url string) *http.Request {
			r := claim(key, nil)(t, url)
			r.SetBasicAuth("keycloak", "x")
			return r
		}},
	}
	for i := range table {
		table[i].Want, table[i].Status = op.ErrUnauthentic, http.StatusUnauthorized
	}
	return table
}

// forgedBodies are requests with a genuine token and something else wrong.
func forgedBodies(token func(*testing.T, string) string) []optest.Forgery {
	bodies := []struct{ name, body string }{
		{"not JSON", "scope=openid"},
		{"null", "null"},
		{"a list", "[]"},
		{"two objects", genuineBody + genuineBody},
		{"not UTF-8", `{"binding_message":"` + "\xff" + `"}`},
		{"scope is a list", `{"scope":["openid"]}`},
		{"login_hint is a number", `{"login_hint":7}`},
		{"binding_message is an object", `{"binding_message":{}}`},
		{"acr_values is a list", `{"acr_values":["1"]}`},
		{"is_consent_required is a text", `{"is_consent_required":"true"}`},
		{"an endless parameter", `{"x":"` + strings.Repeat("x", 5<<10) + `"}`},
		{"a parameter without a name", `{"":"x"}`},
		{"a parameter whose name is a control character", `{"\u0007":"x"}`},
		{"too many parameters", `{"a1":1,"a2":1,"a3":1,"a4":1,"a5":1,"a6":1,"a7":1,"a8":1,"a9":1,` +
			`"b1":1,"b2":1,"b3":1,"b4":1,"b5":1,"b6":1,"b7":1,"b8":1}`},
		{"64 KiB and one", `{"x":"` + strings.Repeat(" ", 64<<10-7) + `"}`},
	}
	var out []optest.Forgery
	for _, b := range bodies {
		out = append(out, optest.Forgery{Name: b.name, Want: op.ErrMalformed, Status: http.StatusBadRequest,
			Make: func(t *testing.T, url string) *http.Request { return ask(token(t, url), b.body) }})
	}
	for _, ct := range []string{"", "application/x-www-form-urlencoded", "text/plain"} {
		out = append(out, optest.Forgery{Name: "content type " + ct, Want: op.ErrMalformed, Status: http.StatusBadRequest,
			Make: func(t *testing.T, url string) *http.Request {
				r := ask(token(t, url), genuineBody)
				r.Header.Set("Content-Type", ct)
				return r
			}})
	}
	return out
}
