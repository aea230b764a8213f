package main_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const modrnaMF = "http://schemas.openid.net/policies/modrna/multi-factor"

// amStage is a Mitome, a stand-in for Gravitee AM, and two users' phones.
type amStage struct {
	*gateway
	am         *am
	alice, bob *phone
}

// TestGravitee goes from AM's notification to what its client sees, through
// mitome serve as operators run it.
func TestGravitee(t *testing.T) {
	t.Parallel()
	s := amStage{am: newAM(t)}
	var ops string
	s.gateway, ops = newStandalone(t,
		"kind: gravitee",
		"domain_url: "+s.am.URL+"/bank",
		"client_id: mitome",
		"client_secret: "+amSecret,
		"header_value: "+amHeader,
		"client_name_header: X-Client-Name",
		"rules: {binding_message: type}",
	)
	s.am.notify = ops + "/op/corp"
	s.alice, s.bob = s.pair(t, "am-user-1", "alice"), s.pair(t, "am-user-2", "bob")
	for _, f := range []struct {
		name string
		run  func(*testing.T, amStage)
	}{
		{"approve", amApprove}, {"deny", amDeny}, {"nobody answers", amExpiry}, {"a code to be typed", amTypedCode},
		{"wrong codes", amWrongCodes}, {"an acr that nobody reaches", amUnmet}, {"nobody to ask", amUnknown},
		{"a decision before AM has stored the transaction", amEarly}, {"taken back", amWithdrawn}, {"not AM", amForged},
	} {
		t.Run(f.name, func(t *testing.T) { f.run(t, s) })
	}
}

// wantClient checks what AM's client sees in the end.
func (s amStage) wantClient(t *testing.T, id, want string) {
	t.Helper()
	check(t, "client", s.am.wait(t, id), want)
}

func amApprove(t *testing.T, s amStage) {
	id, f := s.am.ask(t, "am-user-1", 2*time.Minute, url.Values{"message": {"Pay 5 EUR"}})
	check(t, "client, before the answer", s.am.poll(id), "authorization_pending")
	request := s.alice.pending(t)
	shown := s.alice.run(t, "show", request)
	for _, words := range []string{"Pay 5 EUR", "The Shop"} {
		if !strings.Contains(shown, words) {
			t.Errorf("the device does not show %q:\n%s", words, shown)
		}
	}
	if strings.Contains(shown, f.state) || strings.Contains(s.alice.run(t, "list", "--json"), f.state) {
		t.Error("the device is told AM's state")
	}
	s.keepsSecret(t, f.state)
	s.alice.do(t, "approve", request)
	s.wantClient(t, id, "tokens, acr []")
	s.settled(t, request, "approved", "done")
	s.keepsSecret(t, f.state)
}

// amDeny: AM itself would let an approval follow.
func amDeny(t *testing.T, s amStage) {
	before := s.am.callbacks()
	id, _ := s.am.ask(t, "am-user-1", 2*time.Minute, nil)
	request := s.alice.pending(t)
	s.alice.do(t, "deny", request)
	s.settled(t, request, "denied", "done")
	s.alice.mustNot(t, "approve", request)
	s.wantClient(t, id, "access_denied")
	if n := s.am.callbacks() - before; n != 1 {
		t.Errorf("AM was told %d times, want 1", n)
	}
}

func amExpiry(t *testing.T, s amStage) {
	before := s.am.callbacks()
	id, _ := s.am.ask(t, "am-user-1", 8*time.Second, nil) // less the margin, five seconds to answer
	s.wantClient(t, id, "expired_token")
	await(t, "the request to expire", patience, func() bool { return s.requests(t)[0].State == "expired" })
	s.alice.mustNot(t, "approve", s.requests(t)[0].ID)
	if n := s.am.callbacks() - before; n != 0 {
		t.Errorf("AM, which needs no report of it, was told %d times", n)
	}
}

func amTypedCode(t *testing.T, s amStage) {
	id, _ := s.am.ask(t, "am-user-1", 2*time.Minute, url.Values{"message": {"W4SCT-77"}, "acr": {"phr", modrnaMF}})
	request := s.alice.pending(t)
	s.alice.mustNot(t, "approve", request)
	s.alice.mustNot(t, "approve", "--code", "W4SCT-78", request)
	check(t, "client", s.am.poll(id), "authorization_pending")
	s.alice.do(t, "approve", "--code", "W4SCT-77", request)
	s.wantClient(t, id, "tokens, acr [phr "+modrnaMF+"]")
	check(t, "acr of the decision", s.request(t, request).Decision.ACR, "phr")
}

func amWrongCodes(t *testing.T, s amStage) {
	id, _ := s.am.ask(t, "am-user-2", 2*time.Minute, url.Values{"message": {"W4SCT-77"}})
	request := s.bob.pending(t)
	for range 5 {
		s.bob.mustNot(t, "approve", "--code", "W4SCT-78", request)
	}
	s.bob.mustNot(t, "approve", "--code", "W4SCT-77", request)
	s.wantClient(t, id, "access_denied")
	check(t, "reason", string(s.request(t, request).Decision.Reason), "user_code_exhausted")
}

// amUnmet: AM would assert the acr that was asked for, reached or not.
func amUnmet(t *testing.T, s amStage) {
	for name, more := range map[string]url.Values{
		"known to nobody":            {"acr": {"urn:nobody"}},
		"one of two reached":         {"acr": {modrnaMF, "urn:nobody"}}, // AM would assert both
		"reached by a typed code":    {"acr": {"phr"}},
		"and with something to read": {"acr": {"phr"}, "message": {"Pay 5 EUR"}},
	} {
		id, _ := s.am.ask(t, "am-user-1", 2*time.Minute, more)
		check(t, name, s.am.wait(t, id), "access_denied")
	}
	if shown := s.alice.run(t, "list", "--json"); strings.TrimSpace(shown) != "[]" {
		t.Errorf("the user is asked all the same:\n%s", shown)
	}
}

// amUnknown: a user whom Mitome does not know and one without a device look alike.
func amUnknown(t *testing.T, s amStage) {
	s.run(t, "user", "add", "corp", "am-user-3", "--name", "carol")
	for _, subject := range []string{"am-user-3", "am-user-4"} {
		id, _ := s.am.ask(t, subject, 2*time.Minute, nil)
		s.wantClient(t, id, "access_denied")
	}
	whileLocked(t, s.gateway, "am-user-1", func() {
		id, _ := s.am.ask(t, "am-user-1", 2*time.Minute, nil)
		s.wantClient(t, id, "access_denied")
	})
}

func amEarly(t *testing.T, s amStage) {
	before := s.am.callbacks()
	s.am.mu.Lock()
	s.am.slow = 1
	s.am.mu.Unlock()
	id, _ := s.am.ask(t, "am-user-4", 2*time.Minute, nil) // whom nobody knows, so the decision comes at once
	s.wantClient(t, id, "access_denied")
	if n := s.am.callbacks() - before; n != 2 {
		t.Errorf("AM was told %d times, want 2", n)
	}
}

func amWithdrawn(t *testing.T, s amStage) {
	id, _ := s.am.ask(t, "am-user-1", 2*time.Minute, nil)
	request := s.alice.pending(t)
	s.run(t, "request", "withdraw", request)
	s.wantClient(t, id, "access_denied")
	s.alice.mustNot(t, "approve", request)
}

func amForged(t *testing.T, s amStage) {
	form := url.Values{"tid": {"t"}, "state": {s.am.sign(t, map[string]any{"jti": "t", "aud": amClient, "exp": time.Now().Add(time.Hour).Unix()})},
		"subject": {"am-user-1"}, "expire": {"60"}}
	s.refused(t, s.am.notification(t, form, "Bearer somebody-elses-0123456789"), http.StatusUnauthorized)
	form.Set("tid", "u")
	s.refused(t, s.am.notification(t, form, amHeader), http.StatusBadRequest)
}
