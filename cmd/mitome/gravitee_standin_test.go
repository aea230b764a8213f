package main_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What Mitome and the stand-in agree on.
const (
	amHeader = "Bearer notifier-secret-0123456789"
	amSecret = "cli+ent/secret"
	amClient = "shop-client"
)

// am stands in for a Gravitee AM, written from the contract: as strict as AM with
// what it is given, and as careless with a decision that follows another.
type am struct {
	*httptest.Server
	notify string // where Mitome is
	key    []byte // signs states

	mu    sync.Mutex
	slow  int                // so many callbacks come before a new transaction is stored
	calls int                // callbacks so far
	all   map[string]*amFlow // by auth_req_id
}

// amFlow is a CIBA request as AM knows it.
type amFlow struct {
	tid, state string
	status     string // ongoing, success, rejected
	unstored   int    // callbacks that come too early
	acr        []string
	end        time.Time
}

func newAM(t *testing.T) *am {
	a := &am{key: []byte(rand.Text() + rand.Text()), all: map[string]*amFlow{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /bank/oidc/ciba/authenticate/callback", a.callback)
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

// ask is bc-authorize as far as the notifier: it returns the auth_req_id, or what
// went wrong.
func (a *am) ask(t *testing.T, subject string, life time.Duration, more url.Values) (id string, f *amFlow) {
	t.Helper()
	f = &amFlow{tid: rand.Text(), status: "ongoing", acr: more["acr"], end: time.Now().Add(life)}
	f.state = a.sign(t, map[string]any{
		"iss": "domain-1", "aud": amClient, "sub": subject, "jti": f.tid, "iat": time.Now().Unix(), "exp": f.end.Unix(),
	})
	form := url.Values{
		"tid": {f.tid}, "state": {f.state}, "subject": {subject}, "scope": {"openid payments"},
		"expire": {strconv.Itoa(int(life.Seconds()))},
	}
	for k, v := range more {
		form[k] = v
	}
	resp, err := http.DefaultClient.Do(a.notification(t, form, amHeader))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.accepts(resp, body); err != nil {
		t.Fatalf("AM fails its client's request: %v", err)
	}
	id = rand.Text()
	a.mu.Lock()
	defer a.mu.Unlock()
	f.unstored, a.slow = a.slow, 0
	a.all[id] = f
	return id, f
}

// accepts is what AM looks at in the notifier's answer.
func (f *amFlow) accepts(resp *http.Response, body []byte) error {
	var said map[string]any
	switch kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", resp.StatusCode)
	case kind != "application/json" || json.Unmarshal(body, &said) != nil:
		return fmt.Errorf("answer is %s, not JSON", kind)
	case said["tid"] != f.tid || said["state"] != f.state:
		return fmt.Errorf("answer repeats other words than AM's")
	}
	return nil
}

func (a *am) notification(t *testing.T, form url.Values, header string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, a.notify, bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", header)
	r.Header.Set("X-Client-Name", "The Shop")
	return r
}

func (a *am) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: a.key}, nil)
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

// callback is op-contracts: a client of AM's, a state that verifies and is of this
// transaction, and a transaction that is stored. What came before does not matter.
func (a *am) callback(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	id, secret, _ := r.BasicAuth()
	if id != "mitome" || secret != amSecret {
		oauthError(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, _ := io.ReadAll(r.Body)
	form, err := url.ParseQuery(string(body))
	if err != nil || kind != "application/x-www-form-urlencoded" || len(form) != 3 {
		oauthError(w, http.StatusBadRequest, "invalid_request")
		return
	}
	f := a.find(form.Get("tid"), form.Get("state"))
	if f == nil || !slices.Contains([]string{"true", "false"}, form.Get("validated")) {
		oauthError(w, http.StatusBadRequest, "Invalid CIBA State")
		return
	}
	f.status = map[string]string{"true": "success", "false": "rejected"}[form.Get("validated")]
}

// find returns the stored transaction that a state is of.
func (a *am) find(tid, state string) *amFlow {
	jws, err := jose.ParseSignedCompact(state, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return nil
	}
	payload, err := jws.Verify(a.key)
	var claims struct {
		JTI, Aud string
		Exp      int64
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.JTI != tid || claims.Aud != amClient ||
		claims.Exp <= time.Now().Unix() {
		return nil
	}
	for _, f := range a.all {
		if f.tid != tid {
			continue
		}
		if f.unstored > 0 {
			f.unstored--
			return nil
		}
		return f
	}
	return nil
}

func oauthError(w http.ResponseWriter, status int, word string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": word})
}

// poll is the token endpoint: what the client sees.
func (a *am) poll(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.all[id]
	switch {
	case !ok:
		return "invalid_grant"
	case time.Now().After(f.end):
		return "expired_token"
	case f.status == "success":
		delete(a.all, id)
		return fmt.Sprint("tokens, acr ", f.acr) // AM asserts what was asked for
	case f.status == "rejected":
		delete(a.all, id)
		return "access_denied"
	}
	return "authorization_pending"
}

// wait polls until the client knows.
func (a *am) wait(t *testing.T, id string) (said string) {
	t.Helper()
	await(t, "the client to know", patience, func() bool {
		said = a.poll(id)
		return said != "authorization_pending"
	})
	return said
}

// callbacks is how often AM was told something.
func (a *am) callbacks() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}
