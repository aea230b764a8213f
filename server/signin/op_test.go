package signin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	clientID     = "mitome"
	clientSecret = "s3cret of the client, long enough to sign with"
)

// fakeOP is an OpenID Provider: discovery, authorization with PKCE, tokens, keys.
// It is strict about what it is asked, and lies where a test tells it to.
type fakeOP struct {
	t      *testing.T
	issuer string // as it calls itself
	url    string // where it listens
	now    func() time.Time
	key    jose.JSONWebKey

	mu        sync.Mutex
	grants    map[string]url.Values // the authorization request, by code
	asked     url.Values            // the last one
	claims    map[string]any        // over the honest ones; nil takes one away
	sign      func(claims []byte) string
	answer    url.Values // over what it answers to the browser; empty takes one away
	discovery map[string]any
	token     http.HandlerFunc // in place of its own
}

func newOP(t *testing.T, now func() time.Time) *fakeOP {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &fakeOP{t: t, now: now, grants: map[string]url.Values{}, key: jose.JSONWebKey{Key: priv, KeyID: "k1", Algorithm: "ES256", Use: "sig"}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", o.metadata)
	mux.HandleFunc("GET /authorize", o.authorize)
	mux.HandleFunc("POST /token", o.tokens)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		o.write(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{o.key.Public()}})
	})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if want, _ := url.Parse(o.issuer); r.Host != want.Host {
			t.Errorf("called as %s, not as %s", r.Host, want.Host)
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	o.issuer, o.url = srv.URL, srv.URL
	return o
}

// honest forgets every lie.
func (o *fakeOP) honest() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.claims, o.sign, o.answer, o.discovery, o.token = nil, nil, nil, nil, nil
}

func (o *fakeOP) write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		o.t.Error(err)
	}
}

func (o *fakeOP) metadata(w http.ResponseWriter, _ *http.Request) {
	doc := map[string]any{
		"issuer": o.issuer, "authorization_endpoint": o.issuer + "/authorize", "token_endpoint": o.issuer + "/token",
		"jwks_uri": o.issuer + "/jwks", "id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		"authorization_response_iss_parameter_supported": true,
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for k, v := range o.discovery {
		doc[k] = v
	}
	o.write(w, doc)
}

// authorize signs in whoever comes, as a form would, and sends the browser back.
func (o *fakeOP) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name, want := range map[string]string{"client_id": clientID, "response_type": "code", "code_challenge_method": "S256"} {
		if q.Get(name) != want {
			o.t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	if len(q.Get("code_challenge")) != 43 || len(q.Get("state")) < 20 || len(q.Get("nonce")) < 20 || !slices.Contains(strings.Fields(q.Get("scope")), "openid") {
		o.t.Errorf("asked %v", q)
	}
	code := rand.Text()
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {o.issuer}}
	o.mu.Lock()
	o.grants[code], o.asked = q, q
	for k, v := range o.answer {
		if back[k] = v; len(v) == 0 {
			delete(back, k)
		}
	}
	o.mu.Unlock()
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (o *fakeOP) tokens(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.token != nil {
		o.token(w, r)
		return
	}
	asked, ok := o.grants[r.FormValue("code")]
	delete(o.grants, r.FormValue("code")) // a code serves once
	id, secret, basic := r.BasicAuth()
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	switch {
	case !ok, r.FormValue("grant_type") != "authorization_code", r.FormValue("redirect_uri") != asked.Get("redirect_uri"):
		o.t.Errorf("token request: %v", r.Form)
		w.WriteHeader(http.StatusBadRequest)
		return
	case !basic || id != clientID || secret != url.QueryEscape(clientSecret): // RFC 6749 §2.3.1
		o.t.Error("the client did not prove itself")
		w.WriteHeader(http.StatusUnauthorized)
		return
	case base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge"):
		o.t.Error("PKCE: another verifier")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	o.write(w, map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": o.idToken(asked)})
}

func (o *fakeOP) idToken(asked url.Values) string {
	now := o.now().Unix()
	claims := map[string]any{
		"iss": o.issuer, "aud": clientID, "sub": "sub-alice", "iat": now, "exp": now + 300, "nonce": asked.Get("nonce"),
		"auth_time": now, "acr": strings.Split(asked.Get("acr_values"), " ")[0],
		"name": "Alice Example", "preferred_username": "alice", "email": "alice@example.com", "email_verified": true,
	}
	for k, v := range o.claims {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	b, err := json.Marshal(claims)
	if err != nil {
		o.t.Error(err)
	}
	if o.sign != nil {
		return o.sign(b)
	}
	return signed(o.t, o.key, jose.ES256, b)
}

// signed is a JWS by key.
func signed(t *testing.T, key any, alg jose.SignatureAlgorithm, payload []byte) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
