package main_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// TestNodeOIDCProvider goes from a client's request to its tokens, or to the
// error that it sees, through the OP of examples/node-oidc-provider.
func TestNodeOIDCProvider(t *testing.T) {
	t.Parallel()
	s := newOPStage(t)
	till, kiosk := s.turn(t, s.op.till, "alice"), s.turn(t, s.op.kiosk, "bob")
	t.Run("flows", func(t *testing.T) {
		for mode, u := range map[string]opTurn{"poll": till, "ping": kiosk} {
			t.Run(mode, func(t *testing.T) {
				t.Parallel()
				for _, f := range []struct {
					name string
					run  func(*testing.T, opTurn)
				}{
					{"approve", opApprove}, {"acr and amr", opACR}, {"deny", opDeny}, {"taken back", opWithdrawn},
					{"refused before anybody is asked", opRefused}, {"login_hint_token", opHintToken},
				} {
					t.Run(f.name, func(t *testing.T) { f.run(t, u) })
				}
			})
		}
		// These have users of their own: one waits long, and wrong codes are counted.
		for _, f := range []struct {
			name, user string
			client     *rp.Client
			run        func(*testing.T, opTurn)
		}{
			{"poll, nobody answers", "carol", s.op.till, opExpiry}, {"ping, nobody answers", "dave", s.op.kiosk, opExpiry},
			{"poll, wrong codes", "erin", s.op.till, opWrongCodes}, {"ping, wrong codes", "frank", s.op.kiosk, opWrongCodes},
			{"a code of the user's own", "heidi", s.op.counter, opOwnCode},
		} {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				f.run(t, s.turn(t, f.client, f.user))
			})
		}
	})
	t.Run("what the library does not carry", func(t *testing.T) { opLost(t, till) })
	t.Run("a ping that fails", func(t *testing.T) { opPingFails(t, kiosk) })
	t.Run("a second decision", func(t *testing.T) { opSecond(t, till) })
	t.Run("not Mitome", func(t *testing.T) { opForged(t, till) })
	t.Run("no Mitome", func(t *testing.T) { opAlone(t, till) })
}

func opApprove(t *testing.T, s opTurn) {
	p := s.begin(t, rp.Request{
		LoginHint: strings.ToUpper(s.user) + "@example.org", BindingMessage: "Pay 5 EUR to Bob", Nonce: "n-1",
		RequestContext: map[string]any{"place": "Aisle 9"},
	})
	if _, err := p.Poll(t.Context()); code(t, err) != "authorization_pending" {
		t.Errorf("before the answer: got %v, want authorization_pending", err)
	}
	request := s.phone.pending(t)
	shown := s.phone.run(t, "show", request)
	for _, words := range []string{"Pay 5 EUR to Bob", s.shown, "Aisle 9"} {
		if !strings.Contains(shown, words) {
			t.Errorf("the device does not show %q:\n%s", words, shown)
		}
	}
	s.phone.do(t, "approve", request)
	tokens, got := s.end(t, p)
	check(t, "client", got, "tokens")
	if tokens == nil {
		return
	}
	check(t, "sub", tokens.Claims.Subject, s.subject)
	check(t, "acr, for which nobody asked", tokens.Claims.ACR, "")
	s.settled(t, request, "approved", "done")
}

// opACR: what is reported is what was reached, not what was asked for.
func opACR(t *testing.T, s opTurn) {
	before := time.Now().Add(-time.Second)
	p := s.begin(t, rp.Request{UserCode: "735106", ACRValues: "urn:nobody phr"})
	request := s.phone.pending(t)
	s.phone.mustNot(t, "approve", request)
	s.phone.do(t, "approve", "--code", "735106", request)
	tokens, got := s.end(t, p)
	check(t, "client", got, "tokens")
	if tokens == nil {
		return
	}
	decided := s.request(t, request).Decision
	check(t, "acr", tokens.Claims.ACR, "phr")
	check(t, "amr", fmt.Sprint(tokens.Claims.AMR), fmt.Sprint(decided.AMR))
	if len(tokens.Claims.AMR) == 0 {
		t.Error("there is no amr")
	}
	if at := tokens.Claims.AuthTime; at.Before(before.Truncate(time.Second)) || at.After(time.Now()) {
		t.Errorf("auth_time is %v, want now", at)
	}
}

func opDeny(t *testing.T, s opTurn) {
	p := s.begin(t, rp.Request{})
	request := s.phone.pending(t)
	s.phone.do(t, "deny", request)
	_, got := s.end(t, p)
	check(t, "client", got, "access_denied")
	s.settled(t, request, "denied", "done")
}

// opExpiry: the OP hears of it, so that the client does not wait for the rest of
// its own time.
func opExpiry(t *testing.T, s opTurn) {
	p := s.begin(t, rp.Request{RequestedExpiry: 10 * time.Second})
	request := s.phone.pending(t)
	_, got := s.end(t, p)
	check(t, "client", got, "expired_token")
	s.phone.mustNot(t, "approve", request)
}

func opWrongCodes(t *testing.T, s opTurn) {
	p := s.begin(t, rp.Request{UserCode: "735106"})
	request := s.phone.pending(t)
	if shown := s.phone.run(t, "show", request); strings.Contains(shown, "735106") {
		t.Errorf("the device shows the code that is to be typed:\n%s", shown)
	}
	for range 5 {
		s.phone.mustNot(t, "approve", "--code", "735107", request)
	}
	s.phone.mustNot(t, "approve", "--code", "735106", request)
	_, got := s.end(t, p)
	check(t, "client", got, "access_denied")
	check(t, "reason", string(s.request(t, request).Decision.Reason), "user_code_exhausted")
}

func opWithdrawn(t *testing.T, s opTurn) {
	p := s.begin(t, rp.Request{})
	s.run(t, "request", "withdraw", s.phone.pending(t))
	_, got := s.end(t, p)
	check(t, "client", got, "access_denied")
}

func opRefused(t *testing.T, s opTurn) {
	for _, tt := range []struct {
		name string
		r    rp.Request
		want string
	}{
		{"an acr that nobody reaches", rp.Request{ACRValues: "urn:nobody"}, "access_denied"},
		{"phr, with nothing to type", rp.Request{ACRValues: "phr"}, "access_denied"},
		{"a user whom the OP does not know", rp.Request{LoginHint: "eve"}, "unknown_user_id"},
		{"a user without a device", rp.Request{LoginHint: "grace"}, "unknown_user_id"},
		{"a link", rp.Request{BindingMessage: "See https://example.org"}, "invalid_binding_message"},
		{"no code", rp.Request{UserCode: "7"}, "invalid_user_code"},
		{"a scope that the client may not have", rp.Request{Scope: "openid email"}, "invalid_scope"},
	} {
		check(t, tt.name, s.refusal(t, tt.r), tt.want)
	}
	if waiting := s.phone.run(t, "list", "--json"); strings.TrimSpace(waiting) != "[]" {
		t.Errorf("the user is asked all the same:\n%s", waiting)
	}
}

// opHintToken has clients bring tokens in place of names.
func opHintToken(t *testing.T, s opTurn) {
	good := jwt.Claims{
		Issuer: "https://crm.example.org", Audience: jwt.Audience{s.op.issuer}, Subject: s.subject,
		Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute)),
	}
	expired, elsewhere, endless, stranger := good, good, good, good
	expired.Expiry = jwt.NewNumericDate(time.Now().Add(-time.Minute))
	elsewhere.Audience = jwt.Audience{"https://other.example.org"}
	endless.Expiry = nil
	stranger.Subject = "s-9"
	for _, tt := range []struct {
		name, token, want string
	}{
		{"expired", hintToken(t, s.op.hintKey, expired), "expired_login_hint_token"},
		{"for another OP", hintToken(t, s.op.hintKey, elsewhere), "invalid_request"},
		{"for ever", hintToken(t, s.op.hintKey, endless), "invalid_request"},
		{"of another key", hintToken(t, newHintKey(t), good), "invalid_request"},
		{"of nobody", hintToken(t, s.op.hintKey, stranger), "unknown_user_id"},
	} {
		check(t, tt.name, s.refusal(t, rp.Request{LoginHintToken: tt.token}), tt.want)
	}
	p := s.begin(t, rp.Request{LoginHintToken: hintToken(t, s.op.hintKey, good)})
	s.phone.do(t, "approve", s.phone.pending(t))
	_, got := s.end(t, p)
	check(t, "client", got, "tokens")
}

// opLost is what docs/ops/node-oidc-provider.md says that clients and users do
// without. A newer library that carries it makes the page wrong.
func opLost(t *testing.T, s opTurn) {
	p, err := s.client.Start(t.Context(), rp.Request{
		LoginHint: s.user, AuthorizationDetails: []map[string]any{{"type": "payment_initiation", "creditorName": "Bobs Bikes"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "interval", p.Interval.String(), "5s") // CIBA's, for an OP that names none
	request := s.phone.pending(t)
	if shown := s.phone.run(t, "show", request); strings.Contains(shown, "Bobs Bikes") {
		t.Errorf("the device shows authorization_details:\n%s", shown)
	}
	s.phone.do(t, "deny", "--not-me", request)
	s.settled(t, request, "denied", "done")
	_, err = p.Poll(t.Context())
	var said *rp.Error
	if !errors.As(err, &said) || said.Code != "access_denied" || said.Description != "" {
		t.Errorf("got %v, want a bare access_denied", err)
	}
}

// opPingFails: the decision stands, and the client that asks by itself has it.
func opPingFails(t *testing.T, s opTurn) {
	p := s.begin(t, rp.Request{})
	request := s.phone.pending(t)
	s.op.pings.broken <- true
	s.phone.do(t, "approve", request)
	s.settled(t, request, "approved", "done")
	if _, err := p.Poll(t.Context()); err != nil {
		t.Errorf("got %v, want tokens", err)
	}
}

// opSecond: the library itself would turn an approval that nobody has fetched
// into a denial.
func opSecond(t *testing.T, s opTurn) {
	p := s.begin(t, rp.Request{})
	request := s.phone.pending(t)
	s.phone.do(t, "approve", request)
	s.settled(t, request, "approved", "done")
	body := `{"type":"request.decided","data":{"id":"` + request + `","state":"denied","sub":"` + s.subject + `","client_id":"till"}}`
	if got := s.tell(t, s.op.secret, body); got != http.StatusNoContent {
		t.Errorf("answered %d, want 204", got)
	}
	_, got := s.end(t, p)
	check(t, "client", got, "tokens")
}

// opForged: who cannot sign decides nothing, and who signs for another user or a
// request that never was does not either.
func opForged(t *testing.T, s opTurn) {
	p := s.begin(t, rp.Request{})
	request := s.phone.pending(t)
	about := func(id, sub, client string) string {
		return `{"type":"request.decided","data":{"id":"` + id + `","state":"approved","sub":"` + sub + `","client_id":"` + client +
			`","decision":{"verdict":"approve"}}}`
	}
	const other = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
	for _, tt := range []struct {
		name, secret, body string
		want               int
	}{
		{"signed with another secret", other, about(request, s.subject, "till"), http.StatusUnauthorized},
		{"another user", s.op.secret, about(request, "s-2", "till"), http.StatusBadRequest},
		{"another client", s.op.secret, about(request, s.subject, "kiosk"), http.StatusBadRequest},
		{"another request", s.op.secret, about("NFINDMYLMRKFS5EYTS73HLPPNW", s.subject, "till"), http.StatusServiceUnavailable},
	} {
		if got := s.tell(t, tt.secret, tt.body); got != tt.want {
			t.Errorf("%s: answered %d, want %d", tt.name, got, tt.want)
		}
	}
	if _, err := p.Poll(t.Context()); code(t, err) != "authorization_pending" {
		t.Errorf("got %v, want authorization_pending", err)
	}
	s.phone.do(t, "deny", request)
}

// opAlone comes last: it ends Mitome. What was asked before ends by itself.
func opAlone(t *testing.T, s opTurn) {
	p := s.begin(t, rp.Request{RequestedExpiry: 10 * time.Second})
	s.kill()
	check(t, "client that asks now", s.refusal(t, rp.Request{}), "server_error")
	_, got := s.end(t, p)
	check(t, "client that asked before", got, "expired_token")
	await(t, "two seconds to pass", patience, func() bool { return time.Now().After(p.ExpiresAt.Add(2 * time.Second)) })
	_, err := p.Poll(t.Context())
	check(t, "client that asked before, later", code(t, err), "expired_token")
}
