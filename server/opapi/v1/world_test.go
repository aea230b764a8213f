package v1_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	v1 "github.com/mitome-ciba/mitome/server/opapi/v1"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
	"github.com/mitome-ciba/mitome/server/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	rpID   = "mitome.test"
	origin = "https://mitome.test"

	shopKey    = "key-of-the-shop"
	shopNewKey = "next-key-of-the-shop"
	bankKey    = "key-of-the-bank"
	tillKey    = "key-of-a-till"
)

var admin = device.Actor{Kind: device.ActorAdmin, ID: "root"}

// world is one node: the API on a real service, store and listener, with the
// connections shop and bank.
type world struct {
	t         *testing.T
	url       string
	db        *store.DB
	people    *device.Service
	requests  *spy
	acks      *op.Acks
	stopping  chan struct{}
	published jose.JSONWebKeySet
	ahead     atomic.Int64 // by how much its clock is ahead
	mu        sync.Mutex
	observed  []string
}

// spy is the service; it counts reads, and may do something once it has accepted.
type spy struct {
	*approval.Service
	reads    atomic.Int32
	accepted func(context.Context, approval.Request)
	mu       sync.Mutex
	by       []device.Actor // who accepted and recalled
}

func (s *spy) note(by device.Actor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by = append(s.by, by)
}

func (s *spy) callers() []device.Actor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.by)
}

func (s *spy) Recall(ctx context.Context, id approval.RequestID, by device.Actor) (approval.Request, error) {
	s.note(by)
	return s.Service.Recall(ctx, id, by)
}

func (s *spy) Accept(ctx context.Context, a approval.Ask, by device.Actor) (approval.Request, error) {
	s.note(by)
	r, err := s.Service.Accept(ctx, a, by)
	if s.accepted != nil && err == nil {
		s.accepted(ctx, r)
	}
	return r, err
}

func (s *spy) Asked(ctx context.Context, id approval.RequestID, op string) (approval.Request, error) {
	r, err := s.Service.Asked(ctx, id, op)
	s.reads.Add(1)
	return r, err
}

// each runs a test on SQLite and on PostgreSQL.
func each(t *testing.T, test func(w *world)) {
	t.Run("sqlite", func(t *testing.T) { test(newWorldOn(t, "sqlite")) })
	t.Run("postgres", func(t *testing.T) { test(newWorldOn(t, "postgres")) })
}

// seen is what was observed so far.
func (w *world) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.observed)
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func newWorld(t *testing.T, db *store.DB, ring *seal.Ring) *world {
	t.Helper()
	w := &world{t: t, db: db, acks: &op.Acks{}, stopping: make(chan struct{})}
	w.people = &device.Service{
		Users: db, Devices: db, Enrollments: db, Ceremonies: db, Lifecycle: db, Gestures: db, Passkeys: db, HintTokens: db, UserCodes: db, CodeKeys: ring, Now: w.now,
		RP: device.RelyingParty{RPID: rpID, RPName: "Mitome", Origins: []string{origin}},
	}
	signer := must(sign.New(ring.SigningKey()))(t)
	w.published = signer.Published()
	w.requests = &spy{Service: &approval.Service{
		Store: db, Challenges: db, Failures: db, Past: db, People: w.people, Hints: w.people, Passkeys: w.people, Codes: ring,
		Policy: must(policy.New(policy.Rules{}, map[string]policy.Rules{"bank": {RequireCode: true}}))(t),
		Views:  &show.Shower{Catalogue: must(show.Load())(t)}, Signer: signer,
		Issuer: origin, RPID: rpID, Now: w.now,
	}}
	h := &v1.Handler{
		Connections: map[string]*webhook.Adapter{
			"shop": connection(t, "shop", shopKey, shopNewKey), "bank": connection(t, "bank", bankKey),
		},
		Requests: w.requests, Hints: w.requests, SignHint: signer.SignHint, People: w.people, About: w.about, Delivered: db.DeliveredTo, Acks: w.acks, Now: w.now, Version: "test",
		Observe: func(op, result string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.observed = append(w.observed, op+" "+result)
		},
	}
	t.Cleanup(db.Subscribe(store.TopicSettled, h.Wake))
	w.run(db.RunBus)
	engine := must(web.NewEngine(slog.New(slog.DiscardHandler), nil))(t)
	h.Mount(engine, &engine.RouterGroup)
	srv := httptest.NewUnstartedServer(engine)
	srv.Config.BaseContext = func(net.Listener) context.Context { return web.WithStop(context.Background(), w.stopping) }
	srv.Start()
	t.Cleanup(func() { srv.Close(); http.DefaultClient.CloseIdleConnections() })
	w.url = srv.URL
	return w
}

// connection is one OP with these keys, which asks and is not told.
func connection(t *testing.T, name string, keys ...string) *webhook.Adapter {
	cfg := webhook.Config{LoginHint: "auto", TellUnknownUsers: name == "bank"}
	for i, k := range keys {
		sum := sha256.Sum256([]byte(k))
		cfg.Keys = append(cfg.Keys, webhook.Key{Name: "k" + string(rune('1'+i)), SHA256: hex.EncodeToString(sum[:])})
	}
	sum := sha256.Sum256([]byte(tillKey))
	cfg.Keys = append(cfg.Keys, webhook.Key{Name: "till", SHA256: hex.EncodeToString(sum[:]), Only: webhook.OnlyHintTokens})
	cfg.HintTokens = webhook.HintTokens{EncryptToFile: opKeyFile(t), Audience: shopIssuer}
	a, err := webhook.Open(func(v any) error { *v.(*webhook.Config) = cfg; return nil }, op.Deps{Name: name, Now: time.Now, PublicURL: origin})
	return must(a, err)(t).(*webhook.Adapter)
}

func (w *world) about(ctx context.Context, r approval.Request) (op.About, error) {
	u, err := w.people.User(ctx, r.UserID)
	e, err2 := w.db.Evidence(ctx, r.ID)
	if errors.Is(err2, approval.ErrNotFound) {
		err2 = nil
	}
	return op.About{Subject: u.Subject, Evidence: e.JWS}, errors.Join(err, err2)
}

// told is about, with what was delivered.
func (w *world) told(ctx context.Context, r approval.Request) (op.About, error) {
	out, err := w.about(ctx, r)
	n, err2 := w.db.DeliveredTo(ctx, r)
	out.DeliveredTo = n
	return out, errors.Join(err, err2)
}

// run runs a worker until the test ends.
func (w *world) run(worker func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// phone is one device of one user, with its passkey.
type phone struct {
	device.Device
	key *devicetest.Authenticator
}

func (w *world) user(op, subject string) device.User {
	w.t.Helper()
	return must(w.people.AddUser(w.t.Context(), device.User{OP: op, Subject: subject, Name: subject}, admin))(w.t)
}

// pair makes a phone of u by the whole of a pairing.
func (w *world) pair(u device.User) phone {
	w.t.Helper()
	ctx, id := w.t.Context(), rand.Text()
	must(0, w.db.CreateSession(ctx, session.Session{
		ID: session.ID(id), JKT: "jkt", CreatedAt: w.now(), ExpiresAt: w.now().Add(24 * time.Hour),
	}))(w.t)
	o := must(w.people.Offer(ctx, u.ID, admin))(w.t)
	e := must(w.people.Claim(ctx, device.Claim{Secret: o.Secret, Session: id, DeviceName: "Phone"}))(w.t)
	must(w.people.Confirm(ctx, e.ID, e.MatchCode, admin))(w.t)
	options := must(w.people.BeginPasskey(ctx, e.ID, id))(w.t)
	key := devicetest.NewAuthenticator(w.t, rpID, origin, devicetest.ES256)
	d := must(w.people.FinishPasskey(ctx, device.NewPasskey{Enrollment: e.ID, Session: id, Response: key.Create(w.t, options)}))(w.t)
	return phone{d, key}
}

// approve has p say yes by its passkey, with what was typed.
func (w *world) approve(p phone, id, code string) {
	w.t.Helper()
	ctx, who := w.t.Context(), approval.Who{Devices: []device.Device{p.Device}}
	s := must(w.requests.Challenge(ctx, approval.RequestID(id), who, "en"))(w.t)
	must(w.requests.Decide(ctx, approval.Answer{
		Request: approval.RequestID(id), Who: who, Verdict: approval.Approve, UserCode: code, Assertion: p.key.Get(w.t, s.Options),
	}))(w.t)
}

func (w *world) deny(p phone, id string, notMe bool) {
	w.t.Helper()
	must(w.requests.Decide(w.t.Context(), approval.Answer{
		Request: approval.RequestID(id), Who: approval.Who{Devices: []device.Device{p.Device}}, Verdict: approval.Deny, NotMe: notMe,
	}))(w.t)
}

// answer is what the API said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// request is what an OP reads.
type request struct {
	ID        string          `json:"id"`
	State     string          `json:"state"`
	Sub       string          `json:"sub"`
	ClientID  string          `json:"client_id"`
	CreatedAt time.Time       `json:"created_at"`
	ExpiresAt time.Time       `json:"expires_at"`
	Delivered json.RawMessage `json:"delivered_to"`
	Decision  *struct {
		Verdict  string   `json:"verdict"`
		Reason   string   `json:"reason"`
		AuthTime int64    `json:"auth_time"`
		ACR      string   `json:"acr"`
		AMR      []string `json:"amr"`
		UserCode string   `json:"user_code"`
		Evidence string   `json:"evidence"`
	} `json:"decision"`
}

// call makes one call: an empty key sends no Authorization, an empty ref no
// Idempotency-Key. Body is sent as JSON, or as it is if it is bytes.
func (w *world) call(ctx context.Context, method, path, key, ref string, body any) (answer, error) {
	var text []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		text = b
	default:
		text, _ = json.Marshal(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, w.url+path, bytes.NewReader(text))
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if ref != "" {
		r.Header.Set("Idempotency-Key", ref)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	out := answer{status: resp.StatusCode, header: resp.Header}
	out.body, err = io.ReadAll(resp.Body)
	return out, err
}

// ask puts a request of the shop; get reads one.
func (w *world) ask(ref string, body any) answer {
	w.t.Helper()
	return must(w.call(w.t.Context(), "POST", "/op/shop/v1/requests", shopKey, ref, body))(w.t)
}

func (w *world) get(id string) answer {
	w.t.Helper()
	return must(w.call(w.t.Context(), "GET", "/op/shop/v1/requests/"+id, shopKey, "", nil))(w.t)
}

func (w *world) cancel(id string) answer {
	w.t.Helper()
	return must(w.call(w.t.Context(), "POST", "/op/shop/v1/requests/"+id+"/cancel", shopKey, "", nil))(w.t)
}

// want reads an answer of that status.
func (a answer) want(t *testing.T, status int) (r request) {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d %s, want %d", a.status, a.body, status)
	}
	if err := json.Unmarshal(a.body, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// wantProblem checks a refusal, and that it repeats nothing of what was sent.
func (a answer) wantProblem(t *testing.T, status int, typ, code string) {
	t.Helper()
	var p struct {
		Type, Title, Error string
		Status             int
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if a.status != status || p.Status != status || p.Type != "urn:mitome:"+typ || p.Error != code || p.Title == "" {
		t.Errorf("got %d %s, want %d %s with error %q", a.status, a.body, status, typ, code)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("it is %s", got)
	}
	if bytes.Contains(a.body, []byte("SENT")) {
		t.Errorf("it repeats what was sent: %s", a.body)
	}
}

// m is a body.
type m = map[string]any

// of is the smallest ask of a user.
func of(sub string) m { return m{"sub": sub, "client_id": "till"} }

// with is m and some more.
func with(base m, more m) m {
	out := m{}
	for _, add := range []m{base, more} {
		for k, v := range add {
			out[k] = v
		}
	}
	return out
}

// newWorldOn is a world on a fresh database of that kind.
func newWorldOn(t *testing.T, kind string) *world {
	t.Helper()
	ring := seal.New()
	url := "sqlite:" + t.TempDir() + "/mitome.db"
	if kind == "postgres" {
		url = storetest.PostgresURL(t)
	}
	return newWorld(t, storetest.Open(t, url, ring), ring)
}
