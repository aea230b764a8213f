package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
)

// testContract checks, with Mitome out of the way, the facts about Keycloak
// that package approval/op/keycloak relies on. When a newer Keycloak turns one
// of them red, the connector must be read again.
func testContract(t *testing.T, s *stage) {
	tests := []struct {
		name string
		run  func(*testing.T, *keycloaktest.Server)
	}{
		{"what it sends", contractAsk},
		{"what it forwards of further parameters", contractExtras},
		{"what it refuses by itself", contractRefusals},
		{"only 201 is yes", contractAnswers},
		{"waits five seconds", contractTimeout},
		{"what it says to a callback", contractCallback},
		{"a callback before the 201 is lost", contractEarly},
		{"approve", contractApprove},
		{"deny", contractDeny},
		{"a second approval deletes the request", contractSecond},
		{"a denial after an approval deletes the request", contractRevoke},
		{"an approval after a denial wins", contractFlip},
		{"a denial may be repeated", contractDenyTwice},
		{"ping", contractPing},
		{"a ping that fails", contractPingFails},
		{"a user with something left to do", contractUnready},
		{"a bearer that dies before the request", contractShortBearer},
		{"a request that dies before its bearer", contractShortRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, s.kc)
		})
	}
}

// receiver is the least that Keycloak takes for a gateway.
type receiver struct {
	realm  *keycloaktest.Realm
	answer func(http.ResponseWriter, *http.Request) // nil: 201

	mu     sync.Mutex
	header http.Header
	body   []byte
	calls  int
}

func receive(kc *keycloaktest.Server, realm *keycloaktest.Realm) *receiver {
	r := &receiver{realm: realm}
	kc.Channel.Handle(realm.Name, r)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	r.header, r.body = req.Header, body
	r.calls++
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, req)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

// bearer returns the token that came with the last call.
func (r *receiver) bearer() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.TrimPrefix(r.header.Get("Authorization"), "Bearer ")
}

func (r *receiver) called() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// outcome is what a client gets when it polls once.
func outcome(t *testing.T, c keycloaktest.Client, id string) string {
	t.Helper()
	a := c.Poll(t, id)
	if a.IDToken != "" {
		return "tokens"
	}
	return a.Error
}

func contractAsk(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{})
	r := receive(kc, realm)
	realm.Shop.MustAsk(t, "alice@example.com", "binding_message", "W4SCT-1", "acr_values", "urn:x:1")

	var body map[string]any
	if err := json.Unmarshal(r.body, &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"scope":           body["scope"], // looked at below
		"binding_message": "W4SCT-1", "acr_values": "urn:x:1",
		"login_hint": "alice", "is_consent_required": false, // the user's name, whatever the client's hint was
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if scope, _ := body["scope"].(string); !strings.Contains(" "+scope+" ", " openid ") {
		t.Errorf("scope: got %q, want openid in it", scope)
	}
	check(t, "Content-Type", r.header.Get("Content-Type"), "application/json")
	checkClaims(t, realm, r.bearer())

	realm.Shop.MustAsk(t, "alice")
	body = nil
	if err := json.Unmarshal(r.body, &body); err != nil {
		t.Fatal(err)
	}
	want = map[string]any{"scope": body["scope"], "login_hint": "alice", "is_consent_required": false}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body of the least request (-want +got):\n%s", diff)
	}
}

// checkClaims checks the bearer that is all that authenticates Keycloak.
func checkClaims(t *testing.T, realm *keycloaktest.Realm, bearer string) {
	t.Helper()
	token, err := jose.ParseSignedCompact(bearer, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(realm.Issuer + "/protocol/openid-connect/certs")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var keys jose.JSONWebKeySet
	if err := json.NewDecoder(resp.Body).Decode(&keys); err != nil {
		t.Fatal(err)
	}
	key := keys.Key(token.Signatures[0].Header.KeyID)
	if len(key) != 1 {
		t.Fatalf("the realm has %d keys of the bearer's kid, want 1", len(key))
	}
	if _, err := token.Verify(key[0]); err != nil {
		t.Errorf("signature: %v", err)
	}
	claims, err := keycloaktest.Claims(bearer)
	if err != nil {
		t.Fatal(err)
	}
	exp, _ := claims["exp"].(float64)
	iat, _ := claims["iat"].(float64)
	if exp-iat != 120 {
		t.Errorf("exp - iat: got %v, want the realm's 120 s", exp-iat)
	}
	if jti, _ := claims["jti"].(string); jti == "" {
		t.Error("no jti")
	}
	for name, want := range map[string]any{
		"iss": realm.Issuer, "aud": realm.Issuer, "sub": realm.Alice, "typ": "Bearer", "azp": "shop",
	} {
		if claims[name] != want {
			t.Errorf("claim %s: got %v, want %v", name, claims[name], want)
		}
	}
}

func contractExtras(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{})
	r := receive(kc, realm)
	long := strings.Repeat("x", 201)
	realm.Shop.MustAsk(t, "alice", "request_context", `{"ip":"192.0.2.1"}`, "long", long,
		"requested_expiry", "60", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5")

	var body map[string]any
	if err := json.Unmarshal(r.body, &body); err != nil {
		t.Fatal(err)
	}
	if _, ok := body["long"]; ok {
		t.Error("a parameter of 201 characters was forwarded")
	}
	if _, ok := body["requested_expiry"]; ok {
		t.Error("requested_expiry was forwarded")
	}
	for _, known := range []string{"scope", "binding_message", "login_hint", "is_consent_required", "acr_values"} {
		delete(body, known)
	}
	if len(body) > 5 {
		t.Errorf("got %d further members, want at most 5: %v", len(body), body)
	}
	for name, value := range body {
		if _, ok := value.(string); !ok {
			t.Errorf("%s: got %T, want a string", name, value)
		}
	}
}

func contractRefusals(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{})
	r := receive(kc, realm)
	tests := []struct {
		name string
		user string
		more []string
		want string
	}{
		{"unknown user", "nobody", nil, "400 invalid_request invalid_user"},
		{"user code", "alice", []string{"user_code", "1234"}, "400 invalid_request User code not supported"},
		{"a space in the message", "alice", []string{"binding_message", "two words"}, "400 invalid_binding_message"},
		{"51 characters", "alice", []string{"binding_message", strings.Repeat("a", 51)}, "400 invalid_binding_message"},
	}
	for _, tt := range tests {
		a := realm.Shop.Ask(t, tt.user, tt.more...)
		got := fmt.Sprintf("%d %s %s", a.Status, a.Error, a.Description)
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	stranger := realm.Shop
	stranger.Secret = "wrong"
	for _, tt := range []struct {
		name   string
		client keycloaktest.Client
		want   string
	}{
		{"client without the grant", realm.Cart, "401 invalid_grant Client not allowed OIDC CIBA Grant"},
		{"wrong secret", stranger, "401 unauthorized_client Invalid client or Invalid client credentials"},
	} {
		a := tt.client.Ask(t, "alice")
		check(t, tt.name, fmt.Sprintf("%d %s %s", a.Status, a.Error, a.Description), tt.want)
	}
	if r.called() != 0 {
		t.Errorf("the gateway was asked %d times, want 0", r.called())
	}
}

func contractAnswers(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{})
	r := receive(kc, realm)
	status := func(code int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	const unexpected = "503 server_error Unexpected response from authentication device"
	tests := []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		{"201", status(201), "200"},
		{"200", status(200), unexpected},
		{"202", status(202), unexpected},
		{"204", status(204), unexpected},
		{"401", status(401), unexpected},
		{"500", status(500), unexpected},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"503 server_error Failed to send authentication request"},
	}
	for i, tt := range tests {
		r.answer = tt.answer
		a := realm.Shop.Ask(t, "alice")
		check(t, tt.name, strings.TrimSpace(fmt.Sprintf("%d %s %s", a.Status, a.Error, a.Description)), tt.want)
		if r.called() != i+1 {
			t.Fatalf("%s: the gateway was asked %d times, want 1", tt.name, r.called()-i)
		}
	}
}

func contractTimeout(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{})
	r := receive(kc, realm)
	r.answer = func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
	start := time.Now()
	a := realm.Shop.Ask(t, "alice")
	took := time.Since(start)
	check(t, "answer", a.Error+" "+a.Description, "server_error Failed to send authentication request")
	if took < 4*time.Second || took > 10*time.Second {
		t.Errorf("gave up after %v, want about 5 s", took)
	}
	if r.called() != 1 {
		t.Errorf("the gateway was asked %d times, want 1", r.called())
	}
}

// await waits until cond holds.
func await(t testing.TB, what string, limit time.Duration, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}
