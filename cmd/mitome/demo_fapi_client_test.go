package main_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// fapiKey is a client's: RSA for PS256, with a certificate that it has made
// itself.
type fapiKey struct {
	rsa  *rsa.PrivateKey
	cert tls.Certificate
	leaf *x509.Certificate
}

func newFAPIKey(t *testing.T) fapiKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert := selfSigned(t, key)
	return fapiKey{key, cert, cert.Leaf}
}

func selfSigned(t *testing.T, key crypto.Signer) tls.Certificate {
	t.Helper()
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client1"}, // the name of one that the demo's CA issued
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// fapiClient is a client that has registered itself.
type fapiClient struct {
	t    *testing.T
	plan *fapiPlan
	variant
	id     string
	key    fapiKey
	kid    string
	http   *http.Client // shows the certificate
	notify *notified

	registered fapiAnswer
}

// register makes a client as a suite does, with whatever change makes different.
func (p *fapiPlan) register(t *testing.T, v variant, key fapiKey, change ...func(map[string]any)) *fapiClient {
	t.Helper()
	c := &fapiClient{t: t, plan: p, variant: v, key: key, kid: rand.Text(), http: p.client(key.cert)}
	t.Cleanup(c.http.CloseIdleConnections)
	meta := map[string]any{
		"client_name": "Conformance client", "grant_types": []string{cibaGrant}, "response_types": []string{},
		"jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
			Key: key.rsa.Public(), KeyID: c.kid, Algorithm: "PS256", Use: "sig", Certificates: []*x509.Certificate{key.leaf},
		}}},
		"backchannel_token_delivery_mode": v.mode, "backchannel_user_code_parameter": false,
		"backchannel_authentication_request_signing_alg": "PS256", "id_token_signed_response_alg": "PS256",
		"token_endpoint_auth_method": v.auth, "tls_client_certificate_bound_access_tokens": true,
	}
	if v.auth == privateKeyJWT {
		meta["token_endpoint_auth_signing_alg"] = "PS256"
	}
	if v.mode == "ping" {
		c.notify = p.endpoint(t)
		meta["backchannel_client_notification_endpoint"] = c.notify.url
	}
	for _, f := range change {
		f(meta)
	}
	body, err := json.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	c.registered = p.send(t, p.plain, http.MethodPost, p.meta.Registration, "application/json", bytes.NewReader(body))
	c.id = c.registered.text("client_id")
	return c
}

// fapiAnswer is what an endpoint said.
type fapiAnswer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a fapiAnswer) text(member string) string {
	s, _ := a.body[member].(string)
	return s
}

// send makes one call.
func (p *fapiPlan) send(t *testing.T, c *http.Client, method, to, kind string, body io.Reader, header ...string) fapiAnswer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, to, body)
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := fapiAnswer{status: resp.StatusCode, header: resp.Header}
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(said, &out.body)
	return out
}

// claims are a signed request's, with what is in them now and always.
func (c *fapiClient) claims() map[string]any {
	now := time.Now()
	all := map[string]any{
		"iss": c.id, "aud": c.plan.meta.Issuer, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"scope": "openid", "login_hint": "alice", "binding_message": "1234",
	}
	if c.notify != nil {
		all["client_notification_token"] = c.notify.bearer
	}
	return all
}

// sign makes a JWT of claims.
func (c *fapiClient) sign(alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	c.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", c.kid))
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}

// object is a signed request, changed. A nil member is left out.
func (c *fapiClient) object(changes map[string]any) string {
	claims := c.claims()
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return c.sign(jose.PS256, c.key.rsa, claims)
}

// authenticated is a form with the client's proof of who it is.
func (c *fapiClient) authenticated(form url.Values) url.Values {
	if c.auth != privateKeyJWT {
		form.Set("client_id", c.id)
		return form
	}
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", c.assertion(jose.PS256, c.plan.meta.Issuer))
	return form
}

func (c *fapiClient) assertion(alg jose.SignatureAlgorithm, audience string) string {
	now := time.Now()
	return c.sign(alg, c.key.rsa, map[string]any{
		"iss": c.id, "sub": c.id, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
}

// post sends a form by the way that the client's certificate needs.
func (c *fapiClient) post(to string, form url.Values) fapiAnswer {
	c.t.Helper()
	return c.plan.send(c.t, c.http, http.MethodPost, to, formType, strings.NewReader(form.Encode()))
}

// ask sends a request that is signed already.
func (c *fapiClient) ask(object string) fapiAnswer {
	c.t.Helper()
	return c.askForm(c.authenticated(url.Values{"request": {object}}))
}

func (c *fapiClient) askForm(form url.Values) fapiAnswer {
	c.t.Helper()
	return c.post(c.plan.backchannel(c.variant), form)
}

// begin sends a request that must be taken, and returns its auth_req_id.
func (c *fapiClient) begin(changes map[string]any) string {
	c.t.Helper()
	got := c.ask(c.object(changes))
	if got.status != http.StatusOK || got.text("auth_req_id") == "" {
		c.t.Fatalf("request was answered %d %v", got.status, got.body)
	}
	return got.text("auth_req_id")
}

// tokenForm is what asks for tokens.
func (c *fapiClient) tokenForm(authReqID string) url.Values {
	return c.authenticated(url.Values{"grant_type": {cibaGrant}, "auth_req_id": {authReqID}})
}

func (c *fapiClient) token(authReqID string) fapiAnswer {
	c.t.Helper()
	return c.post(c.plan.meta.MTLS.Token, c.tokenForm(authReqID))
}

// pending asks twice in vain, as a suite does before it lets the user answer.
func (c *fapiClient) pending(authReqID string) {
	c.t.Helper()
	for range 2 {
		got := c.token(authReqID)
		if code := got.text("error"); got.status != http.StatusBadRequest || code != "authorization_pending" && code != "slow_down" {
			c.t.Fatalf("nobody has answered, and the token endpoint says %d %v", got.status, got.body)
		}
	}
}

// answered has the user answer, and waits to be pinged if that is the mode.
func (c *fapiClient) answered(authReqID, action string) fapiAnswer {
	c.t.Helper()
	c.pending(authReqID)
	if status := c.plan.act(c.t, authReqID, action); status != http.StatusNoContent {
		c.t.Fatalf("the phone's answer was answered %d", status)
	}
	if c.notify != nil {
		c.notify.wait(c.t, authReqID)
		return c.token(authReqID)
	}
	for {
		got := c.token(authReqID)
		if code := got.text("error"); code != "authorization_pending" && code != "slow_down" {
			return got
		}
		<-time.After(20 * time.Millisecond) // Mitome's word is on its way to the OP
	}
}

// otherCertificate is an HTTP client with a certificate that no token is bound to.
func (p *fapiPlan) otherCertificate(t *testing.T) *http.Client {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := p.client(selfSigned(t, key))
	t.Cleanup(c.CloseIdleConnections)
	return c
}
