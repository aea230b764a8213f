package browsertest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Mitome's client at the OP, with which users sign in.
const (
	ClientID     = "mitome"
	ClientSecret = "the-secret-of-the-client-for-signing-in"
)

// SignIn is the part of a connection's configuration that lets users pair by
// themselves.
const SignIn = "    signin: {client_id: " + ClientID + ", client_secret: " + ClientSecret + "}"

const realm = "/realms/demo"

// OP is an OpenID Provider: Keycloak's side of the CIBA channel, and the code
// flow with a form to sign in. Its users are whoever the form names.
type OP struct {
	Issuer   string // http://op.localhost:port/realms/demo
	Internal string // the same by address, for those who cannot resolve the name

	key *ecdsa.PrivateKey

	mu     sync.Mutex
	grants map[string]grant
	told   map[string]string // what was decided, by bearer
}

// grant is what an authorization code stands for.
type grant struct {
	asked url.Values
	sub   string
}

func newOP(t *testing.T) *OP {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &OP{key: key, grants: map[string]grant{}, told: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+realm+"/.well-known/openid-configuration", o.metadata)
	mux.HandleFunc("GET "+realm+"/protocol/openid-connect/certs", o.certs)
	mux.HandleFunc("GET "+realm+"/authorize", o.form)
	mux.HandleFunc("POST "+realm+"/authorize", o.authorize)
	mux.HandleFunc("POST "+realm+"/token", o.token)
	mux.HandleFunc("POST "+realm+"/protocol/openid-connect/ext/ciba/auth/callback", o.callback)
	mux.HandleFunc("GET /link", o.link)
	mux.HandleFunc("GET /post", o.post)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	at := listen(t, "op", mux)
	o.Issuer = at + realm
	o.Internal = strings.Replace(at, "op.localhost", "127.0.0.1", 1)
	return o
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func (o *OP) metadata(w http.ResponseWriter, _ *http.Request) {
	write(w, map[string]any{
		"issuer": o.Issuer, "authorization_endpoint": o.Issuer + "/authorize", "token_endpoint": o.Issuer + "/token",
		"jwks_uri": o.Issuer + "/protocol/openid-connect/certs", "id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

func (o *OP) certs(w http.ResponseWriter, _ *http.Request) {
	write(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: o.key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
}

// The pages of the OP, and those of a stranger's site that links to Mitome.
var (
	formPage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Sign in</title>
<form method="post"><label>User <input name="user"></label><button>Sign in</button></form>`))
	linkPage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Mail</title><a href="{{.}}">Open</a>`))
	postPage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Trap</title>
<form method="post" action="{{.}}" enctype="text/plain"><input name='{"verdict":"deny","x":"' value='"}'><button>Win</button></form>`))
)

func (o *OP) form(w http.ResponseWriter, _ *http.Request) { formPage.Execute(w, nil) }
func (o *OP) link(w http.ResponseWriter, r *http.Request) { linkPage.Execute(w, r.FormValue("to")) }
func (o *OP) post(w http.ResponseWriter, r *http.Request) { postPage.Execute(w, r.FormValue("to")) }

// site is the OP's origin.
func (o *OP) site() string { return strings.TrimSuffix(o.Issuer, realm) }

// LinkTo is a page of another site with a link named Open.
func (o *OP) LinkTo(to string) string { return o.site() + "/link?" + url.Values{"to": {to}}.Encode() }

// PostTo is a page of another site with a form whose button Win posts to an
// address.
func (o *OP) PostTo(to string) string { return o.site() + "/post?" + url.Values{"to": {to}}.Encode() }

// authorize signs in whoever the form names.
func (o *OP) authorize(w http.ResponseWriter, r *http.Request) {
	q, code := r.URL.Query(), rand.Text()
	o.mu.Lock()
	o.grants[code] = grant{q, r.FormValue("user")}
	o.mu.Unlock()
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (o *OP) token(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	g, ok := o.grants[r.FormValue("code")]
	delete(o.grants, r.FormValue("code")) // a code serves once
	o.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || id != ClientID || secret != ClientSecret ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != g.asked.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	now := time.Now().Unix()
	token, err := o.sign(map[string]any{
		"iss": o.Issuer, "aud": ClientID, "sub": g.sub, "iat": now, "exp": now + 300, "auth_time": now,
		"nonce": g.asked.Get("nonce"), "preferred_username": g.sub, "name": g.sub,
	})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	write(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": token})
}

func (o *OP) callback(w http.ResponseWriter, r *http.Request) {
	var in struct{ Status string }
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if _, twice := o.told[bearer]; twice {
		in.Status = "TWICE" // Keycloak would have deleted the request
	}
	o.told[bearer] = in.Status
}

func (o *OP) sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: o.key, KeyID: "k"}},
		new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return "", err
	}
	jws, err := s.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// Question is a request that a client has sent.
type Question struct {
	m      *Mitome
	bearer string
}

// Ask has a client ask for a user by a connection, with further members of the
// body as pairs of name and value.
func (m *Mitome) Ask(connection, sub string, more ...string) Question {
	m.t.Helper()
	now := time.Now()
	bearer, err := m.OP.sign(map[string]any{
		"iss": m.OP.Issuer, "aud": m.OP.Issuer, "sub": sub, "azp": "Corner Books", "typ": "Bearer", "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
	})
	if err != nil {
		m.t.Fatal(err)
	}
	body := map[string]any{"scope": "openid", "login_hint": sub, "is_consent_required": false}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i]] = more[i+1]
	}
	payload, err := json.Marshal(body)
	if err != nil {
		m.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, "http://"+m.ops+"/op/"+connection, bytes.NewReader(payload))
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		m.t.Fatalf("Mitome answers the OP %s", resp.Status)
	}
	return Question{m, bearer}
}

// Told waits until the OP was told this, and nothing after it.
func (q Question) Told(status string) {
	q.m.t.Helper()
	got := ""
	Await(q.m.t, "the OP to be told "+status, func() bool {
		q.m.OP.mu.Lock()
		defer q.m.OP.mu.Unlock()
		got = q.m.OP.told[q.bearer]
		return got != ""
	})
	if got != status {
		q.m.t.Errorf("the OP was told %s, want %s", got, status)
	}
}
