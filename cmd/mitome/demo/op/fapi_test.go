package op_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
)

// TestPS256 is a client with an RSA key: its requests and assertions are PS256,
// and RS256 is refused by whoever else signs so.
func TestPS256(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *op.Config) {
		c.Clients = append(c.Clients, op.Client{ID: "vault", Key: key.Public(), KeyID: "v1", Mode: rp.Poll})
	})
	c := w.client(rp.Poll)
	c.ID, c.Key = "vault", rp.Key{ID: "v1", Signer: key}
	c.Auth = rp.PrivateKeyJWT(c.Key)
	p := w.start(c, rp.Request{LoginHint: "alice", Signed: true})
	w.mitome.tell(w.mitome.of(p), "approved")
	if _, err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	old := c.Key
	old.Algorithm = "RS256"
	c.Key = old
	c.Provider.RequestSigningAlgs = []string{"RS256"} // so that it is sent at all
	if _, err := c.Start(t.Context(), rp.Request{LoginHint: "alice", Signed: true}); !errors.Is(err, rp.ErrInvalidRequest) {
		t.Errorf("a request by RS256: got %v, want %v", err, rp.ErrInvalidRequest)
	}
	c.Auth = rp.PrivateKeyJWT(old)
	if _, err := c.Start(t.Context(), rp.Request{LoginHint: "alice"}); !errors.Is(err, rp.ErrInvalidClient) {
		t.Errorf("an assertion by RS256: got %v, want %v", err, rp.ErrInvalidClient)
	}
}

// TestSignedRequestRules are those that go-oidc has no word on.
func TestSignedRequestRules(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	tests := []struct {
		name    string
		changes map[string]any
		beside  url.Values
		code    string // none: it is taken
	}{
		{"as it should be", nil, nil, ""},
		{"its own name beside it", nil, url.Values{"client_id": {"bank-poll"}}, ""},
		{"a hint beside it", nil, url.Values{"login_hint": {"alice"}}, "invalid_request"},
		{"good for an hour", map[string]any{"nbf": now.Unix(), "exp": now.Unix() + 3600}, nil, ""},
		{"good for more", map[string]any{"nbf": now.Unix() - 600, "exp": now.Unix() + 3300}, nil, "invalid_request"},
		{"a word for when", map[string]any{"requested_expiry": "soon"}, nil, "invalid_request"},
		{"when as a string", map[string]any{"requested_expiry": "30"}, nil, ""},
		{"context as a string", map[string]any{"request_context": `{"till":7}`}, nil, ""},
		{"context as a list", map[string]any{"request_context": []int{7}}, nil, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			form := w.signed(tt.changes)
			maps.Copy(form, tt.beside)
			if code := w.post("/bc-authorize", form); code != tt.code {
				t.Errorf("got %q, want %q", code, tt.code)
			}
		})
	}
}

// TestFormRules: what is said twice, or in words where a number is due, is not
// guessed at.
func TestFormRules(t *testing.T) {
	w := newWorld(t)
	for what, form := range map[string]url.Values{
		"soon":  {"login_hint": {"alice"}, "scope": {"openid"}, "requested_expiry": {"soon"}},
		"twice": {"login_hint": {"alice", "mallory"}, "scope": {"openid"}},
	} {
		form.Set("client_id", "shop-poll")
		if code := w.post("/bc-authorize", form); code != "invalid_request" {
			t.Errorf("%s: got %q", what, code)
		}
	}
}

// TestNobodySlowsDownAnother: only the client whose request it is can ask for it
// too often.
func TestNobodySlowsDownAnother(t *testing.T) {
	w := newWorld(t, func(c *op.Config) { c.Interval = time.Hour })
	p := w.start(w.client(rp.Poll), rp.Request{LoginHint: "alice"})
	stranger := url.Values{"grant_type": {"urn:openid:params:grant-type:ciba"}, "auth_req_id": {p.AuthReqID}, "client_id": {"shop-poll"}}
	for range 3 {
		if code := w.post("/token", stranger); code != "invalid_client" {
			t.Fatalf("got %q, want invalid_client", code)
		}
	}
	for _, want := range []error{rp.ErrAuthorizationPending, rp.ErrSlowDown} {
		if _, err := p.Poll(t.Context()); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

// TestRedirectsAreNotFollowed: a client's bearer token goes where the client is.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer elsewhere.Close()
	callback := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer callback.Close()
	w := newWorld(t, func(c *op.Config) {
		for i := range c.Clients {
			c.Clients[i].NotificationEndpoint = callback.URL
		}
	})
	p := w.start(w.client(rp.Ping), rp.Request{LoginHint: "alice"})
	if got := w.mitome.tell(w.mitome.of(p), "approved"); got != http.StatusNoContent {
		t.Errorf("got %d, want %d", got, http.StatusNoContent)
	}
}

// TestAsked: who knows an auth_req_id finds Mitome's request by it, and nobody
// else does.
func TestAsked(t *testing.T) {
	w := newWorld(t)
	p := w.start(w.client(rp.Poll), rp.Request{LoginHint: "alice"})
	if id, ok := w.op.Asked(p.AuthReqID); !ok || id != w.mitome.of(p).ID {
		t.Errorf("got %q, %v", id, ok)
	}
	for _, unknown := range []string{"", "guessed", w.mitome.of(p).ID} {
		if id, ok := w.op.Asked(unknown); ok {
			t.Errorf("%q is known as %q", unknown, id)
		}
	}
}

// TestInteractionID: FAPI's name for a call is the caller's if it is one.
func TestInteractionID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	o, err := op.New(op.Config{
		Issuer: "https://localhost:1", FAPI: &op.FAPI{MTLS: "https://localhost:2"}, HTTP: http.DefaultClient,
		Log: slog.New(slog.DiscardHandler), Mitome: op.Mitome{Secrets: []string{webSecret}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const theirs = "9AD3A2AD-4b2c-4f4e-9e0a-0ad1c2f4b7aa"
	for _, sent := range []string{theirs, "", "<script>"} {
		r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
		r.Header.Set("x-fapi-interaction-id", sent)
		answer := httptest.NewRecorder()
		o.ServeHTTP(answer, r)
		got := answer.Header().Get("x-fapi-interaction-id")
		if sent == theirs && got != theirs || sent != theirs && !form.MatchString(got) {
			t.Errorf("%q: got %q", sent, got)
		}
	}
}

// signed is the form of a signed request of the bank's, with changes.
func (w *world) signed(changes map[string]any) url.Values {
	w.t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": "bank-poll", "aud": w.issuer, "iat": now, "nbf": now, "exp": now + 300, "jti": rand.Text(),
		"scope": "openid", "login_hint": "alice",
	}
	maps.Copy(claims, changes)
	assertion := map[string]any{"iss": "bank-poll", "sub": "bank-poll", "aud": w.issuer, "exp": now + 60, "jti": rand.Text()}
	return url.Values{
		"request":               {w.jwt(claims)},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {w.jwt(assertion)},
	}
}

func (w *world) jwt(claims any) string {
	w.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: w.key}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// post sends a form and returns the error that it is answered with.
func (w *world) post(path string, form url.Values) (code string) {
	w.t.Helper()
	resp, err := http.Post(w.issuer+path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		Error string `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		w.t.Fatal(err)
	}
	return body.Error
}
