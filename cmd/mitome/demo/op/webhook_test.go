package op_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
)

// TestFirstDecisionStands holds in each mode, in each order: go-oidc alone would
// turn a denial into tokens.
func TestFirstDecisionStands(t *testing.T) {
	for _, mode := range modes {
		for _, states := range [][2]string{{"denied", "approved"}, {"approved", "denied"}, {"approved", "approved"}, {"expired", "approved"}} {
			t.Run(string(mode)+"/"+states[0]+" "+states[1], func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				p := w.start(w.client(mode), rp.Request{LoginHint: "alice"})
				for _, state := range states {
					if status := w.mitome.tell(w.mitome.of(p), state); status != 204 {
						t.Fatalf("%s: got %d, want 204", state, status)
					}
				}
				end := p.Wait
				if mode == rp.Poll {
					end = p.Poll // without the interval
				}
				_, err := end(t.Context())
				if want := states[0] == "approved"; (err == nil) != want {
					t.Errorf("got %v, want tokens: %v", err, want)
				}
			})
		}
	}
}

// TestDecisionOvertakes has the decision arrive before the OP has read the
// answer to its own call.
func TestDecisionOvertakes(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			told := make(chan int, 1)
			w.mitome.first = func(v view) {
				go func() { told <- w.mitome.tell(v, "approved") }()
				<-w.hooked
			}
			p := w.start(w.client(mode), rp.Request{LoginHint: "alice"})
			if status := <-told; status != 204 {
				t.Errorf("webhook: got %d, want 204", status)
			}
			if _, err := p.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAnswerLost asks Mitome again under the same key, so that the user is not
// asked twice.
func TestAnswerLost(t *testing.T) {
	w := newWorld(t)
	w.mitome.lose = 1
	p := w.start(w.client(rp.Ping), rp.Request{LoginHint: "alice"})
	if len(w.mitome.made) != 1 || len(w.mitome.asked) != 2 {
		t.Errorf("%d calls made %d requests, want 2 and 1", len(w.mitome.asked), len(w.mitome.made))
	}
	w.mitome.tell(w.mitome.of(p), "approved")
	if _, err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWebhookRefused(t *testing.T) {
	w := newWorld(t)
	p := w.start(w.client(rp.Poll), rp.Request{LoginHint: "alice"})
	genuine := w.mitome.of(p)
	alter := func(f func(*view)) view { v := genuine; f(&v); return v }
	tests := []struct {
		name   string
		v      view
		state  string
		secret string
		want   int
	}{
		{"signed by a stranger", genuine, "approved", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx", 401},
		{"of no request", alter(func(v *view) { v.ID = "other" }), "approved", webSecret, 404},
		{"of another user", alter(func(v *view) { v.Sub = "sub-bob" }), "approved", webSecret, 400},
		{"of another client", alter(func(v *view) { v.ClientID = "x" }), "approved", webSecret, 400},
		{"that contradicts itself", alter(func(v *view) { v.Decision = map[string]any{"verdict": "deny"} }), "approved", webSecret, 400},
		{"that approves without a word", alter(func(v *view) { v.Decision = map[string]any{} }), "approved", webSecret, 400},
		{"of a state unheard of", genuine, "maybe", webSecret, 400},
		{"by the older secret", genuine, "denied", oldSecret, 204},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := w.mitome.deliver(tt.v, tt.state, tt.secret); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if _, err := p.Wait(t.Context()); !errors.Is(err, rp.ErrAccessDenied) {
		t.Errorf("got %v: a refused webhook had an effect", err)
	}
}

// TestClientGone has a ping client that cannot be reached: the decision stands
// and is there when the client asks.
func TestClientGone(t *testing.T) {
	w := newWorld(t, func(c *op.Config) {
		for i := range c.Clients {
			c.Clients[i].NotificationEndpoint = "http://127.0.0.1:1/cb"
		}
	})
	p := w.start(w.client(rp.Ping), rp.Request{LoginHint: "alice"})
	if status := w.mitome.tell(w.mitome.of(p), "approved"); status != 204 {
		t.Errorf("webhook: got %d, want 204", status)
	}
	if _, err := p.Poll(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestObserved(t *testing.T) {
	w := newWorld(t)
	p := w.start(w.client(rp.Ping), rp.Request{LoginHint: "alice", UserCode: "771133"})
	w.mitome.tell(w.mitome.of(p), "approved")
	var kinds []rp.Kind
	for _, m := range w.shown.list() {
		kinds = append(kinds, m.Kind)
		for _, secret := range []string{"771133", apiKey} {
			if strings.Contains(m.Body, secret) || strings.Contains(headers(m), secret) {
				t.Errorf("%s shows %s", m.Kind, secret)
			}
		}
	}
	if len(kinds) != 4 || kinds[0] != op.AskMitome || kinds[2] != op.Decision {
		t.Errorf("got %v", kinds)
	}
}

func headers(m rp.Message) string {
	var b strings.Builder
	_ = m.Header.Write(&b)
	return b.String()
}

// TestKeysArePublic looks for private halves where everybody can look.
func TestKeysArePublic(t *testing.T) {
	w := newWorld(t)
	resp, err := http.Get(w.issuer + "/jwks")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(body, &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("got %s, %v", body, err)
	}
	if _, ok := set.Keys[0]["d"]; ok {
		t.Error("the private key is published")
	}
}

func TestForms(t *testing.T) {
	w := newWorld(t)
	tests := []struct{ name, form string }{
		{"context that is no object", "scope=openid&login_hint=alice&request_context=%5B1%5D"},
		{"expiry of zero", "scope=openid&login_hint=alice&requested_expiry=0"},
		{"expiry in the past", "scope=openid&login_hint=alice&requested_expiry=-5"},
		{"no openid", "scope=payments&login_hint=alice"},
		{"two hints", "scope=openid&login_hint=alice&login_hint_token=x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodPost, w.issuer+"/bc-authorize", strings.NewReader(tt.form))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.SetBasicAuth("shop-poll", "secret-poll")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 400 || !strings.Contains(string(body), "invalid_") {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
		})
	}
}
