package main_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// signalWorld is a Mitome, run as operators run it, whose connections are told of
// to a receiver: at corp a freeze outlasts any test, at brief it is over soon.
type signalWorld struct {
	*gateway
	ops, key string
	to       *signalReceiver
}

func newSignalWorld(t *testing.T) *signalWorld {
	t.Helper()
	dir := t.TempDir()
	w := &signalWorld{to: newSignalReceiver(t)}
	var hash string
	w.key, hash = opCredentials(t, dir)
	secret, err := os.ReadFile(filepath.Join(dir, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	w.to.secret = strings.TrimSpace(string(secret))
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("bearer-of-the-receiver\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := `keys: [{name: test, sha256: "` + hash + `"}]`
	signals := fmt.Sprintf("signals: {webhook: '%s/hook', secrets_file: '%s', set_url: '%s/set', set_audience: 'https://soc.example', "+
		"set_token_file: '%s', issuer: 'https://op.example', allow_private: [127.0.0.0/8]}", w.to.URL, filepath.Join(dir, "secret"), w.to.URL, token)
	w.gateway, w.ops = newStandalone(t, "kind: webhook", keys, signals, "rules: {}\n  - name: brief\n    kind: webhook\n    "+
		"limits: {off: true}\n    signals: {freeze: 1s}\n    "+keys)
	return w
}

// asks is askOf for one that is put to the user; it returns the request's id.
func (w *signalWorld) asks(t *testing.T, connection, subject, client string) string {
	t.Helper()
	a := w.askOf(t, connection, map[string]any{"sub": subject, "client_id": client})
	var r struct{ ID string }
	if err := json.Unmarshal([]byte(a.Body), &r); err != nil || a.Status != http.StatusCreated {
		t.Fatalf("asked: %+v", a)
	}
	return r.ID
}

// hears is where a request stands, in the OP's dialect: state and reason.
func (w *signalWorld) hears(t *testing.T, request string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.ops+"/op/corp/v1/requests/"+request, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var said struct {
		State    string
		Decision struct{ Verdict, Reason string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(said.State + " " + said.Decision.Reason)
}

// words are those of the audit log, each with how often it comes.
func (w *signalWorld) words(t *testing.T) map[string]int {
	t.Helper()
	count := map[string]int{}
	for line := range strings.Lines(w.run(t, "audit", "export", "--format", "json")) {
		var e struct{ Word string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		count[e.Word]++
	}
	return count
}

// signalReceiver is the operator's: a webhook, and a place for Security Event Tokens. It
// takes nothing while it is down.
type signalReceiver struct {
	*httptest.Server
	secret string

	mu    sync.Mutex
	down  map[string]bool
	heard map[string][]call // by path, refused ones too
}

// call is one that came.
type call struct {
	header http.Header
	body   []byte
	taken  bool
}

func newSignalReceiver(t *testing.T) *signalReceiver {
	r := &signalReceiver{down: map[string]bool{}, heard: map[string][]call{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		down := r.down[q.URL.Path]
		r.heard[q.URL.Path] = append(r.heard[q.URL.Path], call{q.Header, body, !down})
		w.WriteHeader(map[bool]int{true: http.StatusServiceUnavailable, false: http.StatusAccepted}[down])
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *signalReceiver) set(path string, down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down[path] = down
}

func (r *signalReceiver) calls(path string) []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard[path])
}

// taken waits until n calls of a path were taken, and returns them.
func (r *signalReceiver) taken(t *testing.T, path string, n int) (out []call) {
	t.Helper()
	await(t, fmt.Sprintf("%d calls of %s", n, path), patience, func() bool {
		out = slices.DeleteFunc(r.calls(path), func(c call) bool { return !c.taken })
		return len(out) >= n
	})
	return out
}

// posted checks the signature of a call by Standard Webhooks' own rule, and returns
// what it says.
func (r *signalReceiver) posted(t *testing.T, c call) (e signalled) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", c.header.Get("webhook-id"), c.header.Get("webhook-timestamp"), c.body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); c.header.Get("webhook-signature") != want {
		t.Errorf("signed %q, want %q", c.header.Get("webhook-signature"), want)
	}
	if err := json.Unmarshal(c.body, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// signalled is a webhook's body.
type signalled struct {
	Type string
	Data struct {
		OP, Sub, By string
		RequestID   string `json:"request_id"`
		ClientID    string `json:"client_id"`
		FrozenUntil string `json:"frozen_until"`
	}
}

// set is the claims of a Security Event Token.
type set struct {
	Issuer  string            `json:"iss"`
	ID      string            `json:"jti"`
	Subject map[string]string `json:"sub_id"`
	Aud     string
	Txn     string
	Sub     *string
	Exp     *int64
	Events  map[string]map[string]any
}

// token checks a call that carries a Security Event Token, by the keys that Mitome
// publishes, and returns its claims.
func (w *signalWorld) token(t *testing.T, c call) (s set) {
	t.Helper()
	if kind, bearer := c.header.Get("Content-Type"), c.header.Get("Authorization"); kind != "application/secevent+jwt" || bearer != "Bearer bearer-of-the-receiver" {
		t.Errorf("pushed as %q with %q", kind, bearer)
	}
	resp, err := http.Get(w.devices + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var keys jose.JSONWebKeySet
	if err := json.NewDecoder(resp.Body).Decode(&keys); err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(string(c.body), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if typ := jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; typ != "secevent+jwt" {
		t.Errorf("typ is %v", typ)
	}
	known := keys.Key(jws.Signatures[0].Protected.KeyID)
	if len(known) != 1 {
		t.Fatalf("%d published keys are called %q", len(known), jws.Signatures[0].Protected.KeyID)
	}
	payload, err := jws.Verify(known[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &s); err != nil {
		t.Fatal(err)
	}
	return s
}
