package main_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// besides is what a run needs and no module looks at.
func (p *fapiPlan) besides(t *testing.T) {
	t.Parallel()
	by := variant{privateKeyJWT, "poll"}
	for name, look := range map[string]func(*fapiClient){
		"answers": p.onlyThatAnswer, "many at once": p.many, "requests": p.furtherRequests,
		"certificate of a CA": p.vouched, "registration": p.registrations, "by our own library": p.byLibrary,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			look(p.register(t, by, p.keys[0]))
		})
	}
}

// onlyThatAnswer: whoever does not know the auth_req_id moves nothing, and what
// answers is the demo's alone.
func (p *fapiPlan) onlyThatAnswer(c *fapiClient) {
	id := c.begin(nil)
	at := strings.NewReplacer("{auth_req_id}", id, "{action}", "allow").Replace(p.answers)
	parts, err := url.Parse(at)
	if err != nil {
		c.t.Fatal(err)
	}
	mitome, err := url.Parse(p.phone)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, tt := range []struct {
		what, method, to string
		want             int
	}{
		{"unknown", http.MethodPost, strings.Replace(at, id, "guessed", 1), http.StatusNotFound},
		{"nothing", http.MethodPost, strings.Replace(at, id, "", 1), http.StatusNotFound},
		{"no answer", http.MethodPost, strings.Replace(at, "allow", "perhaps", 1), http.StatusBadRequest},
		{"a link", http.MethodGet, at, http.StatusMethodNotAllowed},
		{"where certificates are asked for", http.MethodPost, strings.Replace(c.plan.meta.MTLS.Token, "/token", parts.RequestURI(), 1), http.StatusNotFound},
		{"at Mitome", http.MethodPost, "http://127.0.0.1:" + mitome.Port() + parts.RequestURI(), http.StatusNotFound},
	} {
		var header []string
		if tt.what == "at Mitome" {
			header = []string{"Host", mitome.Host}
		}
		if got := p.send(c.t, p.plain, tt.method, tt.to, "", nil, header...); got.status != tt.want {
			c.t.Errorf("%s: got %d, want %d", tt.what, got.status, tt.want)
		}
	}
	c.tokens(c.answered(id, "allow")) // it was pending still
	if status := p.act(c.t, id, "deny"); status != http.StatusConflict {
		c.t.Errorf("a second answer: got %d, want %d", status, http.StatusConflict)
	}
}

// many requests for one user stand open together, and each ends in its own way.
func (p *fapiPlan) many(c *fapiClient) {
	ids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			ids[i] = c.ask(c.object(map[string]any{"binding_message": fmt.Sprintf("Order %d", i)})).text("auth_req_id")
		})
	}
	wg.Wait()
	actions := []string{"allow", "deny"}
	for i, id := range ids {
		wg.Go(func() {
			if status := p.act(c.t, id, actions[i%2]); status != http.StatusNoContent {
				c.t.Errorf("answer %d: %d", i, status)
			}
		})
	}
	wg.Wait()
	for i, id := range ids {
		got := c.token(id)
		for began := time.Now(); got.text("error") == "authorization_pending" || got.text("error") == "slow_down"; got = c.token(id) {
			if time.Since(began) > fapiPatience {
				c.t.Fatal("the OP was never told")
			}
			<-time.After(20 * time.Millisecond)
		}
		if approved := got.text("access_token") != ""; approved != (i%2 == 0) || !approved && got.text("error") != "access_denied" {
			c.t.Errorf("request %d: %d %v", i, got.status, got.body)
		}
	}
}

// vouched is tls_client_auth: the name in a certificate counts if the demo's CA
// has written it.
func (p *fapiPlan) vouched(first *fapiClient) {
	t := first.t
	cert, err := tls.LoadX509KeyPair(p.files[0], p.files[1])
	if err != nil {
		t.Fatal(err)
	}
	c := p.register(t, variant{tlsClientAuth, "poll"}, p.keys[0], func(meta map[string]any) {
		meta["tls_client_auth_subject_dn"] = "CN=client1"
	})
	c.want(c.ask(c.object(nil)), http.StatusUnauthorized, "invalid_client") // the same name, written by itself
	c.http = p.client(cert)
	t.Cleanup(c.http.CloseIdleConnections)
	c.tokens(c.answered(c.begin(nil), "allow"))
	if c.http = p.otherCertificate(t); c.ask(c.object(nil)).status != http.StatusUnauthorized {
		t.Error("a certificate of its own making is believed")
	}
}

// byLibrary is what approval/rp makes of it: assertions and requests by PS256, and
// tokens that are bound; then the certificate alone.
func (p *fapiPlan) byLibrary(first *fapiClient) {
	t := first.t
	for _, c := range []*fapiClient{first, p.register(t, variant{selfSignedTLS, "poll"}, p.keys[0])} {
		provider, err := rp.Discover(t.Context(), p.plain, p.meta.Issuer)
		if err != nil {
			t.Fatal(err)
		}
		key := rp.Key{ID: c.kid, Signer: c.key.rsa}
		client := &rp.Client{Provider: provider, ID: c.id, Auth: rp.PrivateKeyJWT(key), Key: key, MTLS: true, HTTP: c.http}
		if c.auth == selfSignedTLS {
			client.Auth = rp.TLSBySelf()
		}
		pending, err := client.Start(t.Context(), rp.Request{LoginHint: "alice", BindingMessage: "1234", ACRValues: "phr", Signed: true})
		if err != nil {
			t.Fatalf("%s: %v", c.auth, err)
		}
		p.act(t, pending.AuthReqID, "allow")
		tokens, err := pending.Wait(t.Context())
		if err != nil || tokens.Claims.Subject != "alice-1" || tokens.Claims.ACR != "phr" {
			t.Errorf("%s: got %+v, %v", c.auth, tokens, err)
		}
	}
}

// registrations are those that FAPI-CIBA does not have, and one that asks for less
// than it has to.
func (p *fapiPlan) registrations(first *fapiClient) {
	t := first.t
	lax := p.register(t, first.variant, p.keys[0], func(m map[string]any) {
		delete(m, "backchannel_authentication_request_signing_alg")
		m["tls_client_certificate_bound_access_tokens"] = false
	})
	unsigned(lax)
	holder(lax)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(map[string]any){
		"push": func(m map[string]any) {
			m["backchannel_token_delivery_mode"], m["backchannel_client_notification_endpoint"] = "push", "https://localhost/cb"
		},
		"a public client": func(m map[string]any) { m["token_endpoint_auth_method"] = "none" },
		"a secret":        func(m map[string]any) { m["token_endpoint_auth_method"] = "client_secret_basic" },
		"RS256":           func(m map[string]any) { m["backchannel_authentication_request_signing_alg"] = "RS256" },
		"no CIBA":         func(m map[string]any) { m["grant_types"] = []string{"refresh_token"} },
		"a weak key": func(m map[string]any) {
			m["jwks"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: weak.Public(), KeyID: "k", Algorithm: "PS256"}}}
		},
	} {
		c := p.register(t, first.variant, p.keys[0], change)
		if c.id != "" || c.registered.status != http.StatusBadRequest {
			t.Errorf("%s: got %d %v", what, c.registered.status, c.registered.body)
		}
	}
}

// furtherRequests are rules that no module looks at, and that go-oidc's own
// profile does not have.
func (p *fapiPlan) furtherRequests(c *fapiClient) {
	now := time.Now()
	for what, tt := range map[string]struct {
		changes map[string]any
		code    string // none: it is taken
	}{
		"good for more than an hour": {map[string]any{"nbf": now.Add(-10 * time.Minute).Unix(), "exp": now.Add(55 * time.Minute).Unix()}, "invalid_request"},
		"about nothing":              {map[string]any{"binding_message": nil}, "invalid_request"},
		"an empty context":           {map[string]any{"binding_message": nil, "request_context": map[string]any{}}, "invalid_request"},
		"a context that is none":     {map[string]any{"request_context": "nowhere"}, "invalid_request"},
		"expires in a word":          {map[string]any{"requested_expiry": "soon"}, "invalid_request"},
		"expires before it is asked": {map[string]any{"requested_expiry": -1}, "invalid_request"},
		"a scope unheard of":         {map[string]any{"scope": "openid root"}, "invalid_scope"},
		"nobody":                     {map[string]any{"login_hint": "mallory"}, "unknown_user_id"},
		"about a context":            {map[string]any{"binding_message": nil, "request_context": map[string]any{"till": "7"}}, ""},
		"a context as a string":      {map[string]any{"binding_message": nil, "request_context": `{"till":"7"}`}, ""},
		"about a payment": {map[string]any{"binding_message": nil, "authorization_details": []any{
			map[string]any{"type": "payment_initiation", "instructedAmount": map[string]any{"currency": "EUR", "amount": "12.00"}},
		}}, ""},
	} {
		got := c.ask(c.object(tt.changes))
		if tt.code == "" && got.status != http.StatusOK || tt.code != "" && (got.status != http.StatusBadRequest || got.text("error") != tt.code) {
			c.t.Errorf("%s: got %d %v, want %q", what, got.status, got.body, tt.code)
		}
	}
	object := c.object(nil)
	form := c.authenticated(url.Values{"request": {object}, "login_hint": {"alice"}})
	c.want(c.askForm(form), http.StatusBadRequest, "invalid_request") // beside a signed request
	if got := c.ask(object); got.status != http.StatusOK {
		c.t.Errorf("the same without it: %d %v", got.status, got.body)
	}
	c.want(c.ask(object), http.StatusBadRequest, "invalid_request") // its jti was there before
}

// TestServeHasNoAnswers: what approves by a URL belongs to the demo's command, and
// `mitome serve` has no part in it.
func TestServeHasNoAnswers(t *testing.T) {
	t.Parallel()
	const answers = module + "cmd/mitome/demo/fapi"
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		by, imports, _ := strings.Cut(line, ": ")
		if strings.Contains(imports+" ", answers) && by != strings.TrimSuffix(module, "/")+"/cmd/mitome" {
			t.Errorf("%s imports %s", by, answers)
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(`"`+answers+`"`)) && file != "demo.go" && file != "demo_fapi.go" {
			t.Errorf("%s imports %s", file, answers)
		}
	}
}
