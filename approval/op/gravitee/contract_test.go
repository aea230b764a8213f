package gravitee_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

func deps() op.Deps {
	return op.Deps{
		Name: "bank", Now: func() time.Time { return now },
		Client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// TestEcho: AM fails its client's request unless it hears 200 and both of its
// own words.
func TestEcho(t *testing.T) {
	a := open(t, deps(), settings("https://am.example"))
	ask, err := a.Receive(notify(fields(t, nil).Encode()))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	a.Reply(w, ask, approval.Request{ID: "r1", State: approval.Pending}, nil)
	var got map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"tid": "tid-0001", "state": stateOf(t, nil)}
	if d := cmp.Diff(want, got); d != "" || w.Code != http.StatusOK {
		t.Errorf("answered %d (-want +got):\n%s", w.Code, d)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("got %s", got)
	}
}

// TestDecisionWithRealHandle: what AM reads is its own two words and ours.
func TestDecisionWithRealHandle(t *testing.T) {
	var got url.Values
	am := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, _ = url.ParseQuery(string(body))
	}))
	t.Cleanup(am.Close)
	a := open(t, deps(), settings(am.URL))
	ask, err := a.Receive(notify(fields(t, nil).Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Report(t.Context(), approval.Request{State: approval.Approved, Handle: ask.Handle}); err != nil {
		t.Fatal(err)
	}
	want := url.Values{"tid": {"tid-0001"}, "state": {stateOf(t, nil)}, "validated": {"true"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestEarly: AM stores a transaction only after our answer, and says of one that
// it does not know what it says of one that it has forgotten. So the first
// seconds' 400 is told again and a later one is not.
func TestEarly(t *testing.T) {
	am := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	t.Cleanup(am.Close)
	a := open(t, deps(), settings(am.URL))
	for after, want := range map[time.Duration]error{
		0: op.ErrUnsure, 5*time.Second - 1: op.ErrUnsure, 5 * time.Second: op.ErrRefused, time.Minute: op.ErrRefused,
	} {
		err := a.Report(t.Context(), approval.Request{State: approval.Denied, Handle: "h", ReportAfter: now.Add(-after)})
		if !errors.Is(err, want) {
			t.Errorf("%v after the guard: got %v, want %v", after, err, want)
		}
	}
	if !a.RepeatSafe(approval.Approved) || !a.RepeatSafe(approval.Denied) {
		t.Error("an early 400 would not be told again")
	}
}

// TestDeadline: whichever of AM's two times ends first counts.
func TestDeadline(t *testing.T) {
	m := settings("https://am.example")
	m["margin"] = "7s"
	a := open(t, deps(), m)
	for _, tt := range []struct {
		expire string
		exp    time.Duration
		want   time.Duration
	}{
		{"600", 10 * time.Minute, 593 * time.Second},
		{"60", 10 * time.Minute, 53 * time.Second},
		{"600", time.Minute, 53 * time.Second},
	} {
		ask, err := a.Receive(notify(fields(t, url.Values{
			"expire": {tt.expire}, "state": {stateOf(t, map[string]any{"exp": now.Add(tt.exp).Unix()})},
		}).Encode()))
		if err != nil || !ask.ExpiresAt.Equal(now.Add(tt.want)) {
			t.Errorf("expire %s, exp %v: got %v, %v, want %v", tt.expire, tt.exp, ask.ExpiresAt.Sub(now), err, tt.want)
		}
	}
}

// TestClientName: AM can be told to say it, and what cannot be shown is refused.
func TestClientName(t *testing.T) {
	m := settings("https://am.example")
	m["client_name_header"] = "X-Client-Name"
	a := open(t, deps(), m)
	for name, want := range map[string]error{
		"": nil, "The Shop": nil, "東京商店": nil, "a\x00b": op.ErrMalformed, "\xff": op.ErrMalformed, strings.Repeat("n", 256): op.ErrMalformed,
	} {
		r := notify(fields(t, nil).Encode())
		r.Header["X-Client-Name"] = []string{name}
		ask, err := a.Receive(r)
		if !errors.Is(err, want) || want == nil && ask.ClientName != name {
			t.Errorf("%q: got %q, %v, want %v", name, ask.ClientName, err, want)
		}
	}
}

// TestNoMore: a request without what AM leaves out has nothing in its place.
func TestNoMore(t *testing.T) {
	a := open(t, deps(), settings("https://am.example"))
	ask, err := a.Receive(notify(fields(t, url.Values{"acr": nil, "message": nil, "scope": {"openid", "payments profile"}}).Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if len(ask.ACRValues) != 0 || ask.BindingMessage != "" || ask.Context != nil || len(ask.Scope) != 3 {
		t.Errorf("got %q, %q, %v, %q", ask.ACRValues, ask.BindingMessage, ask.Context, ask.Scope)
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	file, empty := filepath.Join(dir, "secret"), filepath.Join(dir, "empty")
	for path, text := range map[string]string{file: header + "\n", empty: " \n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		change map[string]any
		fault  string // what one of the faults is about
	}{
		{"good", nil, ""},
		{"secrets from files", map[string]any{"client_secret": nil, "client_secret_file": file, "header_value": nil, "header_value_file": file}, ""},
		{"another header", map[string]any{"header_name": "X-Notifier"}, ""},
		{"no domain", map[string]any{"domain_url": "am.example/bank"}, "domain_url"},
		{"a slash at its end", map[string]any{"domain_url": "https://am.example/bank/"}, "domain_url"},
		{"a query", map[string]any{"domain_url": "https://am.example/bank?x"}, "domain_url"},
		{"credentials in it", map[string]any{"domain_url": "https://a:b@am.example/bank"}, "domain_url"},
		{"callback elsewhere", map[string]any{"callback_path": "@evil.example/"}, "callback_path"},
		{"no client_id", map[string]any{"client_id": nil}, "client_id"},
		{"client_id with a colon", map[string]any{"client_id": "a:b"}, "client_id"},
		{"no client_secret", map[string]any{"client_secret": nil}, "client_secret"},
		{"two client_secrets", map[string]any{"client_secret_file": file}, "client_secret"},
		{"no header_value", map[string]any{"header_value": nil}, "header_value"},
		{"short header_value", map[string]any{"header_value": "Bearer short-short"}, "header_value"},
		{"header_value in two lines", map[string]any{"header_value": header + "\nX: y"}, "header_value"},
		{"header_value with a space at its end", map[string]any{"header_value": header + " "}, "header_value"},
		{"an empty file", map[string]any{"header_value": nil, "header_value_file": empty}, "header_value_file"},
		{"no such file", map[string]any{"header_value": nil, "header_value_file": file + "x"}, "header_value_file"},
		{"header without a name", map[string]any{"header_name": "X Y"}, "header_name"},
		{"client name without a name", map[string]any{"client_name_header": "X:"}, "client_name_header"},
		{"client name in the secret's header", map[string]any{"client_name_header": "authorization"}, "client_name_header"},
		{"short margin", map[string]any{"margin": "1s"}, "margin"},
		{"long guard", map[string]any{"guard": "6s"}, "guard"},
		{"unknown setting", map[string]any{"issuer_url": "x"}, "issuer_url"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := settings("https://am.example")
			for k, v := range tt.change {
				if m[k] = v; v == nil {
					delete(m, k)
				}
			}
			_, err := tryOpen(deps(), m)
			if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("got %v, want a fault of %q", err, tt.fault)
			}
			if err != nil && (strings.Contains(err.Error(), "notifier-secret") || strings.Contains(err.Error(), "s+cret")) {
				t.Error("a fault holds a secret")
			}
		})
	}
}
