package opapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/opapi"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
	"github.com/mitome-ciba/mitome/server/web"
)

// plainOP is an OP whose dialect is a JSON object {"ref", "sub"}; the bearer is
// "op". It answers 201 or the error's word.
type plainOP struct {
	within  time.Duration
	replied func(r approval.Request, err error) // called in Reply
}

func (p *plainOP) Receive(r *http.Request) (approval.Ask, error) {
	if r.Header.Get("Authorization") != "Bearer op" {
		return approval.Ask{}, fmt.Errorf("%w: no bearer", op.ErrUnauthentic)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return approval.Ask{}, fmt.Errorf("%w: too long", op.ErrMalformed)
	}
	var in struct{ Ref, Sub, Message string }
	if err := json.Unmarshal(body, &in); err != nil {
		return approval.Ask{}, fmt.Errorf("%w: not JSON", op.ErrMalformed)
	}
	return approval.Ask{
		Ref: in.Ref, Body: body, Handle: "h", Subject: device.Subject{Sub: in.Sub}, ClientID: "shop",
		BindingMessage: in.Message, ExpiresAt: time.Now().Add(time.Minute), Guard: 20 * time.Millisecond,
	}, nil
}

func (p *plainOP) Reply(w http.ResponseWriter, _ approval.Ask, r approval.Request, err error) {
	if p.replied != nil {
		p.replied(r, err)
	}
	status := http.StatusCreated
	switch {
	case err == nil:
	case errors.Is(err, op.ErrUnauthentic):
		status = http.StatusUnauthorized
	case errors.Is(err, op.ErrMalformed):
		status = http.StatusBadRequest
	case errors.Is(err, approval.ErrRefReused):
		status = http.StatusConflict
	default:
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

func (p *plainOP) Report(context.Context, approval.Request) error { return nil }
func (p *plainOP) RepeatSafe(approval.State) bool                 { return false }
func (p *plainOP) AckWithin() time.Duration                       { return p.within }

// world is the handler on a real service and store.
type world struct {
	t        *testing.T
	db       *store.DB
	op       *plainOP
	handler  *opapi.Handler
	requests *spy
	engine   *gin.Engine
	user     device.User
	log      *strings.Builder
	mu       sync.Mutex
	observed []string
}

// spy is the service, with something that may happen after it has accepted.
type spy struct {
	*approval.Service
	mu       sync.Mutex
	by       device.Actor
	accepted func(ctx context.Context) error
}

func (s *spy) Accept(ctx context.Context, a approval.Ask, by device.Actor) (approval.Request, error) {
	r, err := s.Service.Accept(ctx, a, by)
	s.mu.Lock()
	hook := s.accepted
	s.by, s.accepted = by, nil
	s.mu.Unlock()
	if err == nil && hook != nil {
		if err := hook(ctx); err != nil {
			return approval.Request{}, err
		}
	}
	return r, err
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: storetest.SQLite(t), op: &plainOP{within: time.Minute}, log: new(strings.Builder)}
	rules, err := policy.New(policy.Rules{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	people := &device.Service{Users: w.db, Devices: w.db, Enrollments: w.db, Ceremonies: w.db, Lifecycle: w.db, Gestures: w.db, Now: time.Now}
	w.requests = &spy{Service: &approval.Service{Store: w.db, People: people, Policy: rules, Codes: seal.New(), Now: time.Now}}
	w.user = pair(t, w.db)
	log := slog.New(slog.NewTextHandler(w.log, nil))
	w.handler = &opapi.Handler{
		Adapters: map[string]op.Adapter{"corp": w.op}, Requests: w.requests, Acks: &op.Acks{}, Log: log,
		Observe: w.observe,
	}
	w.engine, err = web.NewEngine(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.handler.Mount(w.engine)
	return w
}

func (w *world) observe(op, result string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.observed = append(w.observed, op+" "+result)
}

// pair stores a user with a device.
func pair(t *testing.T, db *store.DB) device.User {
	t.Helper()
	people := devicetest.Stores{Users: db, Devices: db, Enrollments: db, Ceremonies: db, Lifecycle: db}
	s := session.Session{ID: "s1", CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	if err := db.CreateSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	u := people.NewUser(t, "corp", "Aiko")
	people.NewDevice(t, u, string(s.ID), time.Now())
	return u
}

// call makes a genuine ask under a reference.
func (w *world) call(ref string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/op/corp", strings.NewReader(fmt.Sprintf(`{"ref":%q,"sub":%q}`, ref, w.user.Subject)))
	r.Header.Set("Authorization", "Bearer op")
	r.RemoteAddr = "192.0.2.7:4711"
	return r
}

// post has the handler answer r, and returns the status.
func (w *world) post(r *http.Request) int {
	rec := &recorder{ResponseRecorder: httptest.NewRecorder()}
	w.engine.ServeHTTP(rec, r)
	return rec.Code
}

// recorder is a connection; its flush fails with err.
type recorder struct {
	*httptest.ResponseRecorder
	err error
}

// FlushError is what net/http's own writer has.
func (r *recorder) FlushError() error { return r.err }

// stored returns what is stored, newest first.
func (w *world) stored() []approval.Request {
	w.t.Helper()
	l, err := w.db.ListRequests(w.t.Context(), approval.Query{})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []approval.Request
	for _, x := range l {
		out = append(out, x.Request)
	}
	return out
}

// want checks the states of all that is stored and the last thing observed.
func (w *world) want(result string, states ...approval.State) {
	w.t.Helper()
	var got []approval.State
	for _, r := range w.stored() {
		got = append(got, r.State)
	}
	if !slices.Equal(got, states) {
		w.t.Errorf("stored %v, want %v", got, states)
	}
	if n := len(w.observed); n == 0 || w.observed[n-1] != "corp "+result {
		w.t.Errorf("observed %v, want the last to be %q", w.observed, "corp "+result)
	}
}

func TestRequestIsTaken(t *testing.T) {
	w := newWorld(t)
	if got := w.post(w.call("r1")); got != http.StatusCreated {
		t.Errorf("answered %d, want 201", got)
	}
	w.want(opapi.Taken, approval.Pending)
	if by := w.requests.by; by.Kind != device.ActorOP || by.ID != "corp" || by.IP.String() != "192.0.2.7" {
		t.Errorf("taken from %+v, want the OP at its address", by)
	}
	if w.log.Len() > 0 {
		t.Errorf("logged %s", w.log)
	}
}

func TestUnknownConnectionIsNotFound(t *testing.T) {
	w := newWorld(t)
	r := w.call("r1")
	r.URL.Path = "/op/other"
	rec := httptest.NewRecorder()
	w.engine.ServeHTTP(rec, r)
	if rec.Code != http.StatusNotFound || rec.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("answered %d %s, want a problem", rec.Code, rec.Header().Get("Content-Type"))
	}
	if len(w.stored()) > 0 || len(w.observed) > 0 {
		t.Errorf("stored %v, observed %v; want nothing", w.stored(), w.observed)
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name   string
		alter  func(*world, *http.Request)
		status int
		result string
	}{
		{"not the OP", func(_ *world, r *http.Request) { r.Header.Del("Authorization") }, 401, opapi.Unauthentic},
		{"not JSON", func(_ *world, r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{")) }, 400, opapi.Malformed},
		{"too large", func(w *world, r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`{"ref":"r1","sub":"` + w.user.Subject + `"` + strings.Repeat(" ", web.MaxBody) + "}"))
		}, 400, opapi.Malformed},
		{"nobody we know", func(_ *world, r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`{"ref":"r1","sub":"nobody"}`))
		}, 503, opapi.Refused},
		{"not fit to be shown", func(w *world, r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(fmt.Sprintf(`{"ref":"r1","sub":%q,"message":"see https://evil.example"}`, w.user.Subject)))
		}, 503, opapi.Refused},
		{"our fault", func(w *world, _ *http.Request) { w.db.Close() }, 503, opapi.Fault},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.call("r1")
			tt.alter(w, r)
			if got := w.post(r); got != tt.status {
				t.Errorf("answered %d, want %d", got, tt.status)
			}
			if want := []string{"corp " + tt.result}; !slices.Equal(w.observed, want) {
				t.Errorf("observed %v, want %v", w.observed, want)
			}
			if !strings.Contains(w.log.String(), "result="+tt.result) {
				t.Errorf("not logged: %s", w.log)
			}
			if tt.result != opapi.Fault && len(w.stored()) > 0 {
				t.Errorf("stored %v, want nothing", w.stored())
			}
		})
	}
}

func TestAnotherRequestUnderTheSameReference(t *testing.T) {
	w := newWorld(t)
	w.post(w.call("r1"))
	r := w.call("r1")
	r.Body = io.NopCloser(strings.NewReader(fmt.Sprintf(`{"ref":"r1","sub":%q,"message":"pay-9999"}`, w.user.Subject)))
	if got := w.post(r); got != http.StatusConflict {
		t.Errorf("answered %d, want 409", got)
	}
	w.want(opapi.Refused, approval.Pending)
}
