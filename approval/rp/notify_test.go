package rp_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// TestNotifications is what the endpoint answers to whom. A body that is never
// to be read fails the test if it is.
func TestNotifications(t *testing.T) {
	unread := func() io.Reader { return failing{t} }
	text := func(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }
	const ping = `{"auth_req_id":"req-1"}`
	tests := []struct {
		name          string
		mode          rp.Mode
		method        string
		authorization string // %s stands for the token
		media         string
		body          func() io.Reader
		want          int
	}{
		{"ping", rp.Ping, "POST", "Bearer %s", "application/json", text(ping), 204},
		{"scheme in small letters", rp.Ping, "POST", "bearer %s", "application/json", text(ping), 204},
		{"media type with a charset", rp.Ping, "POST", "Bearer %s", "application/json; charset=utf-8", text(ping), 204},
		{"no token", rp.Ping, "POST", "", "application/json", unread, 401},
		{"another token", rp.Ping, "POST", "Bearer " + strings.Repeat("A", 43), "application/json", unread, 401},
		{"half a token", rp.Ping, "POST", "Bearer %.20s", "application/json", unread, 401},
		{"more than the token", rp.Ping, "POST", "Bearer %sA", "application/json", unread, 401},
		{"another scheme", rp.Ping, "POST", "Basic %s", "application/json", unread, 401},
		{"GET", rp.Ping, "GET", "Bearer %s", "application/json", unread, 405},
		{"a form", rp.Ping, "POST", "Bearer %s", "application/x-www-form-urlencoded", unread, 415},
		{"no media type", rp.Ping, "POST", "Bearer %s", "", unread, 415},
		{"no JSON", rp.Ping, "POST", "Bearer %s", "application/json", text("req-1"), 400},
		{"nothing", rp.Ping, "POST", "Bearer %s", "application/json", text(""), 400},
		{"no auth_req_id", rp.Ping, "POST", "Bearer %s", "application/json", text(`{}`), 400},
		{"of another request", rp.Ping, "POST", "Bearer %s", "application/json", text(`{"auth_req_id":"req-2"}`), 400},
		{"a flood", rp.Ping, "POST", "Bearer %s", "application/json", text(`{"auth_req_id":"` + strings.Repeat("x", 70<<10) + `"}`), 413},
		{"push of an error", rp.Push, "POST", "Bearer %s", "application/json", text(`{"auth_req_id":"req-1","error":"access_denied"}`), 204},
		{"push of nothing", rp.Push, "POST", "Bearer %s", "application/json", text(ping), 400},
		{"push without an ID token", rp.Push, "POST", "Bearer %s", "application/json", text(`{"auth_req_id":"req-1","access_token":"a"}`), 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeOP(t)
			c := f.client(tt.mode)
			_, token := start(t, f, c)
			r := httptest.NewRequest(tt.method, "https://shop.example/cb", tt.body())
			auth := strings.ReplaceAll(tt.authorization, "%.20s", token[:20])
			r.Header.Set("Authorization", strings.ReplaceAll(auth, "%s", token))
			r.Header.Set("Content-Type", tt.media)
			w := httptest.NewRecorder()
			c.Notifications.ServeHTTP(w, r)
			if w.Code != tt.want || w.Body.Len() != 0 {
				t.Errorf("got %d %q, want %d", w.Code, w.Body, tt.want)
			}
			if got := w.Header().Get("WWW-Authenticate"); (got != "") != (tt.want == 401) {
				t.Errorf("WWW-Authenticate %q", got)
			}
			if got := w.Header().Get("Allow"); (got != "") != (tt.want == 405) {
				t.Errorf("Allow %q", got)
			}
		})
	}
}

// failing is a body that nobody may read.
type failing struct{ t *testing.T }

func (f failing) Read([]byte) (int, error) {
	f.t.Error("the body was read")
	return 0, io.EOF
}

// TestNotificationTokens: a token of its own for each request, long enough, and
// good for no other request.
func TestNotificationTokens(t *testing.T) {
	f := newFakeOP(t)
	c := f.client(rp.Ping)
	_, first := start(t, f, c)
	f.ack = ok(map[string]any{"auth_req_id": "req-2", "expires_in": 120})
	_, second := start(t, f, c)
	if first == second || len(first) < 43 || len(first) > 1024 {
		t.Errorf("tokens %q, %q", first, second)
	}
	if got := notify(c, first, map[string]any{"auth_req_id": "req-2"}); got != 400 {
		t.Errorf("one's token for another's request: got %d, want 400", got)
	}
	f.ack = refuse("unknown_user_id")
	if _, err := c.Start(t.Context(), rp.Request{LoginHint: "bob"}); !errors.Is(err, rp.ErrUnknownUserID) {
		t.Fatal(err)
	}
	refused := f.last().form.Get("client_notification_token")
	if got := notify(c, refused, map[string]any{"auth_req_id": "req-3"}); got != 401 {
		t.Errorf("of a request that was refused: got %d, want 401", got)
	}
	other := newFakeOP(t)
	if _, token := start(t, other, other.client(rp.Poll)); token != "" {
		t.Error("a poll client sent a notification token")
	}
}

// TestTokenDies with its request, though nobody waited.
func TestTokenDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeOP(t)
		c := f.client(rp.Push)
		_, token := start(t, f, c)
		time.Sleep(126 * time.Second)
		if got := notify(c, token, map[string]any{"auth_req_id": "req-1", "error": "expired_token"}); got != http.StatusUnauthorized {
			t.Errorf("got %d, want 401", got)
		}
	})
}
