package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push/websocket"
	"github.com/mitome-ciba/mitome/server/adminapi"
	"github.com/mitome-ciba/mitome/server/deskapi"
	"github.com/mitome-ciba/mitome/server/links"
	"github.com/mitome-ciba/mitome/server/opapi"
	v1 "github.com/mitome-ciba/mitome/server/opapi/v1"
	"github.com/mitome-ciba/mitome/server/pages"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/signin"
	"github.com/mitome-ciba/mitome/server/userapi"
	"github.com/mitome-ciba/mitome/webui"
)

// strangers is an OP that knows nobody.
type strangers struct{ op.Adapter }

func (strangers) Receive(*http.Request) (approval.Ask, error) {
	return approval.Ask{}, op.ErrUnauthentic
}

func (strangers) Reply(w http.ResponseWriter, _ approval.Ask, _ approval.Request, err error) {
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func (strangers) Poll(*http.Request) (string, error) { return "", op.ErrUnauthentic }

func (s strangers) Result(w http.ResponseWriter, r approval.Request, err error) {
	s.Reply(w, approval.Ask{}, r, err)
}

// noLog is an audit log that nobody reads.
type noLog struct{}

func (noLog) RefuseSignIn(context.Context, string, string, device.Actor) error { return nil }

// guarded is every router with guards and nothing behind them: a call that gets
// past its guard meets a nil and is answered 500.
func guarded(t *testing.T) map[string]*gin.Engine {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	ui, err := webui.Load()
	if err != nil {
		t.Fatal(err)
	}
	files, err := links.New(links.Apps{IOS: []string{"TEAM123456.org.example.mitome"}, Android: []links.Android{{Package: "org.example.mitome"}}, Origins: []string{"https://id.example.net"}})
	if err != nil {
		t.Fatal(err)
	}
	browsers := &session.Keeper{PublicURL: "https://mitome.example", Now: time.Now}
	out, err := Routers{
		Links: files,
		Pages: &pages.Handler{UI: ui, Sessions: browsers, Desks: browsers, Log: quiet, Now: time.Now},
		User: &userapi.Handler{
			Sessions: &session.Keeper{PublicURL: "https://mitome.example", Now: time.Now},
			Sockets:  &websocket.Hub{},
			Keys:     func() ([]byte, error) { return []byte(`{"keys":[]}`), nil },
		},
		Desk: &deskapi.Handler{Sessions: &session.Keeper{PublicURL: "https://mitome.example", Now: time.Now}},
		SignIn: &signin.Handler{
			Fail: func(c *gin.Context, _ string) { c.Status(http.StatusBadRequest) },
			Log:  noLog{}, Warn: quiet, Now: time.Now,
		},
		OPAPI:  &v1.Handler{},
		OPs:    &opapi.Handler{Adapters: map[string]op.Adapter{"corp": strangers{}}, Acks: &op.Acks{}, Log: quiet},
		Admin:  &adminapi.API{Guard: &adminapi.Guard{}, Now: time.Now},
		Health: &Health{}, Metrics: NewMetrics("test"), Log: quiet, OnlyTLS: true,
	}.Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refusal is what a guard answers to a call that brings nothing.
var refusal = map[Guard]int{
	Anybody: 200, Known: 303, Sink: 204, Reach: 200, Page: 403, Desk: 401, SignIn: 400, Proof: 401, Session: 401, Holder: 422, Dialect: 401, Key: 401, Bearer: 401,
}

// TestGuards walks the routers and calls each route with nothing, and with
// tokens that are none.
func TestGuards(t *testing.T) {
	for listener, engine := range guarded(t) {
		for _, have := range engine.Routes() {
			route, ok := find(listener, have.Method, have.Path)
			if !ok {
				t.Errorf("%s %s on %s is not in the table of routes", have.Method, have.Path, listener)
				continue
			}
			path := strings.NewReplacer(":id", "x", ":aid", "x", ":name", "corp", ":hash", "x", "*file", "css/mitome.css").Replace(have.Path)
			for _, auth := range []string{"", "Bearer x", "DPoP x", "DPoP " + strings.Repeat("A", 43), "Basic eDp4"} {
				req := httptest.NewRequest(have.Method, path, strings.NewReader("{}"))
				req.Header.Set("Content-Type", "application/json")
				if auth != "" {
					req.Header.Set("Authorization", auth)
				}
				w := httptest.NewRecorder()
				engine.ServeHTTP(w, req)
				if w.Code != refusal[route.Guard] {
					t.Errorf("%s %s with %q: got %d, want %d (guard %s)", have.Method, path, auth, w.Code, refusal[route.Guard], route.Guard)
				}
			}
		}
	}
}

func find(listener, method, path string) (Route, bool) {
	for _, r := range routes {
		if r.Listener == listener && r.Method == method && r.Path == path {
			return r, true
		}
	}
	return Route{}, false
}

// answers reports whether a route of listener has a pattern that path falls under:
// the admin API's /v1/requests/:id is no way to /v1/requests/wait.
func answers(listener string, r Route) bool {
	return slices.ContainsFunc(routes, func(other Route) bool {
		a, b := strings.Split(other.Path, "/"), strings.Split(r.Path, "/")
		return other.Listener == listener && other.Method == r.Method && slices.EqualFunc(a, b, func(a, b string) bool {
			return a == b || strings.HasPrefix(a, ":")
		})
	})
}

func TestUnknownRoutesDoNotStart(t *testing.T) {
	e := guarded(t)[Devices]
	e.GET("/v1/backdoor", func(*gin.Context) {})
	if err := check(Devices, e); err == nil {
		t.Error("a route that is not in the table was taken")
	}
	if err := check(OPs, gin.New()); err == nil {
		t.Error("a route that nobody answers was not missed")
	}
}

// TestListenersAreSeparate checks that no route answers on another listener.
func TestListenersAreSeparate(t *testing.T) {
	engines := guarded(t)
	for _, r := range routes {
		for name, e := range engines {
			if answers(name, r) {
				continue
			}
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest(r.Method, strings.NewReplacer(":id", "x", ":name", "corp", ":hash", "x", "*file", "css/mitome.css").Replace(r.Path), nil))
			if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s of %s answers %d on %s", r.Method, r.Path, r.Listener, w.Code, name)
			}
		}
	}
}

// TestMetrics checks that calls are counted by pattern, and that what callers
// write into a path makes no series.
func TestMetrics(t *testing.T) {
	engines := guarded(t)
	get := func(listener, path string) string {
		w := httptest.NewRecorder()
		engines[listener].ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		b, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	get(Devices, "/v1/requests/SECRET-ID")
	get(Devices, "/random/SECRET-ID")
	text := get(Scrape, "/metrics")
	for _, want := range []string{
		`mitome_http_call_duration_seconds_count{listener="devices",method="GET",route="/v1/requests/:id",status="401"} 1`,
		`mitome_http_call_duration_seconds_count{listener="devices",method="any",route="none",status="404"} 1`,
		`mitome_build_info{version="test"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(text, "SECRET-ID") {
		t.Error("an id is a label")
	}
}

func TestBacklogThatCannotBeRead(t *testing.T) {
	m := NewMetrics("test")
	m.WatchBacklog(func(context.Context) (Backlog, error) { return Backlog{}, context.DeadlineExceeded })
	m.Request("corp", "taken")
	e := gin.New()
	if err := (Routers{Health: &Health{}, Metrics: m}).mountScrape(e); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `mitome_requests_total{op="corp",outcome="taken"} 1`) {
		t.Errorf("got %d, want the other metrics all the same", w.Code)
	}
}
