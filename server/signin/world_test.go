package signin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/deskapi"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/signin"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
	"github.com/mitome-ciba/mitome/server/userapi"
	"github.com/mitome-ciba/mitome/server/web"
)

const (
	rpID   = "mitome.test"
	origin = "https://mitome.test"
)

// world is Mitome's sign-in, desk and device APIs behind TLS, and an OP.
type world struct {
	t        *testing.T
	url      string
	op       *fakeOP
	provider *signin.Provider
	db       *store.DB
	people   *device.Service
	srv      *httptest.Server
	log      *bytes.Buffer
	ahead    atomic.Int64
	said     auditor
}

// auditor is the audit log, and remembers what it was told.
type auditor struct {
	*store.DB
	mu    sync.Mutex
	codes []string
}

// RefuseSignIn implements signin.Log.
func (a *auditor) RefuseSignIn(ctx context.Context, op, code string, by device.Actor) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.codes = append(a.codes, code)
	return a.DB.RefuseSignIn(ctx, op, code, by)
}

// refusals returns what was said since it was last asked.
func (w *world) refusals() []string {
	w.said.mu.Lock()
	defer w.said.mu.Unlock()
	codes := w.said.codes
	w.said.codes = nil
	return codes
}

func (w *world) now() time.Time          { return time.Now().Add(time.Duration(w.ahead.Load())) }
func (w *world) advance(d time.Duration) { w.ahead.Add(int64(d)) }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: storetest.SQLite(t), log: &bytes.Buffer{}}
	w.db.Now = w.now
	w.said.DB = w.db
	w.op = newOP(t, w.now)
	w.people = &device.Service{
		Users: w.db, Devices: w.db, Enrollments: w.db, Ceremonies: w.db, Lifecycle: w.db, Gestures: w.db, Passkeys: w.db,
		Now: w.now, RP: device.RelyingParty{RPID: rpID, RPName: "Mitome", Origins: []string{origin}},
	}
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	engine, err := web.NewEngine(log, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.srv = httptest.NewTLSServer(engine)
	t.Cleanup(w.srv.Close)
	w.url = w.srv.URL
	keeper := &session.Keeper{Store: w.db, Desks: w.db, PublicURL: w.url, Now: w.now}
	w.provider = w.newProvider()
	(&signin.Handler{
		Providers: map[string]*signin.Provider{"corp": w.provider}, People: w.people, Desks: keeper,
		Log: &w.said, Sealer: seal.New(), Now: w.now, Warn: log,
		Fail: func(c *gin.Context, code string) { c.String(http.StatusTeapot, "failed "+code) },
		Done: func(c *gin.Context) { c.String(http.StatusOK, "done") },
	}).Mount(engine)
	(&deskapi.Handler{Sessions: keeper, Pairings: w.people, PublicURL: w.url, Version: "test"}).Mount(engine, engine.Group(""))
	(&userapi.Handler{Sessions: keeper, Pairings: w.people, People: w.people, Sockets: nobody{}, Version: "test"}).
		Mount(engine, engine.Group(""))
	return w
}

// nobody has a socket here.
type nobody struct{ userapi.Sockets }

func (nobody) Join(string, string) {}

func (w *world) newProvider() *signin.Provider {
	return &signin.Provider{
		Name: "corp", Issuer: w.op.issuer, ClientID: clientID, ClientSecret: clientSecret,
		Scopes: []string{"profile", "email"}, RedirectURL: w.url + "/signin/callback",
		Client: &http.Client{Timeout: 5 * time.Second, CheckRedirect: stay},
	}
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// browser keeps cookies as browsers do and follows nothing by itself.
type browser struct {
	w      *world
	client *http.Client
}

func (w *world) newBrowser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	c := *w.srv.Client()
	c.Jar, c.CheckRedirect = jar, stay
	return &browser{w, &c}
}

// reply is what a browser got.
type reply struct {
	status  int
	header  http.Header
	cookies []*http.Cookie
	body    string
}

func (b *browser) send(method, at string, body any, header http.Header) reply {
	b.w.t.Helper()
	if strings.HasPrefix(at, "/") {
		at = b.w.url + at
	}
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			b.w.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(b.w.t.Context(), method, at, in)
	if err != nil {
		b.w.t.Fatal(err)
	}
	if header != nil {
		r.Header = header.Clone()
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, resp.Cookies(), string(text)}
}

func (b *browser) get(at string) reply { b.w.t.Helper(); return b.send("GET", at, nil, nil) }

// page is a call by a page of ours.
func (b *browser) page(method, at string, body any) reply {
	b.w.t.Helper()
	return b.send(method, at, body, http.Header{"Origin": {b.w.url}, "Sec-Fetch-Site": {"same-origin"}})
}

// cookie returns the browser's cookie of that name.
func (b *browser) cookie(name string) string {
	u, err := url.Parse(b.w.url)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// toOP begins a sign-in and returns the callback to which the OP sends back.
func (b *browser) toOP() (callback string) {
	b.w.t.Helper()
	r := b.get("/signin/corp")
	if r.status != http.StatusSeeOther || !strings.HasPrefix(r.header.Get("Location"), b.w.op.issuer+"/authorize?") {
		b.w.t.Fatalf("got %d %s", r.status, r.body)
	}
	there := strings.Replace(r.header.Get("Location"), b.w.op.issuer, b.w.op.url, 1)
	req, err := http.NewRequestWithContext(b.w.t.Context(), "GET", there, nil)
	if err != nil {
		b.w.t.Fatal(err)
	}
	at, err := url.Parse(b.w.op.issuer)
	if err != nil {
		b.w.t.Fatal(err)
	}
	req.Host = at.Host
	resp, err := b.client.Do(req)
	if err != nil {
		b.w.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Header.Get("Location")
}

// want decodes r, which must have that status.
func (r reply) want(t *testing.T, status int, into any) {
	t.Helper()
	if r.status != status {
		t.Fatalf("got %d %s, want %d", r.status, r.body, status)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(r.body), into); err != nil {
			t.Fatal(err)
		}
	}
}
