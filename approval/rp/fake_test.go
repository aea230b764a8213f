package rp_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mitome-ciba/mitome/approval/rp"
)

const (
	issuer   = "https://op.example"
	bcURL    = issuer + "/bc"
	tokenURL = issuer + "/token"
)

// said is an answer of the fake OP. held is how long it takes.
type said struct {
	status int
	body   string
	header http.Header
	held   time.Duration
	err    error // in place of an answer
}

func refuse(code string) said {
	return said{status: 400, body: `{"error":"` + code + `","error_description":"because"}`}
}

func ok(v any) said {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return said{status: 200, body: string(body)}
}

// call is what the fake OP was sent.
type call struct {
	at     time.Duration // since the start
	path   string
	form   url.Values
	header http.Header
}

// fakeOP is an OP without a network, so that time can be made to pass. It
// answers from its scripts; the last line of a script is repeated.
type fakeOP struct {
	key     *ecdsa.PrivateKey
	ack     said
	tokens  []said
	began   time.Time
	mu      sync.Mutex
	calls   []call
	replies int
}

func newFakeOP(t *testing.T) *fakeOP {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeOP{
		key: key, began: time.Now(),
		ack: ok(map[string]any{"auth_req_id": "req-1", "expires_in": 120, "interval": 5}),
	}
}

// RoundTrip implements http.RoundTripper.
func (f *fakeOP) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.calls = append(f.calls, call{time.Since(f.began), r.URL.Path, form, r.Header.Clone()})
	answer := f.ack
	if r.URL.Path == "/token" {
		answer = f.tokens[min(f.replies, len(f.tokens)-1)]
		f.replies++
	}
	f.mu.Unlock()
	select {
	case <-time.After(answer.held):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if answer.err != nil {
		return nil, answer.err
	}
	w := httptest.NewRecorder()
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
	return w.Result(), nil
}

// polls is when the token endpoint was asked, in seconds.
func (f *fakeOP) polls() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := []int{}
	for _, c := range f.calls {
		if c.path == "/token" {
			at = append(at, int(c.at/time.Second))
		}
	}
	return at
}

func (f *fakeOP) last() call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[len(f.calls)-1]
}

// client is a client of the fake OP.
func (f *fakeOP) client(mode rp.Mode) *rp.Client {
	return &rp.Client{
		Provider: &rp.Provider{
			Issuer: issuer, BackchannelEndpoint: bcURL, TokenEndpoint: tokenURL,
			DeliveryModes: []rp.Mode{rp.Poll, rp.Ping, rp.Push}, UserCode: true,
			RequestSigningAlgs: []string{"ES256", "PS256"},
			AuthMethods:        []string{"client_secret_basic", "client_secret_post", "private_key_jwt"},
			IDTokenSigningAlgs: []string{"ES256", "HS256", "none"},
			Keys:               &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{&f.key.PublicKey}},
		},
		ID: "shop", Auth: rp.SecretBasic("secret"), Mode: mode,
		Notifications: &rp.Notifications{}, HTTP: &http.Client{Transport: f, Timeout: time.Minute},
	}
}

// claims are those of a good ID token, of a push as well.
func claims() map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": issuer, "aud": "shop", "sub": "alice", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"auth_time": now.Unix(), "acr": "phr", "amr": []string{"pop", "user"},
		"at_hash": half("access"),
		"urn:openid:params:jwt:claim:auth_req_id": "req-1",
		"urn:openid:params:jwt:claim:rt_hash":     half("refresh"),
	}
}

// half is the left half of a value's SHA-256, as at_hash has it.
func half(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (f *fakeOP) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	return signWith(t, jose.SigningKey{Algorithm: jose.ES256, Key: f.key}, claims)
}

func signWith(t *testing.T, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// given are the tokens that go with an ID token.
func given(idToken string) map[string]any {
	return map[string]any{
		"auth_req_id": "req-1", "access_token": "access", "token_type": "Bearer",
		"refresh_token": "refresh", "expires_in": 300, "id_token": idToken,
	}
}

// start begins a request and returns the notification token that went with it.
func start(t *testing.T, f *fakeOP, c *rp.Client) (p *rp.Pending, token string) {
	t.Helper()
	p, err := c.Start(t.Context(), rp.Request{LoginHint: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	return p, f.last().form.Get("client_notification_token")
}

// notify sends the client a notification as an OP does.
func notify(c *rp.Client, token string, body any) (status int) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest(http.MethodPost, "https://shop.example/cb", strings.NewReader(string(text)))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	c.Notifications.ServeHTTP(w, r)
	return w.Code
}

// payload reads a JWT without verifying it.
func payload(t *testing.T, raw string, out any) {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", raw)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatal(err)
	}
}
