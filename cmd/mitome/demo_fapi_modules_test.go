package main_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// discovery looks at the OP's metadata.
func discovery(c *fapiClient) {
	m := c.plan.meta
	for what, ok := range map[string]bool{
		"poll and ping, and no push":  slices.Equal(m.Modes, []string{"poll", "ping"}),
		"PS256 and ES256 of requests": slices.Equal(m.RequestAlgs, []string{"PS256", "ES256"}),
		"FAPI's client authentication": !slices.ContainsFunc(m.AuthMethods, func(s string) bool {
			return s != privateKeyJWT && s != selfSignedTLS && s != tlsClientAuth
		}) && len(m.AuthMethods) == 3,
		"no RS256":      !slices.Contains(slices.Concat(m.AuthAlgs, m.IDTokenAlgs), "RS256"),
		"grants":        slices.Contains(m.Grants, cibaGrant) && slices.Contains(m.Grants, "refresh_token"),
		"bound tokens":  m.Bound && m.MTLS.Token != "" && m.MTLS.Token != m.Token && m.MTLS.Backchannel != "" && m.MTLS.UserInfo != "",
		"registration":  m.Registration != "",
		"acr values":    len(m.ACRs) > 0,
		"all of it TLS": !strings.Contains(m.Issuer+m.Token+m.Backchannel+m.Registration+m.JWKS, "http://"),
	} {
		if !ok {
			c.t.Errorf("%s: %+v", what, m)
		}
	}
}

// happy is two clients, each with a request of its own, approved; the second asks
// for an acr.
func happy(c *fapiClient) {
	c.tokens(c.answered(c.begin(nil), "allow"))
	second := c.plan.register(c.t, c.variant, c.plan.keys[1])
	claims := second.tokens(second.answered(second.begin(map[string]any{"acr_values": c.plan.meta.ACRs[1], "requested_expiry": 300}), "allow"))
	if claims["acr"] != c.plan.meta.ACRs[1] {
		c.t.Errorf("acr is %v, want %s", claims["acr"], c.plan.meta.ACRs[1])
	}
}

// grants is a request that is as it may be.
func grants(changes map[string]any) fapiModule {
	return func(c *fapiClient) { c.tokens(c.answered(c.begin(changes), "allow")) }
}

// tokens looks at what was given out, and returns what the ID token says.
func (c *fapiClient) tokens(got fapiAnswer) map[string]any {
	c.t.Helper()
	if got.status != http.StatusOK || got.text("access_token") == "" || got.header.Get("Cache-Control") == "" {
		c.t.Fatalf("tokens: %d %v", got.status, got.body)
	}
	const id = "9ad3a2ad-4b2c-4f4e-9e0a-0ad1c2f4b7aa"
	resource := c.resource(c.http, got, "X-Fapi-Interaction-Id", id)
	if resource.status != http.StatusOK || resource.text("sub") != "alice-1" || resource.header.Get("X-Fapi-Interaction-Id") != id || resource.header.Get("Date") == "" {
		c.t.Errorf("resource: %d %v %v", resource.status, resource.body, resource.header)
	}
	return c.idToken(got.text("id_token"))
}

// resource asks the OP's small resource for what a token is good for.
func (c *fapiClient) resource(by *http.Client, got fapiAnswer, header ...string) fapiAnswer {
	c.t.Helper()
	header = append(header, "Authorization", "Bearer "+got.text("access_token"))
	return c.plan.send(c.t, by, http.MethodGet, c.plan.meta.MTLS.UserInfo, "", nil, header...)
}

// idToken verifies an ID token by the keys that the OP publishes.
func (c *fapiClient) idToken(raw string) (claims map[string]any) {
	c.t.Helper()
	published := c.plan.send(c.t, c.plan.plain, http.MethodGet, c.plan.meta.JWKS, "", nil)
	text, err := json.Marshal(published.body)
	if err != nil {
		c.t.Fatal(err)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(text, &keys); err != nil {
		c.t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.PS256})
	if err != nil {
		c.t.Fatalf("ID token: %v", err)
	}
	if err := parsed.Claims(&keys, &claims); err != nil {
		c.t.Fatalf("ID token: %v", err)
	}
	if claims["iss"] != c.plan.meta.Issuer || claims["aud"] != c.id || claims["sub"] != "alice-1" || claims["at_hash"] == nil {
		c.t.Errorf("ID token says %v", claims)
	}
	return claims
}

func rejected(c *fapiClient) {
	c.want(c.answered(c.begin(nil), "deny"), http.StatusBadRequest, "access_denied")
}

// want is what an endpoint must say.
func (c *fapiClient) want(got fapiAnswer, status int, codes ...string) {
	c.t.Helper()
	if got.status != status || !slices.Contains(codes, got.text("error")) {
		c.t.Errorf("got %d %v, want %d %v", got.status, got.body, status, codes)
	}
}

// impatient asks twenty times in a row; when the user has answered, that is over.
func impatient(c *fapiClient) {
	id := c.begin(nil)
	for range 10 {
		c.pending(id)
	}
	c.tokens(c.answered(id, "allow"))
}

// expires waits ten seconds, in which nobody answers.
func expires(c *fapiClient) {
	id := c.begin(map[string]any{"requested_expiry": 10})
	c.pending(id)
	for began := time.Now(); ; <-time.After(time.Second) {
		got := c.token(id)
		if got.text("error") == "expired_token" || time.Since(began) > fapiPatience {
			c.want(got, http.StatusBadRequest, "expired_token")
			return
		}
	}
}

// refreshed gets new tokens for the old, and not without the certificate.
func refreshed(c *fapiClient) {
	got := c.answered(c.begin(nil), "allow")
	c.tokens(got)
	form := c.authenticated(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.text("refresh_token")}})
	again := c.post(c.plan.meta.MTLS.Token, form)
	if again.text("access_token") == "" || again.text("access_token") == got.text("access_token") {
		c.t.Fatalf("refreshed: %d %v", again.status, again.body)
	}
	if resource := c.resource(c.http, again); resource.status != http.StatusOK {
		c.t.Errorf("resource: %d %v", resource.status, resource.body)
	}
	second := c.plan.register(c.t, c.variant, c.plan.keys[1])
	second.want(second.post(c.plan.meta.MTLS.Token, second.authenticated(url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {got.text("refresh_token")},
	})), http.StatusBadRequest, "invalid_grant")
}

// holder has no tokens without a certificate, and uses none with another's.
func holder(c *fapiClient) {
	id := c.begin(nil)
	c.pending(id)
	c.plan.act(c.t, id, "allow")
	bare := c.plan.send(c.t, c.plan.plain, http.MethodPost, c.plan.meta.MTLS.Token, formType, strings.NewReader(c.tokenForm(id).Encode()))
	if bare.status < 400 || bare.text("access_token") != "" || !slices.Contains([]string{"invalid_request", "invalid_client"}, bare.text("error")) {
		c.t.Errorf("without a certificate: %d %v", bare.status, bare.body)
	}
	if c.notify != nil {
		c.notify.wait(c.t, id)
	}
	got := c.token(id)
	for got.text("error") == "authorization_pending" || got.text("error") == "slow_down" {
		<-time.After(20 * time.Millisecond)
		got = c.token(id)
	}
	c.tokens(got)
	for what, by := range map[string]*http.Client{"no certificate": c.plan.plain, "another": c.plan.otherCertificate(c.t)} {
		if r := c.resource(by, got); r.status != http.StatusUnauthorized {
			c.t.Errorf("with %s the resource says %d %v", what, r.status, r.body)
		}
	}
}

// refused is a signed request that must not be taken.
func refused(code string, changes map[string]any) fapiModule {
	return func(c *fapiClient) { c.want(c.ask(c.object(changes)), http.StatusBadRequest, code) }
}

// unsigned sends the same parameters as they are.
func unsigned(c *fapiClient) {
	form := url.Values{}
	for name, value := range c.claims() {
		if text, ok := value.(string); ok && !slices.Contains([]string{"iss", "aud", "jti"}, name) {
			form.Set(name, text)
		}
	}
	c.want(c.askForm(c.authenticated(form)), http.StatusBadRequest, "invalid_request")
}

func wrongAuthReqID(c *fapiClient) {
	c.want(c.token("none-that-anybody-was-given"), http.StatusBadRequest, "invalid_grant")
}

// othersAuthReqID is a client that has found another's auth_req_id.
func othersAuthReqID(c *fapiClient) {
	id := c.begin(nil)
	second := c.plan.register(c.t, c.variant, c.plan.keys[1])
	second.want(second.token(id), http.StatusBadRequest, "invalid_grant")
	c.tokens(c.answered(id, "allow"))
}

// othersClientID is a client that says that it is another.
func othersClientID(c *fapiClient) {
	second := c.plan.register(c.t, c.variant, c.plan.keys[1])
	form := c.authenticated(url.Values{"request": {c.object(nil)}})
	form.Set("client_id", second.id)
	c.want(c.askForm(form), http.StatusUnauthorized, "invalid_client")
}

func signedWith(alg jose.SignatureAlgorithm) fapiModule {
	return func(c *fapiClient) {
		c.want(c.ask(c.sign(alg, c.key.rsa, c.claims())), http.StatusBadRequest, "invalid_request")
	}
}

// unsecured is a JWT without a signature.
func unsecured(c *fapiClient) {
	_, rest, _ := strings.Cut(c.object(nil), ".")
	payload, _, _ := strings.Cut(rest, ".")
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"` + c.kid + `"}`))
	c.want(c.ask(header+"."+payload+"."), http.StatusBadRequest, "invalid_request")
}

func badSignature(c *fapiClient) {
	object := c.object(nil)
	end := strings.LastIndex(object, ".") + 1
	signature := []byte(object[end:])
	slices.Reverse(signature)
	c.want(c.ask(object[:end]+string(signature)), http.StatusBadRequest, "invalid_request")
}

func signedByAnother(c *fapiClient) {
	c.want(c.ask(c.sign(jose.PS256, c.plan.keys[1].rsa, c.claims())), http.StatusBadRequest, "invalid_request")
}

// othersAssertion is one client's assertion with another's client_id.
func othersAssertion(c *fapiClient) {
	second := c.plan.register(c.t, c.variant, c.plan.keys[1])
	form := second.authenticated(url.Values{"request": {c.object(nil)}, "client_id": {c.id}})
	c.want(c.askForm(form), http.StatusUnauthorized, "invalid_client")
}

func noAssertion(c *fapiClient) {
	c.want(c.askForm(url.Values{"request": {c.object(nil)}, "client_id": {c.id}}), http.StatusUnauthorized, "invalid_client")
}

func noAssertionForTokens(c *fapiClient) {
	form := url.Values{"grant_type": {cibaGrant}, "auth_req_id": {c.begin(nil)}, "client_id": {c.id}}
	c.want(c.post(c.plan.meta.MTLS.Token, form), http.StatusUnauthorized, "invalid_client")
}

func rs256(c *fapiClient) {
	form := c.authenticated(url.Values{"request": {c.object(nil)}})
	form.Set("client_assertion", c.assertion(jose.RS256, c.plan.meta.Issuer))
	c.want(c.askForm(form), http.StatusUnauthorized, "invalid_client")
}

func rs256ForTokens(c *fapiClient) {
	form := c.tokenForm(c.begin(nil))
	form.Set("client_assertion", c.assertion(jose.RS256, c.plan.meta.Issuer))
	c.want(c.post(c.plan.meta.MTLS.Token, form), http.StatusUnauthorized, "invalid_client")
}

// pingedOf is a client whose endpoint answers in its own way.
func pingedOf(reply func(http.ResponseWriter)) fapiModule {
	return func(c *fapiClient) {
		c.notify.reply = reply
		id := c.begin(nil)
		c.tokens(c.answered(id, "allow"))
		if n := c.notify.times(id); n != 1 {
			c.t.Errorf("pinged %d times", n)
		}
	}
}

// redirected is a client whose endpoint sends the OP elsewhere, where the bearer
// token must not come.
func redirected(c *fapiClient) {
	pingedOf(func(w http.ResponseWriter) {
		w.Header().Set("Location", c.plan.calls.URL+"/moved")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})(c)
	c.plan.mu.Lock()
	defer c.plan.mu.Unlock()
	if c.plan.moved > 0 {
		c.t.Error("the OP has followed a redirect")
	}
}
