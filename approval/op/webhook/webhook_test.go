package webhook_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/optest"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/device"
)

var now = time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)

const (
	newSecret = approval.Secret("whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LSE=")
	oldSecret = approval.Secret("whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLSE=")
)

var here = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// configured is a good configuration that sends to url.
func configured(url string) webhook.Config {
	return webhook.Config{
		LoginHint: "auto", Keys: []webhook.Key{{Name: "k1", SHA256: hashOf("key-one")}, {Name: "k2", SHA256: strings.ToUpper(hashOf("key-two"))}},
		Webhook: webhook.Section{URL: url, Secrets: []approval.Secret{newSecret, oldSecret}, AllowPrivate: here},
	}
}

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func open(cfg webhook.Config, d op.Deps) (*webhook.Adapter, error) {
	d.Name = "shop"
	a, err := webhook.Open(func(v any) error { *v.(*webhook.Config) = cfg; return nil }, d)
	if err != nil {
		return nil, err
	}
	return a.(*webhook.Adapter), nil
}

// deps is a world in which every user is s-1.
func deps() op.Deps {
	return op.Deps{
		Client: &http.Client{Timeout: 5 * time.Second}, Now: func() time.Time { return now },
		About: func(context.Context, approval.Request) (op.About, error) {
			return op.About{Subject: "s-1", Evidence: "e.y.J"}, nil
		},
	}
}

func mustOpen(t *testing.T, cfg webhook.Config) *webhook.Adapter {
	t.Helper()
	a, err := open(cfg, deps())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func request(s approval.State, d *approval.Decision) approval.Request {
	return approval.Request{
		ID: "R1", OP: "shop", UserID: "u1", ClientID: "till", ClientName: "Till", State: s, Decision: d,
		Code:      approval.Code{Source: approval.CodeUserCode, KeyID: "k", MAC: []byte("mac")},
		CreatedAt: now.Add(-30 * time.Second).Add(1234 * time.Nanosecond), ExpiresAt: now.Add(90 * time.Second),
	}
}

func approved() approval.Request {
	return request(approval.Approved, &approval.Decision{
		Verdict: approval.Approve, At: now, AuthTime: now, Device: "d1", Credential: "c1",
		ACR: "phr", AMR: []string{"pop", "user", "mfa"}, UserVerified: true, UserCode: "verified",
	})
}

func denied(reason approval.Reason) approval.Request {
	return request(approval.Denied, &approval.Decision{Verdict: approval.Deny, Reason: reason, At: now})
}

func TestAdapter(t *testing.T) {
	every := map[approval.State]bool{approval.Approved: true, approval.Denied: true, approval.Expired: true, approval.Withdrawn: true}
	optest.Run(t, optest.Case{
		Kind: "webhook",
		Open: func(t *testing.T, url string, d op.Deps) op.Adapter {
			a, err := open(configured(url+"/mitome"), d)
			if err != nil {
				t.Fatal(err)
			}
			return a
		},
		Now: now, About: op.About{Subject: "s-1", Evidence: "e.y.J", DeliveredTo: map[string]int{"websocket": 1, "webpush": 2}},
		Reports: []optest.Report{
			{Name: "approved", Request: approved()},
			{Name: "denied", Request: denied(approval.ReasonUser)},
			{Name: "denied_not_me", Request: denied(approval.ReasonNotMe)},
			{Name: "expired", Request: request(approval.Expired, nil)},
			{Name: "withdrawn", Request: request(approval.Withdrawn, nil)},
			{Name: "pending", Request: request(approval.Pending, nil), Silent: true},
		},
		Answers: []optest.Answer{
			{Name: "no content", Status: 204, Want: nil},
			{Name: "accepted", Status: 202, Want: nil},
			{Name: "gone", Status: 410, Want: op.ErrRefused},
			{Name: "too busy", Status: 502, Want: op.ErrUnsure},
		},
		RepeatSafe: every,
	})
}

// TestAnOPThatAsksIsNotTold: without an address there is nothing to send, and
// nothing that could fail.
func TestAnOPThatAsksIsNotTold(t *testing.T) {
	cfg := configured("")
	cfg.Webhook = webhook.Section{}
	if err := mustOpen(t, cfg).Report(t.Context(), approved()); err != nil {
		t.Errorf("got %v, want nothing sent", err)
	}
}

// TestBothSecretsSign: while the secret changes, an OP may know the old one, the
// new one, or both; and one that knows neither takes nothing.
func TestBothSecretsSign(t *testing.T) {
	got := make(chan *http.Request, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		got <- r
	}))
	t.Cleanup(srv.Close)
	d := deps()
	d.Now = time.Now // the library looks at the clock
	a, err := open(configured(srv.URL), d)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Report(t.Context(), approved()); err != nil {
		t.Fatal(err)
	}
	r := <-got
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	stranger := approval.Secret("whsec_c3RyYW5nZS1zdHJhbmdlLXN0cmFuZ2Utc3RyYW5nZSE=")
	for secret, want := range map[approval.Secret]bool{newSecret: true, oldSecret: true, stranger: false} {
		w, err := standardwebhooks.NewWebhook(string(secret))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Verify(body, r.Header); (err == nil) != want {
			t.Errorf("verified by %s: %v, want %v", string(secret)[:12], err, want)
		}
		if err := w.Verify(append(body, ' '), r.Header); err == nil {
			t.Error("a changed body verifies")
		}
	}
	if n := len(strings.Fields(r.Header.Get("Webhook-Signature"))); n != 2 {
		t.Errorf("%d signatures, want one of each secret", n)
	}
}

// TestARepetitionHasTheSameID: an OP tells a repetition by it, and two ends of
// one request, which there cannot be, would differ.
func TestARepetitionHasTheSameID(t *testing.T) {
	var ids []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids = append(ids, r.Header.Get("Webhook-Id"))
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(srv.Close)
	a := mustOpen(t, configured(srv.URL))
	for _, r := range []approval.Request{approved(), approved(), denied(approval.ReasonUser)} {
		if err := a.Report(t.Context(), r); !errors.Is(err, op.ErrUnsure) {
			t.Errorf("got %v, want %v", err, op.ErrUnsure)
		}
	}
	if len(ids) != 3 || ids[0] != ids[1] || ids[1] == ids[2] || ids[0] == "" {
		t.Errorf("got %q", ids)
	}
}

// TestAnOPMaySayWhen: one that is too busy is left alone for as long as it says.
func TestAnOPMaySayWhen(t *testing.T) {
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "-1": 0, "soon": 0} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusTooManyRequests)
		}))
		t.Cleanup(srv.Close)
		err := mustOpen(t, configured(srv.URL)).Report(t.Context(), approved())
		later := &op.Later{}
		if errors.As(err, &later); later.After != want || !errors.Is(err, op.ErrUnsure) {
			t.Errorf("%q: got %v after %v, want %v", header, err, later.After, want)
		}
	}
}

// TestTheGuard: by default no webhook reaches a private address, by whatever
// name it is called.
func TestTheGuard(t *testing.T) {
	reached := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(srv.Close)
	port := srv.URL[strings.LastIndex(srv.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "op.localhost", "OP.Localhost."} {
		cfg := configured("http://" + host + port)
		cfg.Webhook.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		if err := mustOpen(t, cfg).Report(t.Context(), approved()); !errors.Is(err, op.ErrNotSent) || reached {
			t.Errorf("%s: got %v, reached %v, want %v", host, err, reached, op.ErrNotSent)
		}
		if err := mustOpen(t, configured("http://"+host+port)).Report(t.Context(), approved()); err != nil || !reached {
			t.Errorf("%s, allowed: got %v, reached %v", host, err, reached)
		}
		reached = false
	}
}

func TestAReportThatCannotBeMadeNeverLeft(t *testing.T) {
	d := deps()
	fault := errors.New("database is away")
	d.About = func(context.Context, approval.Request) (op.About, error) { return op.About{}, fault }
	a, err := open(configured("http://127.0.0.1:9"), d)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Report(t.Context(), approved()); !errors.Is(err, op.ErrNotSent) || !errors.Is(err, fault) {
		t.Errorf("got %v, want %v", err, op.ErrNotSent)
	}
}

// TestRepresentationHoldsNoMore: the code, its hash, names of devices and what
// only Mitome knows stay here.
func TestRepresentationHoldsNoMore(t *testing.T) {
	r := approved()
	r.Handle, r.RefHash = "handle", []byte("ref")
	b, err := json.Marshal(webhook.Represent(r, op.About{Subject: "s-1"}))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	keys := func(m map[string]any) (out []string) {
		for k := range m {
			out = append(out, k)
		}
		slices.Sort(out)
		return out
	}
	if want := []string{"client_id", "created_at", "decision", "expires_at", "id", "state", "sub"}; !slices.Equal(keys(got), want) {
		t.Errorf("got %v, want %v", keys(got), want)
	}
	d, _ := got["decision"].(map[string]any)
	if want := []string{"acr", "amr", "at", "auth_time", "user_code", "verdict"}; !slices.Equal(keys(d), want) {
		t.Errorf("decision: got %v, want %v", keys(d), want)
	}
}

func TestKeyOf(t *testing.T) {
	a := mustOpen(t, configured("http://127.0.0.1:9"))
	for given, want := range map[string]string{
		"key-one": "k1", "key-two": "k2", "key-three": "", "": "", "KEY-ONE": "", hashOf("key-one"): "",
		" " + "key-one": "",
	} {
		if name, ok := a.KeyOf(given); name != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", given, name, ok, want)
		}
	}
}

func TestHintOf(t *testing.T) {
	for _, tt := range []struct{ setting, value, kind string }{
		{"auto", "aiko@example.org", "email"},
		{"auto", "+81 90-1234-5678", "phone"},
		{"auto", "+", "username"},
		{"auto", "+1 aiko", "username"},
		{"auto", "090-1234-5678", "username"},
		{"auto", "aiko", "username"},
		{"username", "aiko@example.org", "username"},
		{"custom:tid", "+81", "custom:tid"},
	} {
		cfg := configured("http://127.0.0.1:9")
		cfg.LoginHint = tt.setting
		if got, want := mustOpen(t, cfg).HintOf(tt.value), (device.Hint{Kind: tt.kind, Value: tt.value}); got != want {
			t.Errorf("%s %q: got %v, want %v", tt.setting, tt.value, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%s\n\n%s\n", string(newSecret), string(oldSecret)), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*webhook.Config)
		faults int
	}{
		{"good", func(*webhook.Config) {}, 0},
		{"no webhook", func(c *webhook.Config) { c.Webhook = webhook.Section{} }, 0},
		{"secrets from a file", func(c *webhook.Config) { c.Webhook.Secrets, c.Webhook.SecretsFile = nil, file }, 0},
		{"https to the world", func(c *webhook.Config) { c.Webhook.URL, c.Webhook.AllowPrivate = "https://op.example/x", nil }, 0},
		{"http to the world", func(c *webhook.Config) { c.Webhook.AllowPrivate = nil }, 1},
		{"no scheme", func(c *webhook.Config) { c.Webhook.URL = "op.example" }, 1},
		{"credentials in the URL", func(c *webhook.Config) { c.Webhook.URL = "https://a:b@op.example/" }, 1},
		{"no secret", func(c *webhook.Config) { c.Webhook.Secrets = nil }, 1},
		{"both kinds of secrets", func(c *webhook.Config) { c.Webhook.SecretsFile = file }, 1},
		{"no such file", func(c *webhook.Config) { c.Webhook.Secrets, c.Webhook.SecretsFile = nil, file+"x" }, 2},
		{"short secret", func(c *webhook.Config) { c.Webhook.Secrets = []approval.Secret{"whsec_c2hvcnQ="} }, 1},
		{"secret without its prefix", func(c *webhook.Config) {
			c.Webhook.Secrets = []approval.Secret{approval.Secret(strings.TrimPrefix(string(newSecret), "whsec_"))}
		}, 1},
		{"secrets and no URL", func(c *webhook.Config) { c.Webhook.URL = "" }, 1},
		{"key without a name", func(c *webhook.Config) { c.Keys[0].Name = "" }, 1},
		{"key that is no hash", func(c *webhook.Config) { c.Keys[0].SHA256 = "key-one" }, 1},
		{"the same name twice", func(c *webhook.Config) { c.Keys[1].Name = "k1" }, 1},
		{"the same key twice", func(c *webhook.Config) { c.Keys[1].SHA256 = strings.ToUpper(c.Keys[0].SHA256) }, 1},
		{"unknown kind of hint", func(c *webhook.Config) { c.LoginHint = "mail" }, 1},
		{"custom hint without a name", func(c *webhook.Config) { c.LoginHint = "custom:" }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := configured("http://127.0.0.1:9/x")
			tt.change(&cfg)
			_, err := open(cfg, deps())
			n := 0
			if many, ok := err.(interface{ Unwrap() []error }); ok {
				n = len(many.Unwrap())
			}
			if n != tt.faults || (err == nil) != (tt.faults == 0) {
				t.Errorf("got %d faults, want %d: %v", n, tt.faults, err)
			}
			if err != nil && strings.Contains(err.Error(), "c2hvcnQ") {
				t.Error("a fault holds the secret")
			}
		})
	}
}
