package rp_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// TestPace reads off the clock when the token endpoint is asked.
func TestPace(t *testing.T) {
	pending, slow := refuse("authorization_pending"), refuse("slow_down")
	held := func(d time.Duration) said { s := pending; s.held = d; return s }
	down := said{status: 502, body: "<html>"}
	later := said{status: 503, body: "", header: http.Header{"Retry-After": {"30"}}}
	lost := said{err: errors.New("connection reset")}
	tests := []struct {
		name  string
		ack   map[string]any
		says  []said // then tokens, or the last again
		end   bool   // with tokens
		want  error
		polls []int // seconds
	}{
		{"at once", nil, nil, true, nil, []int{5}},
		{"after a while", nil, []said{pending, pending}, true, nil, []int{5, 10, 15}},
		{"interval of the OP", map[string]any{"interval": 2}, []said{pending}, true, nil, []int{2, 4}},
		{"no interval means five", map[string]any{"interval": nil}, []said{pending}, true, nil, []int{5, 10}},
		{"slow_down lasts", nil, []said{slow, pending, pending}, true, nil, []int{5, 15, 25, 35}},
		{"slow_down adds up", nil, []said{slow, slow, pending}, true, nil, []int{5, 15, 30, 45}},
		{"slow_down without end", map[string]any{"expires_in": 3600, "interval": 50}, []said{slow, slow, slow}, false, rp.ErrSlowDown, []int{50, 105, 165}},
		{"an interval above the largest is kept", map[string]any{"expires_in": 600, "interval": 90}, []said{pending}, true, nil, []int{90, 180}},
		{"long poll", nil, []said{held(30 * time.Second), held(30 * time.Second)}, true, nil, []int{5, 35, 65}},
		{"answers that take a moment", nil, []said{held(2 * time.Second)}, true, nil, []int{5, 12}},
		{"stops at expiry", map[string]any{"expires_in": 17}, []said{pending}, false, rp.ErrExpiredToken, []int{5, 10, 15}},
		{"not at expiry itself", map[string]any{"expires_in": 10}, []said{pending}, false, rp.ErrExpiredToken, []int{5}},
		{"backs off from a broken OP", nil, []said{down, down, pending}, true, nil, []int{5, 15, 35, 55}},
		{"backs off when nothing is heard", nil, []said{lost}, true, nil, []int{5, 15}},
		{"waits as it is told", nil, []said{later}, true, nil, []int{5, 35}},
		{"expired at the OP", nil, []said{refuse("expired_token")}, false, rp.ErrExpiredToken, []int{5}},
		{"denied", nil, []said{pending, refuse("access_denied")}, false, rp.ErrAccessDenied, []int{5, 10}},
		{"gone", nil, []said{refuse("invalid_grant")}, false, rp.ErrInvalidGrant, []int{5}},
		{"over-polled", nil, []said{refuse("invalid_request")}, false, rp.ErrInvalidRequest, []int{5}},
		{"no words of OAuth", nil, []said{{status: 404, body: "not here"}}, false, rp.ErrResponse, []int{5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeOP(t)
				ack := map[string]any{"auth_req_id": "req-1", "expires_in": 120, "interval": 5}
				for k, v := range tt.ack {
					ack[k] = v
				}
				f.ack, f.tokens = ok(ack), tt.says
				if tt.end {
					// The ID token is good for as long as the slowest of these takes.
					c := claims()
					c["exp"] = time.Now().Add(time.Hour).Unix()
					f.tokens = append(slices.Clone(tt.says), ok(given(f.sign(t, c))))
				}
				p, _ := start(t, f, f.client(rp.Poll))
				tokens, err := p.Wait(t.Context())
				if !errors.Is(err, tt.want) || tt.end != (tokens != nil) {
					t.Errorf("got %v, %v, want %v", tokens, err, tt.want)
				}
				if got := f.polls(); !slices.Equal(got, tt.polls) {
					t.Errorf("asked at %v, want %v", got, tt.polls)
				}
				again, err2 := p.Wait(t.Context())
				if again != tokens || !errors.Is(err2, tt.want) || len(f.polls()) != len(tt.polls) {
					t.Errorf("a second Wait: %v, %v; the auth_req_id is spent", again, err2)
				}
			})
		})
	}
}

// TestExpiryOnTime: Wait ends when the request does, neither sooner nor later.
func TestExpiryOnTime(t *testing.T) {
	for mode, want := range map[rp.Mode]time.Duration{rp.Poll: 17 * time.Second, rp.Ping: 17 * time.Second, rp.Push: 22 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeOP(t)
			f.ack = ok(map[string]any{"auth_req_id": "req-1", "expires_in": 17, "interval": 5})
			f.tokens = []said{refuse("authorization_pending")}
			p, _ := start(t, f, f.client(mode))
			began := time.Now()
			var said *rp.Error
			if _, err := p.Wait(t.Context()); !errors.Is(err, rp.ErrExpiredToken) || !errors.As(err, &said) || said.Status != 0 {
				t.Errorf("%s: got %v, want expired, by ourselves", mode, err)
			}
			if got := time.Since(began); got != want {
				t.Errorf("%s: ended after %v, want %v", mode, got, want)
			}
		})
	}
}

// TestLifetimeIsNotTooLong: the OP's clock began to run while its answer was on
// the way.
func TestLifetimeIsNotTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeOP(t)
		f.ack.held = 3 * time.Second
		asked := time.Now()
		p, _ := start(t, f, f.client(rp.Poll))
		if got := p.ExpiresAt.Sub(asked); got != 120*time.Second {
			t.Errorf("ends %v after it was asked for, want 120 s", got)
		}
	})
}

// TestWaitCanBeBroken: the request stands as before, and another Wait takes the
// tokens.
func TestWaitCanBeBroken(t *testing.T) {
	for _, mode := range []rp.Mode{rp.Poll, rp.Ping, rp.Push} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeOP(t)
			c := f.client(mode)
			p, token := start(t, f, c)
			f.tokens = []said{{held: time.Minute, err: errors.New("held")}}
			if mode == rp.Ping { // it is heard by the Wait that is broken
				notify(c, token, map[string]any{"auth_req_id": "req-1"})
			}
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
			defer cancel()
			if _, err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: got %v, want the context's end", mode, err)
			}
			good := given(f.sign(t, claims()))
			f.tokens, f.replies = []said{ok(good)}, 0
			if mode == rp.Push {
				if got := notify(c, token, good); got != 204 {
					t.Errorf("%s: notification: got %d, want 204", mode, got)
				}
			}
			if tokens, err := p.Wait(t.Context()); err != nil || tokens.AccessToken != "access" {
				t.Errorf("%s: got %v, %v", mode, tokens, err)
			}
			want := map[rp.Mode][]int{rp.Poll: {5, 12}, rp.Ping: {0, 12}, rp.Push: {}}[mode]
			if got := f.polls(); !slices.Equal(got, want) {
				t.Errorf("%s: asked at %v, want %v", mode, got, want)
			}
		})
	}
}

// TestOneWaits has two wait at a time: one asks, both hear.
func TestOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeOP(t)
		f.tokens = []said{refuse("authorization_pending"), ok(given(f.sign(t, claims())))}
		p, _ := start(t, f, f.client(rp.Poll))
		heard := make(chan *rp.Tokens, 2)
		for range 2 {
			go func() {
				tokens, err := p.Wait(t.Context())
				if err != nil {
					t.Error(err)
				}
				heard <- tokens
			}()
		}
		if a, b := <-heard, <-heard; a != b || !slices.Equal(f.polls(), []int{5, 10}) {
			t.Errorf("asked at %v", f.polls())
		}
	})
}

func TestPing(t *testing.T) {
	ping := map[string]any{"auth_req_id": "req-1"}
	tests := []struct {
		name  string
		pings []int // seconds
		says  []said
		want  error
		polls []int
	}{
		{"asks once, at once", []int{42}, nil, nil, []int{42}},
		{"repeated while asking", []int{42, 43}, []said{{status: 400, body: `{"error":"authorization_pending"}`, held: 2 * time.Second}}, nil, []int{42, 44}},
		{"denied", []int{7}, []said{refuse("access_denied")}, rp.ErrAccessDenied, []int{7}},
		{"too early", []int{3}, []said{refuse("authorization_pending")}, nil, []int{3, 8}},
		{"lost", nil, nil, nil, []int{115}},
		{"after the question by itself", []int{117}, []said{refuse("authorization_pending")}, nil, []int{115, 117}},
		{"lost, nobody answered", nil, []said{refuse("authorization_pending"), refuse("authorization_pending")}, rp.ErrExpiredToken, []int{115}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeOP(t)
				c := f.client(rp.Ping)
				f.tokens = append(tt.says, ok(given(f.sign(t, claims()))))
				p, token := start(t, f, c)
				for _, at := range tt.pings {
					time.AfterFunc(time.Duration(at)*time.Second, func() {
						if got := notify(c, token, ping); got != 204 {
							t.Errorf("ping: got %d, want 204", got)
						}
					})
				}
				if _, err := p.Wait(t.Context()); !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if got := f.polls(); !slices.Equal(got, tt.polls) {
					t.Errorf("asked at %v, want %v", got, tt.polls)
				}
				if got := notify(c, token, ping); got != 401 {
					t.Errorf("after the end: got %d, want 401", got)
				}
			})
		})
	}
}

func TestPush(t *testing.T) {
	tests := []struct {
		name string
		body func(t *testing.T, f *fakeOP) any
		want error
	}{
		{"tokens", func(t *testing.T, f *fakeOP) any { return given(f.sign(t, claims())) }, nil},
		{"denied", pushed("access_denied"), rp.ErrAccessDenied},
		{"expired", pushed("expired_token"), rp.ErrExpiredToken},
		{"failed", pushed("transaction_failed"), rp.ErrTransactionFailed},
		{"forged", func(t *testing.T, _ *fakeOP) any { return given(newFakeOP(t).sign(t, claims())) }, rp.ErrIDToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeOP(t)
				c := f.client(rp.Push)
				p, token := start(t, f, c)
				body := tt.body(t, f)
				for _, want := range []int{204, 401} { // once
					if got := notify(c, token, body); got != want {
						t.Errorf("got %d, want %d", got, want)
					}
				}
				if _, err := p.Wait(t.Context()); !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if got := f.polls(); len(got) != 0 {
					t.Errorf("a push client asked at %v", got)
				}
			})
		})
	}
}

func pushed(code string) func(*testing.T, *fakeOP) any {
	return func(*testing.T, *fakeOP) any {
		return map[string]any{"auth_req_id": "req-1", "error": code, "error_description": "because"}
	}
}

// TestPushOvertakes has the OP push before its answer to Start is read: it is
// taken, and belongs to the request only if the answer says so.
func TestPushOvertakes(t *testing.T) {
	tests := []struct {
		authReqID string
		status    int
		want      error
	}{{"req-1", 204, nil}, {"req-2", 204, rp.ErrResponse}, {"", 400, rp.ErrExpiredToken}}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeOP(t)
			c := f.client(rp.Push)
			f.ack.held = 3 * time.Second
			good := given(f.sign(t, claims()))
			good["auth_req_id"] = tt.authReqID
			time.AfterFunc(time.Second, func() {
				if got := notify(c, f.last().form.Get("client_notification_token"), good); got != tt.status {
					t.Errorf("%q: got %d, want %d", tt.authReqID, got, tt.status)
				}
			})
			p, _ := start(t, f, c)
			if _, err := p.Wait(t.Context()); !errors.Is(err, tt.want) {
				t.Errorf("%q: got %v, want %v", tt.authReqID, err, tt.want)
			}
		})
	}
}
