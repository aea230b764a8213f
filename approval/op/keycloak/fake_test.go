package keycloak_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/keycloak"
	"github.com/mitome-ciba/mitome/server/config"
)

// realm is the path of the fake realm.
const realm = "/realms/demo"

// signer is a key of the realm. ES256 because it is quick to make.
type signer struct {
	kid string
	key *ecdsa.PrivateKey
}

func newSigner(t *testing.T, kid string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, key}
}

// sign makes a token of claims.
func (s signer) sign(t *testing.T, c map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return compact(t, jose.ES256, jose.JSONWebKey{Key: s.key, KeyID: s.kid}, payload)
}

func compact(t *testing.T, alg jose.SignatureAlgorithm, key any, payload []byte) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, new(jose.SignerOptions).WithType("JWT"))
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

func (s signer) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.key.Public(), KeyID: s.kid, Algorithm: "ES256", Use: "sig"}
}

// fakeKeycloak speaks Keycloak's side of the contract and refuses what the real
// one refuses. What the real one does is checked elsewhere, against a
// real one.
type fakeKeycloak struct {
	*httptest.Server
	mu       sync.Mutex
	keys     []signer
	down     bool // the JWKS endpoint answers 503
	fetches  int
	hosts    []string          // Host headers seen
	stored   map[string]string // bearer → status
	pingFail bool
	posts    int
}

func newFake(t *testing.T, keys ...signer) *fakeKeycloak {
	f := &fakeKeycloak{keys: keys, stored: map[string]string{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeKeycloak) issuer() string { return f.URL + realm }

// ServeHTTP implements http.Handler.
func (f *fakeKeycloak) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts = append(f.hosts, r.Host)
	switch r.Method + " " + r.URL.Path {
	case "GET " + realm + "/protocol/openid-connect/certs":
		f.certs(w)
	case "POST " + realm + "/protocol/openid-connect/ext/ciba/auth/callback":
		f.callback(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeKeycloak) certs(w http.ResponseWriter) {
	f.fetches++
	if f.down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	// A key for encryption and one of an unknown kind, as real realms have.
	raw := []json.RawMessage{[]byte(`{"kty":"AKP","kid":"x","alg":"ML-DSA-65","pub":"AA"}`)}
	for _, k := range f.keys {
		b, _ := json.Marshal(k.public())
		raw = append(raw, b)
	}
	json.NewEncoder(w).Encode(map[string]any{"keys": raw})
}

// callback is op-contracts §1.5: who repeats a SUCCEED destroys it.
func (f *fakeKeycloak) callback(w http.ResponseWriter, r *http.Request) {
	f.posts++
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	status, known := f.stored[bearer]
	var in struct{ Status string }
	body, _ := io.ReadAll(r.Body)
	switch {
	case !ok:
		fail(w, 401, "invalid_token", "Invalid token")
		return
	case !known, status == "SUCCEED":
		delete(f.stored, bearer)
		fail(w, 403, "invalid_token", "Invalid token")
		return
	case json.Unmarshal(body, &in) != nil || !slices.Contains([]string{"SUCCEED", "UNAUTHORIZED", "CANCELLED"}, in.Status):
		fail(w, 400, "unknown_error", "Cannot parse the JSON")
		return
	}
	f.stored[bearer] = in.Status
	if f.pingFail {
		fail(w, 400, "invalid_request", "Failed to send request to client notification endpoint")
		return
	}
	io.WriteString(w, `{"type":"application","subtype":"json","parameters":{}}`)
}

func fail(w http.ResponseWriter, status int, word, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": word, "error_description": text})
}

func (f *fakeKeycloak) set(change func(*fakeKeycloak)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// with returns base changed by change; a nil value removes a member.
func with(base, change map[string]any) map[string]any {
	out := maps.Clone(base)
	for k, v := range change {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// tokenClaims is what Keycloak signs, issued at now and good for two minutes.
func tokenClaims(issuer string, now time.Time) map[string]any {
	return map[string]any{
		"iss": issuer, "aud": issuer, "typ": "Bearer", "jti": "2f0c1a7e-0001", "azp": "shop",
		"sub": "6b1d5a52-93e0-4f7e-8a43-5b8c8f0b3d11",
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
	}
}

// genuineBody is a body as seen on a running Keycloak.
const genuineBody = `{"scope":"openid profile roles email","binding_message":"W4SCT-1","login_hint":"alice",` +
	`"is_consent_required":false,"acr_values":"urn:x:1 urn:x:2","request_context":"{\"ip\":\"1.2.3.4\"}","foo":"bar"}`

// ask makes the request that Keycloak sends.
func ask(bearer, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/op/corp", bytes.NewReader([]byte(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+bearer)
	return r
}

// settings opens a configuration as the configuration file would.
func settings(m map[string]any) func(any) error {
	c := config.Config{OPs: []config.OP{{Name: "corp", Settings: m}}}
	return func(v any) error { return c.Decode(0, v) }
}

// open opens the adapter with settings m.
func open(t *testing.T, d op.Deps, m map[string]any) op.Adapter {
	t.Helper()
	a, err := keycloak.Open(settings(m), d)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
