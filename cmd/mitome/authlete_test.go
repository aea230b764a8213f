package main_test

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
)

// adStage is a Mitome, a stand-in for java-oauth-server, and a user's phone.
type adStage struct {
	*gateway
	op    *javaOP
	alice *phone
}

func newADStage(t *testing.T, more ...string) adStage {
	t.Helper()
	s := adStage{op: newJavaOP(t)}
	var ops string
	s.gateway, ops = newStandalone(t, append([]string{
		"kind: authlete", "secret: " + adSecret, "workspace: ws1", "server_url: " + s.op.URL, "rules: {binding_message: type}",
	}, more...)...)
	s.op.base = ops + "/op/corp/ad/" + adSecret
	s.alice = s.pair(t, "1001", "alice")
	return s
}

// TestAuthlete goes from the call of an OP made for Authlete's simulator to what
// its client sees, through mitome serve as operators run it.
func TestAuthlete(t *testing.T) {
	t.Parallel()
	s := newADStage(t)
	for _, mode := range []string{"sync", "async", "poll"} {
		for _, f := range []struct {
			name string
			run  func(*testing.T, adStage, string)
		}{
			{"approve", adApprove}, {"deny", adDeny}, {"nobody answers", adExpiry}, {"a code to be typed", adTypedCode},
			{"nobody to ask", adUnknown}, {"taken back", adWithdrawn},
		} {
			t.Run(mode+", "+f.name, func(t *testing.T) { f.run(t, s, mode) })
		}
	}
	t.Run("wrong codes", func(t *testing.T) { adWrongCodes(t, s) })
	t.Run("a decision before the OP has stored the request", func(t *testing.T) { adEarly(t, s) })
	t.Run("actionize", func(t *testing.T) { adActionize(t, s) })
	t.Run("not the OP", func(t *testing.T) { adForged(t, s) })
}

// TestAuthleteACR: the OP asserts the acr that its client asked for and does not
// say which; what the configuration demands is met or denied.
func TestAuthleteACR(t *testing.T) {
	t.Parallel()
	s := newADStage(t, "acr_values: [phr]")
	for _, mode := range []string{"sync", "async", "poll"} {
		f := s.op.ask(t, adAsk{mode, "1001", "Pay 5 EUR", 60}, rand.Text()) // with nothing to type phr is not reached
		check(t, mode+", without a code", f.wait(t), "access_denied")
	}
	if shown := s.alice.run(t, "list", "--json"); strings.TrimSpace(shown) != "[]" {
		t.Errorf("the user is asked all the same:\n%s", shown)
	}
	f := s.op.ask(t, adAsk{"async", "1001", "W4SCT-77", 60}, rand.Text())
	request := s.alice.pending(t)
	s.alice.do(t, "approve", "--code", "W4SCT-77", request)
	check(t, "with a code", f.wait(t), "tokens")
	check(t, "acr of the decision", s.request(t, request).Decision.ACR, "phr")
}

func adApprove(t *testing.T, s adStage, mode string) {
	before := s.op.heard()
	f := s.op.ask(t, adAsk{mode, "1001", "Pay 5 EUR", 60}, rand.Text())
	request := s.alice.pending(t)
	shown := s.alice.run(t, "show", request)
	for _, words := range []string{"My CIBA App", "payments", "Pay 5 EUR"} {
		if !strings.Contains(shown, words) {
			t.Errorf("the device does not show %q:\n%s", words, shown)
		}
	}
	if strings.Contains(shown, "Requested scopes") {
		t.Errorf("the message is shown in one piece:\n%s", shown)
	}
	if mode == "async" {
		s.keepsSecret(t, f.requestID)
		if strings.Contains(shown, f.requestID) || f.requestID == request {
			t.Error("the device is told by what the OP knows the decision")
		}
	}
	s.alice.do(t, "approve", request)
	check(t, "client", f.wait(t), "tokens")
	s.settled(t, request, "approved", "done")
	s.keepsSecret(t, adSecret)
	if n, want := s.op.heard()-before, map[string]int{"async": 1}[mode]; n != want {
		t.Errorf("the OP was called back %d times, want %d", n, want)
	}
}

func adDeny(t *testing.T, s adStage, mode string) {
	f := s.op.ask(t, adAsk{mode, "1001", "", 60}, rand.Text())
	request := s.alice.pending(t)
	s.alice.do(t, "deny", request)
	check(t, "client", f.wait(t), "access_denied")
	s.alice.mustNot(t, "approve", request)
}

func adExpiry(t *testing.T, s adStage, mode string) {
	f := s.op.ask(t, adAsk{mode, "1001", "", 6}, rand.Text()) // less the margin, three seconds to answer
	check(t, "client", f.wait(t), "expired_token")
	await(t, "the request to expire", patience, func() bool { return s.requests(t)[0].State == "expired" })
	s.alice.mustNot(t, "approve", s.requests(t)[0].ID)
}

func adTypedCode(t *testing.T, s adStage, mode string) {
	f := s.op.ask(t, adAsk{mode, "1001", "W4SCT-77", 60}, rand.Text())
	request := s.alice.pending(t)
	s.alice.mustNot(t, "approve", request)
	s.alice.mustNot(t, "approve", "--code", "W4SCT-78", request)
	s.alice.do(t, "approve", "--code", "W4SCT-77", request)
	check(t, "client", f.wait(t), "tokens")
}

func adUnknown(t *testing.T, s adStage, mode string) {
	if mode == "sync" {
		s.run(t, "user", "add", "corp", "1002", "--name", "bob")
	}
	for _, user := range []string{"1002", "1003"} { // without a device, and not there
		check(t, "client", s.op.ask(t, adAsk{mode, user, "", 60}, rand.Text()).wait(t), "access_denied")
	}
	whileLocked(t, s.gateway, "1001", func() {
		check(t, "client", s.op.ask(t, adAsk{mode, "1001", "", 60}, rand.Text()).wait(t), "access_denied")
	})
}

func adWithdrawn(t *testing.T, s adStage, mode string) {
	f := s.op.ask(t, adAsk{mode, "1001", "", 60}, rand.Text())
	request := s.alice.pending(t)
	s.run(t, "request", "withdraw", request)
	check(t, "client", f.wait(t), "access_denied")
	s.alice.mustNot(t, "approve", request)
}

func adWrongCodes(t *testing.T, s adStage) {
	carol := s.pair(t, "1004", "carol")
	f := s.op.ask(t, adAsk{"sync", "1004", "W4SCT-77", 60}, rand.Text())
	request := carol.pending(t)
	for range 5 {
		carol.mustNot(t, "approve", "--code", "W4SCT-78", request)
	}
	check(t, "client", f.wait(t), "access_denied")
	carol.mustNot(t, "approve", "--code", "W4SCT-77", request)
	check(t, "reason", string(s.request(t, request).Decision.Reason), "user_code_exhausted")
}

func adEarly(t *testing.T, s adStage) {
	before := s.op.heard()
	s.op.mu.Lock()
	s.op.slow = 1
	s.op.mu.Unlock()
	f := s.op.ask(t, adAsk{"async", "1003", "", 60}, rand.Text()) // whom nobody knows, so the decision comes at once
	check(t, "client", f.wait(t), "access_denied")
	if n := s.op.heard() - before; n != 2 {
		t.Errorf("the OP was called back %d times, want 2", n)
	}
}

// adActionize: the simulator lets whoever knows the auth_req_id answer; Mitome
// lets nobody, the OP itself included.
func adActionize(t *testing.T, s adStage) {
	token := rand.Text()
	f := s.op.ask(t, adAsk{"async", "1001", "", 60}, token)
	request := s.alice.pending(t)
	for _, body := range []string{
		`{"actionize_token":"` + token + `","result":"allow"}`, `{"workspace":"ws1","token":"` + token + `","action":"allow"}`,
	} {
		s.refused(t, s.call(t, s.op.base+"/api/authenticate/actionize", body), http.StatusBadRequest)
	}
	check(t, "state", s.request(t, request).State, "pending")
	s.alice.do(t, "deny", request)
	check(t, "client", f.wait(t), "access_denied")
}

func adForged(t *testing.T, s adStage) {
	body := `{"workspace":"ws1","user":"1001","message":"m","timeout":30,"actionize_token":"t"}`
	for _, call := range []string{"sync", "async", "poll", "result"} {
		wrong := strings.Replace(s.op.base, adSecret, strings.Repeat("x", 40), 1)
		s.refused(t, s.call(t, wrong+"/api/authenticate/"+call, body), http.StatusUnauthorized)
	}
	s.refused(t, s.call(t, strings.Replace(s.op.base, "/ad/"+adSecret, "", 1), body), http.StatusUnauthorized)
	s.refused(t, s.call(t, s.op.base+"/api/authenticate/result", `{"request_id":"t"}`), http.StatusNotFound)
	s.refused(t, s.call(t, s.op.base+"/api/authenticate/sync", strings.Replace(body, "ws1", "ws2", 1)), http.StatusBadRequest)
	s.keepsSecret(t, adSecret) // errors are logged by now
}

func (s adStage) call(t *testing.T, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}
