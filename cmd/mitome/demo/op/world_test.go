package op_test

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
)

const (
	apiKey    = "mk_for_tests_only"
	webSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	oldSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// world is an OP with a stand-in for Mitome behind it and clients before it.
type world struct {
	t      *testing.T
	op     *op.OP
	issuer string
	mitome *mitome
	notes  *rp.Notifications
	key    *ecdsa.PrivateKey
	shown  *shown        // between OP and Mitome
	hooked chan struct{} // a webhook has reached the OP
}

// shown keeps what an observer was shown.
type shown struct {
	mu  sync.Mutex
	all []rp.Message
}

func (s *shown) add(m rp.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, m)
}

func (s *shown) list() []rp.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// late is a handler that is known only after its server has an address.
type late struct{ http.Handler }

func newWorld(t *testing.T, change ...func(*op.Config)) *world {
	t.Helper()
	w := &world{t: t, notes: &rp.Notifications{}, shown: &shown{}, hooked: make(chan struct{}, 1)}
	front := &late{}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == op.WebhookPath {
			select {
			case w.hooked <- struct{}{}:
			default: // nobody wants to know
			}
		}
		front.ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	w.issuer = srv.URL
	w.mitome = newMitome(t, srv.URL+op.WebhookPath)
	callback := httptest.NewServer(w.notes)
	t.Cleanup(callback.Close)
	var err error
	if w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	conf := op.Config{
		Issuer: srv.URL, HTTP: &http.Client{Timeout: 10 * time.Second},
		Users: map[string]string{"alice": "sub-alice", "nobody": "sub-nobody"},
		Mitome: op.Mitome{
			URL: w.mitome.url + "/op/shop", Key: apiKey, Secrets: []string{webSecret, oldSecret},
		},
		Scopes: []string{"payments"}, Interval: time.Second,
		Observe: w.shown.add, Log: slog.New(slog.DiscardHandler),
	}
	for _, mode := range []rp.Mode{rp.Poll, rp.Ping, rp.Push} {
		c := op.Client{
			ID: "shop-" + string(mode), Name: "Coffee shop", Secret: "secret-" + string(mode), Mode: mode,
			NotificationEndpoint: callback.URL + "/cb", UserCode: true, RefreshTokens: true,
		}
		bank := c
		bank.ID, bank.Key, bank.KeyID, bank.SignedRequests = "bank-"+string(mode), &w.key.PublicKey, "k1", true
		conf.Clients = append(conf.Clients, c, bank)
	}
	conf.Clients = append(conf.Clients, op.Client{ID: "codeless", Secret: "s", Mode: rp.Poll})
	for _, f := range change {
		f(&conf)
	}
	if w.op, err = op.New(conf); err != nil {
		t.Fatal(err)
	}
	front.Handler = w.op
	return w
}

// client is the shop in one of its modes, with a secret.
func (w *world) client(mode rp.Mode) *rp.Client {
	return &rp.Client{
		Provider: w.provider(), ID: "shop-" + string(mode), Auth: rp.SecretBasic("secret-" + string(mode)),
		Mode: mode, Notifications: w.notes,
	}
}

// bank is a client that signs: its assertion and its requests.
func (w *world) bank(mode rp.Mode) *rp.Client {
	c := w.client(mode)
	key := rp.Key{ID: "k1", Signer: w.key}
	c.ID, c.Auth, c.Key = "bank-"+string(mode), rp.PrivateKeyJWT(key), key
	return c
}

func (w *world) provider() *rp.Provider {
	w.t.Helper()
	p, err := rp.Discover(w.t.Context(), nil, w.issuer)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) start(c *rp.Client, r rp.Request) *rp.Pending {
	w.t.Helper()
	p, err := c.Start(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// mitome stands in for Mitome's own OP API, as strict as that is: what it is
// sent must be exactly what the API takes.
type mitome struct {
	t       *testing.T
	url     string
	webhook string
	// first, if set, runs before a request is answered.
	first func(view)
	// lose is how many answers are lost on the way.
	lose int

	mu    sync.Mutex
	made  map[string]view // by Idempotency-Key
	asked []body
}

// body is a request as the API takes it.
type body struct {
	Sub            string           `json:"sub"`
	LoginHint      string           `json:"login_hint"`
	LoginHintToken string           `json:"login_hint_token"`
	ClientID       string           `json:"client_id"`
	ClientName     string           `json:"client_name"`
	Scope          string           `json:"scope"`
	BindingMessage string           `json:"binding_message"`
	UserCode       string           `json:"user_code"`
	ACRValues      string           `json:"acr_values"`
	Details        []map[string]any `json:"authorization_details"`
	Context        map[string]any   `json:"request_context"`
	ExpiresIn      int              `json:"expires_in"`
}

func (b body) hints() (n int) {
	for _, h := range []string{b.Sub, b.LoginHint, b.LoginHintToken} {
		if h != "" {
			n++
		}
	}
	return n
}

// view is a request as the API shows it.
type view struct {
	ID        string         `json:"id"`
	State     string         `json:"state"`
	Sub       string         `json:"sub"`
	ClientID  string         `json:"client_id"`
	CreatedAt time.Time      `json:"created_at"`
	ExpiresAt time.Time      `json:"expires_at"`
	Decision  map[string]any `json:"decision,omitempty"`
}

func newMitome(t *testing.T, webhook string) *mitome {
	m := &mitome{t: t, webhook: webhook, made: map[string]view{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /op/shop/v1/requests", m.create)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	m.url = srv.URL
	return m
}

func (m *mitome) create(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	if r.Header.Get("Authorization") != "Bearer "+apiKey {
		problem(w, 401, "unauthorized_client")
		return
	}
	var in body
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil || key == "" || in.hints() != 1 ||
		in.ClientID == "" || in.ExpiresIn < 10 || in.ExpiresIn > 3600 || r.Header.Get("Content-Type") != "application/json" {
		problem(w, 400, "invalid_request")
		return
	}
	if status, code := refuses(in); code != "" {
		problem(w, status, code)
		return
	}
	v, lost, status := m.keep(key, in)
	if m.first != nil {
		m.first(v)
	}
	if lost {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (m *mitome) keep(key string, in body) (v view, lost bool, status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, in)
	m.lose--
	if v, ok := m.made[key]; ok {
		return v, m.lose >= 0, http.StatusOK
	}
	sub := in.Sub
	if sub == "" {
		sub = "sub-of-" + cmp.Or(in.LoginHint, "a-phone")
	}
	now := time.Now().UTC()
	v = view{ID: rand.Text(), State: "pending", Sub: sub, ClientID: in.ClientID, CreatedAt: now, ExpiresAt: now.Add(time.Duration(in.ExpiresIn) * time.Second)}
	m.made[key] = v
	return v, m.lose >= 0, http.StatusCreated
}

// codeForm is what may be typed.
var codeForm = regexp.MustCompile(`^[0-9A-Za-z]{4,12}$`)

// refuses is what Mitome would say no to. The binding messages name the code
// that they provoke.
func refuses(in body) (status int, code string) {
	switch {
	case in.Sub == "sub-nobody":
		return 400, "unknown_user_id"
	case in.LoginHintToken == "shown long ago":
		return 400, "expired_login_hint_token"
	case in.LoginHintToken == "never shown":
		return 400, "unknown_user_id"
	case in.BindingMessage == "Click here to continue":
		return 400, "invalid_binding_message"
	case in.BindingMessage == "code needed" && in.UserCode == "":
		return 400, "missing_user_code"
	case in.UserCode != "" && !codeForm.MatchString(in.UserCode):
		return 400, "invalid_user_code"
	case in.ACRValues == "phr" && in.UserCode == "":
		return 403, "access_denied"
	}
	return 0, ""
}

func problem(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"urn:mitome:%s","title":"No \"good\": %s","status":%d,"error":%q}`, code, code, status, code)
}

// of returns the request that was made for an auth_req_id, which the OP uses as
// its Idempotency-Key.
func (m *mitome) of(p *rp.Pending) view {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.made[p.AuthReqID]
}

// last is what the OP asked last.
func (m *mitome) last() body {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[len(m.asked)-1]
}

// tell sends the decision on v, as Mitome's webhooks do, and returns the OP's
// answer.
func (m *mitome) tell(v view, state string) (status int) {
	return m.deliver(v, state, webSecret)
}

func (m *mitome) deliver(v view, state, secret string) (status int) {
	v.State = state
	now := time.Now()
	switch {
	case v.Decision != nil: // as the test wants it
	case state == "approved":
		v.Decision = map[string]any{
			"verdict": "approve", "at": now.UTC(), "auth_time": now.Unix(), "acr": "phr",
			"amr": []string{"pop", "user", "mfa"}, "user_code": "verified", "evidence": "eyJ.e30.sig",
		}
	case state == "denied":
		v.Decision = map[string]any{"verdict": "deny", "reason": "user_denied", "at": now.UTC()}
	}
	event, err := json.Marshal(map[string]any{"type": "request.decided", "timestamp": now.UTC(), "data": v})
	if err != nil {
		m.t.Error(err)
	}
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		m.t.Error(err)
		return 0
	}
	id := "msg_" + v.ID + "_" + state
	signature, err := hook.Sign(id, now, event)
	if err != nil {
		m.t.Error(err)
	}
	req, err := http.NewRequest(http.MethodPost, m.webhook, bytes.NewReader(event))
	if err != nil {
		m.t.Error(err)
		return 0
	}
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", fmt.Sprint(now.Unix()))
	req.Header.Set("webhook-signature", signature)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		m.t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
