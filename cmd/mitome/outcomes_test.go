package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// ending is a way in which a client's request ends.
type ending struct {
	name   string
	ask    rp.Request
	act    func(t *testing.T, s seat, request string) // what the user does; nil: nobody is asked
	early  bool                                       // the OP refuses it at once
	want   string                                     // tokens, or the error that the client finally sees
	claims claims                                     // of the ID token
	reason string                                     // that Mitome keeps
}

// claims are those that say how the user was authenticated.
type claims struct {
	acr string
	how bool // amr and auth_time are there
}

// seat is one client and one user of hers, at whichever OP.
type seat struct {
	*gateway
	client  *rp.Client
	heard   *heard // what the OP tells the client; nil for one that polls
	user    string
	subject string
	phone   *phone
}

// play has one request go all its way.
func (s seat) play(t *testing.T, o ending) {
	began := time.Now()
	if o.ask.LoginHint == "" {
		o.ask.LoginHint = s.user
	}
	p, err := s.client.Start(t.Context(), o.ask)
	if err != nil || o.early {
		check(t, "client, at once", code(t, err), o.want)
		s.idle(t)
		return
	}
	var request string
	if o.act != nil {
		request = s.phone.pending(t)
		o.act(t, s, request)
	}
	tokens, got := s.end(t, p)
	check(t, "client", got, o.want)
	if tokens != nil {
		check(t, "sub", tokens.Claims.Subject, s.subject)
		o.claims.check(t, tokens.Claims, began)
	}
	if got == "expired_token" { // the user comes too late
		s.phone.mustNot(t, "approve", request)
	}
	if o.reason != "" {
		check(t, "reason", string(s.request(t, request).Decision.Reason), o.reason)
	}
	s.idle(t)
}

// idle checks that nothing waits for the user.
func (s seat) idle(t *testing.T) {
	t.Helper()
	if waiting := s.phone.run(t, "list", "--json"); strings.TrimSpace(waiting) != "[]" {
		t.Errorf("the user is asked all the same:\n%s", waiting)
	}
}

func (c claims) check(t *testing.T, got rp.Claims, began time.Time) {
	t.Helper()
	check(t, "acr", got.ACR, c.acr)
	if !c.how {
		check(t, "amr", fmt.Sprint(got.AMR), "[]")
		return
	}
	check(t, "amr", fmt.Sprint(got.AMR), "[pop user mfa]")
	if at := got.AuthTime; at.Before(began.Truncate(time.Second)) || at.After(time.Now()) {
		t.Errorf("auth_time is %v, want now", at)
	}
}

// end is what the client finally sees, of the OP's own words.
func (s seat) end(t *testing.T, p *rp.Pending) (*rp.Tokens, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tokens, err := p.Wait(ctx)
	if err == nil {
		return tokens, "tokens"
	}
	var said *rp.Error
	if !errors.As(err, &said) {
		t.Fatalf("got %v, want an error of the OP's", err)
	}
	switch {
	case s.client.Mode == rp.Push:
		await(t, "the OP to push "+said.Code, patience, func() bool { return s.heard.said(p.AuthReqID, said.Code) })
		return nil, said.Code
	case said.Status == 0: // the client's time is over, which it counts from before the OP's; what does the OP say?
		await(t, "the OP to see it too", patience, func() bool {
			_, err = p.Poll(ctx)
			return !slices.Contains([]string{"authorization_pending", "slow_down"}, code(t, err))
		})
	}
	return nil, code(t, err)
}

// What users do.

func approves(t *testing.T, s seat, request string) { s.phone.do(t, "approve", request) }

// approvesWith types a code, without which nothing is approved.
func approvesWith(typed string) func(*testing.T, seat, string) {
	return func(t *testing.T, s seat, request string) {
		s.phone.mustNot(t, "approve", request)
		s.phone.do(t, "approve", "--code", typed, request)
	}
}

func denies(t *testing.T, s seat, request string) { s.phone.do(t, "deny", request) }

// mistypes a code until there are no tries left. Then the right one is too late.
func mistypes(right, wrong string) func(*testing.T, seat, string) {
	return func(t *testing.T, s seat, request string) {
		for range 5 {
			s.phone.mustNot(t, "approve", "--code", wrong, request)
		}
		s.phone.mustNot(t, "approve", "--code", right, request)
	}
}

// answersNot lets the time pass.
func answersNot(*testing.T, seat, string) {}

func takenBack(t *testing.T, s seat, request string) { s.run(t, "request", "withdraw", request) }

// heard is a client's endpoint for notifications, and what was said to it.
type heard struct {
	rp.Notifications
	URL string

	mu  sync.Mutex
	all []note
}

// note is a notification, ping or push.
type note struct {
	AuthReqID string `json:"auth_req_id"`
	Error     string
}

func newHeard(t *testing.T) *heard {
	h := &heard{}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.URL = server.URL + "/ciba"
	return h
}

// ServeHTTP implements http.Handler.
func (h *heard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var n note
	_ = json.Unmarshal(body, &n) // what is none is for Notifications to refuse
	h.mu.Lock()
	h.all = append(h.all, n)
	h.mu.Unlock()
	h.Notifications.ServeHTTP(w, r)
}

// said says whether the OP notified the client so.
func (h *heard) said(authReqID, code string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.all {
		if n.AuthReqID == authReqID && n.Error == code {
			return true
		}
	}
	return false
}
