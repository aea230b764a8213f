package v1_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/device"
	v1 "github.com/mitome-ciba/mitome/server/opapi/v1"
	"github.com/mitome-ciba/mitome/server/web"
)

// mouth stands for the service and keeps what came through the parser.
type mouth struct {
	v1.Requests
	v1.Hints
	asked *approval.Ask
	hint  *device.HintUse
}

func (m *mouth) Accept(_ context.Context, a approval.Ask, _ device.Actor) (approval.Request, error) {
	m.asked = &a
	return approval.Request{}, approval.ErrUnknownUser
}

func (m *mouth) ResolveHint(_ context.Context, u device.HintUse) (device.ResolvedHint, error) {
	m.hint = &u
	return device.ResolvedHint{}, approval.ErrHintToken
}

// fuzzed is the API before a mouth.
func fuzzed(f *testing.F) (*mouth, *gin.Engine) {
	sum := sha256.Sum256([]byte(shopKey))
	cfg := webhook.Config{LoginHint: "auto", Keys: []webhook.Key{{Name: "k1", SHA256: hex.EncodeToString(sum[:])}}}
	a, err := webhook.Open(func(v any) error { *v.(*webhook.Config) = cfg; return nil }, op.Deps{Name: "shop", Now: time.Now, PublicURL: origin})
	if err != nil {
		f.Fatal(err)
	}
	m := &mouth{}
	engine, err := web.NewEngine(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		f.Fatal(err)
	}
	h := &v1.Handler{
		Connections: map[string]*webhook.Adapter{"shop": a.(*webhook.Adapter)}, Requests: m, Hints: m, Acks: &op.Acks{}, Version: "test",
		Now: func() time.Time { return time.Now().Add(forgetting()) },
	}
	h.Mount(engine, &engine.RouterGroup)
	return m, engine
}

// forgetting moves the clock on at each call, so that whoever guesses codes is
// never told to wait.
var forgetting = func() func() time.Duration {
	var ahead time.Duration
	return func() time.Duration { ahead += time.Hour; return ahead }
}()

// send posts body as the OP, and fails for an answer that no OP should get.
func send(t *testing.T, engine *gin.Engine, path, key, body string) int {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/op/shop/v1/"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+shopKey)
	r.Header["Idempotency-Key"] = []string{key}
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, r)
	var problem struct {
		Error string `json:"error"`
	}
	if w.Code < 400 || w.Code >= 500 || json.Unmarshal(w.Body.Bytes(), &problem) != nil || problem.Error == "" {
		t.Fatalf("answered %d with %s", w.Code, w.Body)
	}
	return w.Code
}

// FuzzCreate: an ask that gets through the API's door names one user, is text, and
// holds what was sent to be shown.
func FuzzCreate(f *testing.F) {
	const key = "key-1"
	for _, s := range []string{
		`{"sub":"u1","client_id":"shop"}`, `{"login_hint":"a@b.example","client_id":"shop","scope":"openid a","expires_in":120}`, `{}`, `null`, `[]`, "\xff",
		`{"sub":"u1","login_hint":"x","client_id":"shop"}`, `{"sub":"u1","client_id":"shop","authorization_details":[{"type":"x","a":1,"a":2}],"request_context":{"ip":"::1"}}`,
		`{"sub":"u1","client_id":"shop","authorization_details":[null]}`, `{"sub":"u1","client_id":"shop","request_context":null}`,
		`{"sub":"u1","client_id":"shop","request_context":[]}`, `{"login_hint_token":"12345678901234567890","client_id":"shop","user_code":"1234"}`,
		`{"sub":"u1","client_id":"sh\u0000op"}`, `{"sub":"u1","client_id":"shop","binding_message":"\ud800"}`, `{"sub":"u1","client_id":"shop","expires_in":1e3}`,
		`{"Sub":"u1","sub":"u2","client_id":"shop"}`, `{"sub":"u1","client_id":"shop"} {}`, strings.Repeat(`{"a":`, 9000),
	} {
		f.Add(key, s)
	}
	f.Add("", `{"sub":"u1","client_id":"shop"}`)
	f.Add("a\nb", `{"sub":"u1","client_id":"shop"}`)
	m, engine := fuzzed(f)
	f.Fuzz(func(t *testing.T, key, body string) {
		m.asked = nil
		send(t, engine, "requests", key, body)
		if m.asked == nil {
			return
		}
		a := m.asked
		who := 0
		for _, s := range []string{a.Subject.Sub, a.Subject.Hint.Value, string(a.HintToken)} {
			if s != "" {
				who++
			}
		}
		if who != 1 || a.Ref != key || a.Ref == "" || a.ClientID == "" || a.OP != "shop" {
			t.Fatalf("%v is for %d users", a, who)
		}
		for _, s := range append(append(a.Scope, a.ACRValues...), a.ClientID, a.ClientName, a.BindingMessage, a.Subject.Sub, a.Subject.Hint.Value, a.UserCode) {
			if !utf8.ValidString(s) {
				t.Fatalf("%q is not text", s)
			}
		}
		shown(t, a, body)
	})
}

// shown checks that what was to be shown came through as it was, equal names and
// all.
func shown(t *testing.T, a *approval.Ask, body string) {
	t.Helper()
	var sent map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatalf("taken, though it is %v", err)
	}
	for _, name := range []string{"authorization_details", "request_context"} {
		var v, got any
		_ = json.Unmarshal(sent[name], &v)
		_ = json.Unmarshal(a.Context[name], &got)
		if list, ok := v.([]any); v == nil || ok && len(list) == 0 {
			continue
		}
		if !reflect.DeepEqual(v, got) || bytes.Count(a.Context[name], []byte(`":`)) < bytes.Count(sent[name], []byte(`":`)) {
			t.Fatalf("%s was %s and is %s", name, sent[name], a.Context[name])
		}
	}
}

// FuzzHintTokens: what an OP sends for a code that it has read reaches those who
// spend codes as text that is bounded, or not at all.
func FuzzHintTokens(f *testing.F) {
	for _, s := range []string{`{"login_hint_token":"1234 5678 9012 3456 7890","client_id":"shop"}`, `{"login_hint_token":"","client_id":"shop"}`, `{"login_hint_token":1}`, `{"login_hint_token":"\u0000","client_id":"s"}`, `{`, "\xff", `{"login_hint_token":"\ud800","client_id":"shop"}`} {
		f.Add(s)
	}
	m, engine := fuzzed(f)
	f.Fuzz(func(t *testing.T, body string) {
		m.hint = nil
		send(t, engine, "login-hint-tokens/resolve", "k", body)
		if h := m.hint; h != nil {
			if h.Value == "" || len(h.Value) > 4*512 || h.ClientID == "" || h.OP != "shop" || !utf8.ValidString(string(h.Value)+h.ClientID) {
				t.Fatalf("spends %d bytes for %q of %q", len(h.Value), h.ClientID, h.OP)
			}
		}
	})
}
