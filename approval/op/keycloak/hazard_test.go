package keycloak_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/keycloak"
)

// clock is a time that a test moves.
type clock struct{ now time.Time }

func deps(c *clock) op.Deps {
	return op.Deps{Name: "corp", Client: &http.Client{}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return c.now }}
}

// received has the adapter read a genuine ask and Keycloak store it, as it does
// on hearing 201.
func received(t *testing.T, f *fakeKeycloak, a op.Adapter) approval.Ask {
	t.Helper()
	got, err := a.Receive(ask(f.keys[0].sign(t, tokenClaims(f.issuer(), now)), genuineBody))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	a.Reply(w, got, approval.Request{}, nil)
	if w.Code != http.StatusCreated || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "0" {
		t.Fatalf("answered %d with %q, want 201 and nothing", w.Code, w.Body)
	}
	f.set(func(f *fakeKeycloak) { f.stored[string(got.Handle)] = "PENDING" })
	return got
}

// The order of things that Keycloak punishes, and what each must be called.
func TestReportToKeycloak(t *testing.T) {
	approved := approval.Request{State: approval.Approved}
	tests := []struct {
		name    string
		prepare func(*fakeKeycloak, approval.Ask)
		request approval.Request
		want    error
		stored  string // what Keycloak then holds; empty: it has forgotten
	}{
		{"approved", nil, approved, nil, "SUCCEED"},
		{"denied by the user", nil, denied(approval.ReasonUser), nil, "UNAUTHORIZED"},
		{"denied by Mitome", nil, denied(approval.ReasonUnknownUser), nil, "CANCELLED"},
		{"before the 201 was read", func(f *fakeKeycloak, a approval.Ask) { delete(f.stored, string(a.Handle)) },
			approved, op.ErrRefused, ""},
		{"client not pinged", func(f *fakeKeycloak, _ approval.Ask) { f.pingFail = true }, approved, op.ErrNotRelayed, "SUCCEED"},
		{"denied, client not pinged", func(f *fakeKeycloak, _ approval.Ask) { f.pingFail = true },
			denied(approval.ReasonUser), op.ErrNotRelayed, "UNAUTHORIZED"},
		{"a denial again", func(f *fakeKeycloak, a approval.Ask) { f.stored[string(a.Handle)] = "UNAUTHORIZED" },
			denied(approval.ReasonUser), nil, "UNAUTHORIZED"},
		{"an approval again", func(f *fakeKeycloak, a approval.Ask) { f.stored[string(a.Handle)] = "SUCCEED" },
			approved, op.ErrRefused, ""}, // this is why RepeatSafe says no
		{"expired", nil, approval.Request{State: approval.Expired}, nil, "PENDING"},
		{"withdrawn", nil, approval.Request{State: approval.Withdrawn}, nil, "PENDING"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, newSigner(t, "k1"))
			a := open(t, deps(&clock{now}), map[string]any{"issuer": f.issuer()})
			got := received(t, f, a)
			if tt.prepare != nil {
				f.set(func(f *fakeKeycloak) { tt.prepare(f, got) })
			}
			r := tt.request
			r.Handle = got.Handle
			if err := a.Report(t.Context(), r); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			f.set(func(f *fakeKeycloak) {
				if s := f.stored[string(got.Handle)]; s != tt.stored {
					t.Errorf("Keycloak holds %q, want %q", s, tt.stored)
				}
			})
		})
	}
}

// A ping failure whose body did not come through whole cannot be told from a
// refusal, and must not be called one.
func TestReportWithAHalfAnswerIsUnsure(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "200")
		w.WriteHeader(http.StatusBadRequest)
		w.Write([]byte(`{"error":"invalid_request","error_desc`))
	}))
	defer srv.Close()
	a := open(t, deps(&clock{now}), map[string]any{"issuer": srv.URL + realm})
	if err := a.Report(t.Context(), approval.Request{State: approval.Approved, Handle: "h"}); !errors.Is(err, op.ErrUnsure) {
		t.Errorf("got %v, want %v", err, op.ErrUnsure)
	}
}

func TestDeadline(t *testing.T) {
	tests := []struct {
		name     string
		settings map[string]any
		iat, exp time.Duration // from now
		want     time.Duration // from now; 0: refused
	}{
		{"the token's and the policy's are one", nil, 0, 120 * time.Second, 117 * time.Second},
		{"requested_expiry is shorter", nil, 0, 30 * time.Second, 27 * time.Second},
		{"requested_expiry is longer than Keycloak keeps it", nil, 0, 300 * time.Second, 117 * time.Second},
		{"a policy of its own", map[string]any{"expires_in": "30s"}, 0, 300 * time.Second, 27 * time.Second},
		{"a wider margin", map[string]any{"margin": "10s"}, 0, 120 * time.Second, 110 * time.Second},
		{"it took a while to come", nil, -10 * time.Second, 110 * time.Second, 107 * time.Second},
		{"it took a while, and the policy is what counts", nil, -10 * time.Second, 290 * time.Second, 107 * time.Second},
		{"Keycloak's clock is ahead", nil, 20 * time.Second, 140 * time.Second, 117 * time.Second},
		{"requested_expiry=3 leaves nothing", nil, 0, 3 * time.Second, 0},
		{"nearly over", nil, -118 * time.Second, 2 * time.Second, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, newSigner(t, "k1"))
			a := open(t, deps(&clock{now}), with(map[string]any{"issuer": f.issuer()}, tt.settings))
			token := f.keys[0].sign(t, with(tokenClaims(f.issuer(), now), map[string]any{
				"iat": now.Add(tt.iat).Unix(), "exp": now.Add(tt.exp).Unix(),
			}))
			got, err := a.Receive(ask(token, genuineBody))
			if tt.want == 0 {
				if !errors.Is(err, op.ErrMalformed) {
					t.Errorf("got %v, want %v", err, op.ErrMalformed)
				}
				return
			}
			if err != nil || got.ExpiresAt.Sub(now) != tt.want {
				t.Errorf("ends after %v (err %v), want %v", got.ExpiresAt.Sub(now), err, tt.want)
			}
		})
	}
}

// What a client may leave out or Keycloak write as null is not a fault.
func TestSparseBodyIsRead(t *testing.T) {
	f := newFake(t, newSigner(t, "k1"))
	a := open(t, deps(&clock{now}), map[string]any{"issuer": f.issuer()})
	token := f.keys[0].sign(t, with(tokenClaims(f.issuer(), now), map[string]any{"aud": []string{f.issuer()}}))
	got, err := a.Receive(ask(token, `{"scope":"openid","binding_message":null,"login_hint":"alice","is_consent_required":true,"acr_values":null}`))
	if err != nil || got.BindingMessage != "" || len(got.ACRValues) != 0 || got.Context != nil || got.Subject.Hint.Value != "alice" {
		t.Errorf("got %+v, err %v", got, err)
	}
}

// Behind a split network the realm is reached elsewhere, under its own name.
func TestInternalURLKeepsTheIssuersHost(t *testing.T) {
	f := newFake(t, newSigner(t, "k1"))
	const issuer = "https://sso.example:8443" + realm
	a := open(t, deps(&clock{now}), map[string]any{"issuer": issuer, "internal_url": f.URL + "/"})
	token := f.keys[0].sign(t, tokenClaims(issuer, now))
	if _, err := a.Receive(ask(token, genuineBody)); err != nil {
		t.Fatal(err)
	}
	f.set(func(f *fakeKeycloak) { f.stored[token] = "PENDING" })
	if err := a.Report(t.Context(), approval.Request{State: approval.Approved, Handle: approval.Secret(token)}); err != nil {
		t.Fatal(err)
	}
	f.set(func(f *fakeKeycloak) {
		if want := "sso.example:8443"; len(f.hosts) != 2 || f.hosts[0] != want || f.hosts[1] != want {
			t.Errorf("called for hosts %v, want %s twice", f.hosts, want)
		}
	})
}

func TestRequestSecret(t *testing.T) {
	const secret = "0123456789abcdef"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, settings := range []map[string]any{{"request_secret": secret}, {"request_secret_file": file}} {
		f := newFake(t, newSigner(t, "k1"))
		a := open(t, deps(&clock{now}), with(map[string]any{"issuer": f.issuer()}, settings))
		token := f.keys[0].sign(t, tokenClaims(f.issuer(), now))
		for query, want := range map[string]error{
			"": op.ErrUnauthentic, "token=": op.ErrUnauthentic, "token=0123456789abcdeg": op.ErrUnauthentic,
			"token=" + secret: nil, "Token=" + secret: op.ErrUnauthentic,
		} {
			r := ask(token, genuineBody)
			r.URL = &url.URL{Path: "/op/corp", RawQuery: query}
			if _, err := a.Receive(r); !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("%v, query %q: got %v, want %v", settings, query, err, want)
			}
		}
	}
}

func TestOpenListsEveryFault(t *testing.T) {
	good := map[string]any{"issuer": "https://sso.example/realms/corp"}
	tests := map[string]map[string]any{
		"issuer must":           {"issuer": "sso.example/realms/corp"},
		"without a slash":       {"issuer": "https://sso.example/realms/corp/"},
		"internal_url":          {"internal_url": "http://keycloak:8080/realms/corp"},
		"margin must":           {"margin": "2s"},
		"expires_in":            {"expires_in": "3s"},
		"guard":                 {"guard": "6s"},
		"HS256":                 {"algorithms": "RS256,HS256"},
		"none":                  {"algorithms": []any{"none"}},
		"request_secret must":   {"request_secret": "short"},
		"request_secret_file":   {"request_secret_file": "/does/not/exist"},
		"cannot both":           {"request_secret": "0123456789abcdef", "request_secret_file": "/does/not/exist"},
		"there is no such":      {"isuer": "x"},
		"is missing":            {"issuer": ""},
		"public key\nmargin mu": {"margin": "1s", "algorithms": "HS512"},
	}
	for want, change := range tests {
		_, err := keycloak.Open(settings(with(good, change)), deps(&clock{now}))
		if err == nil {
			t.Errorf("%v: got no error", change)
			continue
		}
		for word := range strings.SplitSeq(want, "\n") {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%v: got %q, want it to say %q", change, err, word)
			}
		}
		if bytes.Contains([]byte(err.Error()), []byte("0123456789abcdef")) {
			t.Errorf("the secret stands in %q", err)
		}
	}
}
