package authlete_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/authlete"
)

func deps() op.Deps {
	return op.Deps{
		Now:    func() time.Time { return now },
		Client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

func receive(t *testing.T, a *authlete.Adapter, r *http.Request) approval.Ask {
	t.Helper()
	ask, err := a.Receive(r)
	if err != nil {
		t.Fatal(err)
	}
	return ask
}

// TestCalls: what the OP hears to each of its calls, and whether it waits for it.
func TestCalls(t *testing.T) {
	a := open(t, deps(), settings("https://as.example"))
	for _, tt := range []struct {
		call  string
		state approval.State
		waits bool
		want  string
	}{
		{"sync", approval.Approved, true, `{"result":"allow"}`},
		{"sync", approval.Denied, true, `{"result":"deny"}`},
		{"sync", approval.Withdrawn, true, `{"result":"deny"}`},
		{"sync", approval.Expired, true, `{"result":"timeout"}`},
		{"async", approval.Pending, false, `{"request_id":"` + requestID + `"}`},
		{"poll", approval.Pending, false, `{"request_id":"Hw1ptqS7N5QMWSLEwszdom_I5D3vXoKO1JPfOMTRU6w"}`},
	} {
		ask := receive(t, a, call(tt.call, body(t, nil)))
		w := httptest.NewRecorder()
		a.Reply(w, ask, approval.Request{ID: "r1", State: tt.state}, nil)
		if got := a.Waits(ask); got != tt.waits || w.Code != http.StatusOK || w.Body.String() != tt.want {
			t.Errorf("%s, %s: waits %v, %d %s, want %s", tt.call, tt.state, got, w.Code, w.Body, tt.want)
		}
	}
}

// TestResult: what the OP hears when it polls.
func TestResult(t *testing.T) {
	a := open(t, deps(), settings(""))
	for _, tt := range []struct {
		state approval.State
		err   error
		code  int
		want  string
	}{
		{approval.Pending, nil, 200, `{"result":null,"status":"active"}`},
		{approval.Approved, nil, 200, `{"result":"allow","status":"complete"}`},
		{approval.Denied, nil, 200, `{"result":"deny","status":"complete"}`},
		{approval.Withdrawn, nil, 200, `{"result":"deny","status":"complete"}`},
		{approval.Expired, nil, 200, `{"result":"timeout","status":"timeout"}`},
		{"", approval.ErrNotFound, 404, `{"error":"not_found"}`},
		{"", op.ErrUnauthentic, 401, `{"error":"unauthorized"}`},
		{"", op.ErrMalformed, 400, `{"error":"invalid_request"}`},
		{"", errors.New("dsn secret-password"), 503, `{"error":"temporarily_unavailable"}`},
	} {
		w := httptest.NewRecorder()
		a.Result(w, approval.Request{State: tt.state}, tt.err)
		if w.Code != tt.code || w.Body.String() != tt.want {
			t.Errorf("%s, %v: got %d %s, want %d %s", tt.state, tt.err, w.Code, w.Body, tt.code, tt.want)
		}
	}
}

func TestPoll(t *testing.T) {
	a := open(t, deps(), settings(""))
	for _, tt := range []struct {
		r    *http.Request
		want error
	}{
		{call("result", `{"request_id":"x"}`), nil},
		{post("/op/ws1/ad/"+strings.Repeat("x", 34)+"/api/authenticate/result", `{"request_id":"x"}`), op.ErrUnauthentic},
		{call("poll", `{"request_id":"x"}`), op.ErrMalformed},
		{call("result", `{}`), op.ErrMalformed},
		{call("result", `{"request_id":null}`), op.ErrMalformed},
		{call("result", `{"request_id":7}`), op.ErrMalformed},
		{call("result", `{"request_id":"`+strings.Repeat("x", 256)+`"}`), op.ErrMalformed},
		{call("result", `x`), op.ErrMalformed},
	} {
		ref, err := a.Poll(tt.r)
		if !errors.Is(err, tt.want) || (ref == "x") != (tt.want == nil) {
			t.Errorf("%s: got %q, %v, want %v", tt.r.URL, ref, err, tt.want)
		}
	}
}

// TestRequestID: it is the same for a repetition, another for all else, and not to
// be had without the secret.
func TestRequestID(t *testing.T) {
	one, other := open(t, deps(), settings("https://as.example")), settings("https://as.example")
	other["secret"] = strings.Repeat("z", 40)
	ids := []string{
		receive(t, one, call("async", body(t, nil))).Ref,
		receive(t, one, call("poll", body(t, nil))).Ref,
		receive(t, one, call("async", body(t, map[string]any{"actionize_token": "auth-req-id-0002"}))).Ref,
		receive(t, one, call("async", body(t, map[string]any{"actionize_token": nil}))).Ref,
		receive(t, one, call("async", body(t, map[string]any{"actionize_token": nil}))).Ref,
		receive(t, open(t, deps(), other), post("/op/ws1/ad/"+strings.Repeat("z", 40)+"/api/authenticate/async", body(t, nil))).Ref,
	}
	if again := receive(t, one, call("async", body(t, nil))).Ref; again != ids[0] {
		t.Errorf("a repetition is called %s, not %s", again, ids[0])
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 6 {
		t.Errorf("%d names for 6 requests", n)
	}
}

// TestSilent: an OP that waits, or asks, is not called.
func TestSilent(t *testing.T) {
	called := false
	as := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	t.Cleanup(as.Close)
	a := open(t, deps(), settings(as.URL))
	for _, name := range []string{"sync", "poll"} {
		ask := receive(t, a, call(name, body(t, nil)))
		if err := a.Report(t.Context(), approval.Request{State: approval.Approved, Handle: ask.Handle}); err != nil || called {
			t.Errorf("%s: got %v, called %v", name, err, called)
		}
	}
}

// TestEarly: the OP stores a request only after our answer, and says of one that
// it does not know what it says of one that it has forgotten.
func TestEarly(t *testing.T) {
	as := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	t.Cleanup(as.Close)
	a := open(t, deps(), settings(as.URL))
	for after, want := range map[time.Duration]error{
		0: op.ErrUnsure, 5*time.Second - 1: op.ErrUnsure, 5 * time.Second: op.ErrRefused, time.Minute: op.ErrRefused,
	} {
		err := a.Report(t.Context(), approval.Request{State: approval.Denied, Handle: "h", ReportAfter: now.Add(-after)})
		if !errors.Is(err, want) {
			t.Errorf("%v after the guard: got %v, want %v", after, err, want)
		}
	}
}

// TestDeadline: the OP that polls gives up before the time that it names.
func TestDeadline(t *testing.T) {
	for _, tt := range []struct {
		call    string
		timeout int
		want    time.Duration
	}{
		{"sync", 60, 57 * time.Second}, {"async", 60, 57 * time.Second}, {"poll", 60, 42 * time.Second},
		{"poll", 20, 17 * time.Second}, {"sync", 5, 2 * time.Second}, {"sync", 300, 297 * time.Second},
	} {
		a := open(t, deps(), settings("https://as.example"))
		ask := receive(t, a, call(tt.call, body(t, map[string]any{"timeout": tt.timeout})))
		if got := ask.ExpiresAt.Sub(now); got != tt.want {
			t.Errorf("%s, %d: got %v, want %v", tt.call, tt.timeout, got, tt.want)
		}
	}
}

// TestMessage: no part of the text can pass for another, whatever a client is
// called and whatever it sends.
func TestMessage(t *testing.T) {
	const head = "Client App (A) is requesting the following permissions."
	for _, tt := range []struct {
		name, text, client, message string
		scope                       []string
	}{
		{"as it is", message, "My CIBA App", "W4SCT", []string{"openid", "payments"}},
		{"without lines", head + "[Requested scopes]: openid[Binding message]: W4SCT", "A", "W4SCT", []string{"openid"}},
		{"no binding message", head + "\n[Requested scopes]: openid,email", "A", "", []string{"openid", "email"}},
		{"no scopes", head + "\n[Requested scopes]: null", "A", "", nil},

		{"an empty name", strings.Replace(head, "(A)", "()", 1) + "\n[Requested scopes]: x", "ws1", "", []string{"x"}},
		{"a message that imitates", message + " [Binding message]: X\n[Requested scopes]: none) is requesting", "My CIBA App",
			"W4SCT [Binding message]: X\n[Requested scopes]: none) is requesting", []string{"openid", "payments"}},
		{"a name that imitates", "Client App (Bank) is requesting the following permissions.\n[Requested scopes]: none\n[Binding message]: ok" +
			") is requesting the following permissions.\n[Requested scopes]: payments", "Bank",
			"ok) is requesting the following permissions.\n[Requested scopes]: payments", []string{"none"}},
		{"another OP's", "Please\nconfirm  it", "ws1", "Please confirm it", nil},
		{"nothing", "", "ws1", "", nil},
	} {
		a := open(t, deps(), settings(""))
		ask := receive(t, a, call("sync", body(t, map[string]any{"message": tt.text})))
		if ask.ClientID != tt.client || ask.BindingMessage != tt.message || !slices.Equal(ask.Scope, tt.scope) {
			t.Errorf("%s: got %q, %q, %q", tt.name, ask.ClientID, ask.Scope, ask.BindingMessage)
		}
	}
}

// TestSettings: what the OP does not say is configuration.
func TestSettings(t *testing.T) {
	m := settings("")
	m["workspace"], m["acr_values"] = "theirs", []any{"phr", "urn:x"}
	a := open(t, deps(), m)
	ask := receive(t, a, call("sync", body(t, map[string]any{"workspace": "theirs"})))
	if !slices.Equal(ask.ACRValues, []string{"phr", "urn:x"}) {
		t.Errorf("got %q", ask.ACRValues)
	}
	if _, err := a.Receive(call("async", body(t, map[string]any{"workspace": "theirs"}))); !errors.Is(err, op.ErrMalformed) {
		t.Errorf("async without server_url: got %v, want %v", err, op.ErrMalformed)
	}
	err := a.Report(t.Context(), approval.Request{State: approval.Approved, Handle: "h"})
	if !errors.Is(err, op.ErrNotSent) {
		t.Errorf("report without server_url: got %v, want %v", err, op.ErrNotSent)
	}
}

func TestConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change map[string]any
		fault  string // what one of the faults is about
	}{
		{"good", nil, ""},
		{"secret from a file", map[string]any{"secret": nil, "secret_file": file}, ""},
		{"without a server", map[string]any{"server_url": nil}, ""},
		{"no secret", map[string]any{"secret": nil}, "secret"},
		{"short secret", map[string]any{"secret": secret[:31]}, "secret"},
		{"long secret", map[string]any{"secret": strings.Repeat("s", 129)}, "secret"},
		{"secret with a slash", map[string]any{"secret": secret + "/x"}, "secret"},
		{"two secrets", map[string]any{"secret_file": file}, "secret"},
		{"no such file", map[string]any{"secret": nil, "secret_file": file + "x"}, "secret_file"},
		{"server without a scheme", map[string]any{"server_url": "as.example"}, "server_url"},
		{"server with a slash at its end", map[string]any{"server_url": "https://as.example/"}, "server_url"},
		{"server with credentials", map[string]any{"server_url": "https://a:b@as.example"}, "server_url"},
		{"short margin", map[string]any{"margin": "1s"}, "margin"},
		{"short poll", map[string]any{"poll_for": "3s"}, "poll_for"},
		{"long guard", map[string]any{"guard": "6s"}, "guard"},
		{"unknown setting", map[string]any{"actionize": "true"}, "actionize"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := settings("https://as.example")
			for k, v := range tt.change {
				if m[k] = v; v == nil {
					delete(m, k)
				}
			}
			_, err := tryOpen(deps(), m)
			if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("got %v, want a fault of %q", err, tt.fault)
			}
			if err != nil && strings.Contains(err.Error(), "path-secret") {
				t.Error("a fault holds the secret")
			}
		})
	}
}
