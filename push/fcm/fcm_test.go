package fcm_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/fcm"
	"github.com/mitome-ciba/mitome/push/fcm/fcmtest"
	"github.com/mitome-ciba/mitome/push/pushtest"
)

const target = push.Target("app:" + pushtest.Secret)

func address() push.Address { return push.Address{Channel: push.FCM, Target: target} }

func open(t *testing.T, s *fcmtest.Service, url string, client *http.Client) *fcm.Sender {
	t.Helper()
	sender, err := fcm.Open(t.Context(), fcm.Options{
		Credentials: s.Credentials(url), Client: client, Endpoint: url + "/v1", Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sender
}

func TestSender(t *testing.T) {
	google := fcmtest.New(t)
	fail := fcmtest.Fail
	pushtest.Run(t, pushtest.Case{
		Sender:  func(t *testing.T, s pushtest.Service) push.Sender { return open(t, google, s.URL, s.Client) },
		Address: func(pushtest.Service) push.Address { return address() },
		Bad:     map[string]push.Address{"space": {Channel: push.FCM, Target: target + " x"}},
		HTTP: pushtest.HTTP{
			Path: "/v1/projects/", Other: http.HandlerFunc(google.Token), Sent: sent, Taken: google.Send,
			Limit: 3071, // 4,095 in base64url, and the name of one byte
			Gone: map[string]http.HandlerFunc{
				"unregistered":    fail(404, "NOT_FOUND", "UNREGISTERED"),
				"malformed token": malformed,
			},
			Later: map[string]http.HandlerFunc{
				"quota":       fail(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Retry-After", "7"),
				"unavailable": fail(503, "UNAVAILABLE", "UNAVAILABLE", "Retry-After", "7"),
				"503":         fail(503, "UNAVAILABLE", ""),
				"500":         fail(500, "INTERNAL", "INTERNAL"),
				"no JSON":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) },
				"a portal":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
				"reset":       reset,
			},
			Broken: map[string]http.HandlerFunc{
				"bad token of ours": fail(401, "UNAUTHENTICATED", ""),
				"other project":     fail(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
				"no permission":     fail(403, "PERMISSION_DENIED", ""),
				"no such project":   fail(404, "NOT_FOUND", ""),
				"APNs key":          fail(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
			},
		},
	})
}

// hang never answers. A server sees that a client is gone once it has read what
// that one sent.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// reset cuts the line.
func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

func malformed(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(400)
	fmt.Fprint(w, `{"error":{"status":"INVALID_ARGUMENT","details":[{"fieldViolations":[{"field":"message.token"}]}]}}`)
}

func sent(t *testing.T, _ *http.Request, body []byte, m push.Message) {
	got, err := fcmtest.Read(body)
	if err != nil {
		t.Fatal(err)
	}
	urgency := "high"
	if m.Kind == push.Clear {
		urgency = "normal"
	}
	android := got.Message.Android
	if got.ValidateOnly || got.Message.Token != string(target) || android.TTL != "90s" || android.Priority != urgency {
		t.Errorf("got %+v", got)
	}
	if d := got.Message.Data; len(d) != 1 || d["m"] != base64.RawURLEncoding.EncodeToString(m.Sealed) {
		t.Errorf("data %v", d)
	}
}

// fake is Google on one server, with a token endpoint and answers of its own.
func fake(t *testing.T, token, send http.HandlerFunc) (string, *http.Client) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/token", token)
	mux.HandleFunc("/v1/", send)
	srv := httptest.NewServer(mux)
	client := push.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}.Client(10 * time.Second)
	t.Cleanup(func() { client.CloseIdleConnections(); srv.Close() })
	return srv.URL, client
}

// TestCredentials: what the token endpoint says is about us and never about an
// address, and no message leaves without a token.
func TestCredentials(t *testing.T) {
	google := fcmtest.New(t)
	tests := []struct {
		name  string
		token http.HandlerFunc
		want  error
		wait  time.Duration
	}{
		{"another's key", fcmtest.New(t).Token, push.ErrBroken, 0},
		{"key withdrawn", status(401), push.ErrBroken, 0},
		{"forbidden", status(403), push.ErrBroken, 0},
		{"gone", status(410), push.ErrBroken, 0},
		{"too many", status(429), push.ErrLater, 7 * time.Second},
		{"down", status(503), push.ErrLater, 7 * time.Second},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", 307) }, push.ErrLater, 0},
		{"empty", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }, push.ErrLater, 0},
		{"reset", reset, push.ErrLater, 0},
		{"hangs", hang, push.ErrLater, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url, client := fake(t, tt.token, func(http.ResponseWriter, *http.Request) { t.Error("a message came") })
			patience := 10 * time.Second
			if tt.name == "hangs" {
				patience = 200 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			start := time.Now()
			err := open(t, google, url, client).Send(ctx, address(), pushtest.Message())
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v, beyond its context", took)
			}
			if !errors.Is(err, tt.want) || errors.Is(err, push.ErrGone) || push.RetryAfter(err) != tt.wait {
				t.Errorf("got %v after %v, want %v after %v", err, push.RetryAfter(err), tt.want, tt.wait)
			}
			quiet(t, err.Error())
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(code)
		fmt.Fprint(w, r.FormValue("assertion")) // a proxy that shows what it got
	}
}

// quiet fails if a text holds what nobody may read.
func quiet(t *testing.T, text string) {
	t.Helper()
	for _, word := range []string{pushtest.Secret, "ya29.", "eyJ", "PRIVATE KEY", "sealed-body"} {
		if strings.Contains(text, word) {
			t.Errorf("%q is in %q", word, text)
		}
	}
}

// TestTokenIsShared: one token serves all sends, until Google takes it no longer.
func TestTokenIsShared(t *testing.T) {
	google := fcmtest.New(t)
	url, client := fake(t, google.Token, google.Send)
	s := open(t, google, url, client)
	send := func() error { return s.Send(t.Context(), address(), pushtest.Message()) }
	for range 3 {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	if n := google.Tokens(); n != 1 {
		t.Errorf("%d tokens, want 1", n)
	}
	google.Revoke()
	if err := send(); !errors.Is(err, push.ErrLater) {
		t.Errorf("with an old token: got %v, want ErrLater", err)
	}
	if err := send(); err != nil || google.Tokens() != 2 {
		t.Errorf("got %v and %d tokens, want nil and 2", err, google.Tokens())
	}
}

// TestNoWait: the SDK would sleep before each of its four retries.
func TestNoWait(t *testing.T) {
	google := fcmtest.New(t)
	for name, h := range map[string]http.HandlerFunc{
		"503": fcmtest.Fail(503, "UNAVAILABLE", "", "Retry-After", "60"), "reset": reset,
	} {
		url, client := fake(t, google.Token, h)
		start := time.Now()
		err := open(t, google, url, client).Send(t.Context(), address(), pushtest.Message())
		if took := time.Since(start); !errors.Is(err, push.ErrLater) || took > 5*time.Second {
			t.Errorf("%s: got %v after %v, want ErrLater at once", name, err, took)
		}
	}
}

// TestWithoutKey: a device without a key is told what happened to what, and
// nothing in words.
func TestWithoutKey(t *testing.T) {
	google := fcmtest.New(t)
	var body []byte
	url, client := fake(t, google.Token, func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		google.Send(w, r)
	})
	m := pushtest.Message()
	m.Sealed, m.Kind = nil, push.Clear
	err := open(t, google, url, client).Send(t.Context(), address(), m)
	got, _ := fcmtest.Read(body)
	if d := got.Message.Data; len(d) != 3 || d["t"] != "clear" || d["k"] != m.Key || d["g"] != m.Generic || err != nil {
		t.Errorf("got %v, %v", d, err)
	}
}

// TestQuotaWithoutTime: Google's rule is a minute where it names none.
func TestQuotaWithoutTime(t *testing.T) {
	google := fcmtest.New(t)
	url, client := fake(t, google.Token, fcmtest.Fail(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"))
	err := open(t, google, url, client).Send(t.Context(), address(), pushtest.Message())
	if push.RetryAfter(err) != time.Minute {
		t.Errorf("got %v, want a minute", push.RetryAfter(err))
	}
}

func TestProbe(t *testing.T) {
	google := fcmtest.New(t)
	for name, tt := range map[string]struct {
		send http.HandlerFunc
		want error
	}{
		"good":          {google.Send, nil},
		"no permission": {fcmtest.Fail(403, "PERMISSION_DENIED", ""), push.ErrBroken},
		"down":          {fcmtest.Fail(503, "UNAVAILABLE", ""), push.ErrLater},
	} {
		url, client := fake(t, google.Token, tt.send)
		if err := open(t, google, url, client).Probe(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

func TestOpen(t *testing.T) {
	good := string(fcmtest.New(t).Credentials("https://oauth2.example"))
	for name, file := range map[string]string{
		"empty": "", "not JSON": "-----BEGIN PRIVATE KEY-----", "a user's": strings.Replace(good, "service_account", "authorized_user", 1),
		"no project": strings.Replace(good, `:"`+fcmtest.Project, `:"`, 1), "a path": strings.Replace(good, `:"`+fcmtest.Project, `:"a/../b`, 1),
		"no key": strings.Replace(good, "BEGIN PRIVATE", "BEGIN", 1), "half a key": strings.Replace(good, "MII", "", 1),
		"no token_uri": strings.Replace(good, "https://oauth2.example", "", 1), "no e-mail": strings.Replace(good, fcmtest.Email, "", 1),
	} {
		_, err := fcm.Open(t.Context(), fcm.Options{Credentials: []byte(file), Client: &http.Client{}, Now: time.Now})
		if err == nil {
			t.Errorf("%s: it was taken", name)
			continue
		}
		quiet(t, err.Error())
	}
	s, err := fcm.Open(t.Context(), fcm.Options{Credentials: []byte(good), Client: &http.Client{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	quiet(t, fmt.Sprintf("%+v %#v", s, s))
}
