package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
)

// The second half of the contract: what comes of a callback.

// callback posts a body to the realm's callback and returns the status, and the
// error and description if there are any.
func callback(t *testing.T, realm *keycloaktest.Realm, bearer, body string) string {
	t.Helper()
	url := realm.Issuer + "/protocol/openid-connect/ext/ciba/auth/callback"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out keycloaktest.Answer
	json.NewDecoder(resp.Body).Decode(&out) // the body of a 200 is junk
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", resp.StatusCode, out.Error, out.Description))
}

const (
	succeed      = `{"status":"SUCCEED"}`
	unauthorized = `{"status":"UNAUTHORIZED"}`
	cancelled    = `{"status":"CANCELLED"}`
)

func contractCallback(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{})
	r := receive(kc, realm)
	id := realm.Shop.MustAsk(t, "alice")
	b := r.bearer()
	tests := []struct {
		name, bearer, body, want string
	}{
		{"no bearer", "", succeed, "401 invalid_token Invalid token"},
		{"garbage", "x", succeed, "403 invalid_token Invalid token"},
		{"forged", b[:strings.LastIndex(b, ".")+1] + "AAAA", succeed, "403 invalid_token Invalid token"},
		{"no status", b, `{}`, "400 invalid_request Invalid authentication status"},
		{"lower case", b, `{"status":"succeed"}`, "400 unknown_error Cannot parse the JSON"},
		{"unknown status", b, `{"status":"EXPIRED"}`, "400 unknown_error Cannot parse the JSON"},
		{"an object beside it", b, `{"status":"SUCCEED","x":{}}`, "400 unknown_error Cannot parse the JSON"},
	}
	for _, tt := range tests {
		check(t, tt.name, callback(t, realm, tt.bearer, tt.body), tt.want)
	}
	check(t, "client, after all these", outcome(t, realm.Shop, id), "authorization_pending")
	check(t, "a string beside it", callback(t, realm, b, `{"status":"SUCCEED","x":"y"}`), "200")
	check(t, "client", outcome(t, realm.Shop, id), "tokens")
	check(t, "after the tokens", callback(t, realm, b, succeed), "403 invalid_token Invalid token")
}

func contractEarly(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{})
	r := receive(kc, realm)
	var early atomic.Value
	r.answer = func(w http.ResponseWriter, req *http.Request) {
		early.Store(callback(t, realm, keycloaktest.Bearer(req), succeed))
		w.WriteHeader(http.StatusCreated)
	}
	id := realm.Shop.MustAsk(t, "alice")
	check(t, "callback", early.Load().(string), "403 invalid_token Invalid token")
	check(t, "client", outcome(t, realm.Shop, id), "authorization_pending")
	check(t, "callback after the 201", callback(t, realm, r.bearer(), succeed), "200")
	check(t, "client", outcome(t, realm.Shop, id), "tokens")
}

// sequence asks as c, posts the callbacks one after the other with the answers
// they must get, and then checks what the client gets.
func sequence(t *testing.T, kc *keycloaktest.Server, end string, callbacks ...[2]string) {
	t.Helper()
	realm := kc.Realm(t, keycloaktest.Policy{})
	r := receive(kc, realm)
	id := realm.Shop.MustAsk(t, "alice")
	for i, c := range callbacks {
		check(t, fmt.Sprintf("callback %d", i+1), callback(t, realm, r.bearer(), c[0]), c[1])
	}
	check(t, "client", outcome(t, realm.Shop, id), end)
}

func contractApprove(t *testing.T, kc *keycloaktest.Server) {
	sequence(t, kc, "tokens", [2]string{succeed, "200"})
}

func contractDeny(t *testing.T, kc *keycloaktest.Server) {
	sequence(t, kc, "access_denied", [2]string{unauthorized, "200"})
	sequence(t, kc, "access_denied", [2]string{cancelled, "200"})
}

func contractSecond(t *testing.T, kc *keycloaktest.Server) {
	sequence(t, kc, "invalid_grant", [2]string{succeed, "200"}, [2]string{succeed, "403 invalid_token Invalid token"})
}

func contractRevoke(t *testing.T, kc *keycloaktest.Server) {
	sequence(t, kc, "invalid_grant", [2]string{succeed, "200"}, [2]string{cancelled, "403 invalid_token Invalid token"})
}

func contractFlip(t *testing.T, kc *keycloaktest.Server) {
	sequence(t, kc, "tokens", [2]string{cancelled, "200"}, [2]string{succeed, "200"})
}

func contractDenyTwice(t *testing.T, kc *keycloaktest.Server) {
	sequence(t, kc, "access_denied", [2]string{unauthorized, "200"}, [2]string{unauthorized, "200"})
}

func contractPing(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{})
	r := receive(kc, realm)
	for _, status := range []string{succeed, unauthorized} {
		id := realm.Kiosk.MustAsk(t, "alice")
		check(t, "callback", callback(t, realm, r.bearer(), status), "200")
		want := keycloaktest.Ping{Bearer: realm.Kiosk.NotifyToken, AuthReqID: id}
		select {
		case got := <-realm.Pings.Received: // sent inside the callback, so it is here by now
			if got != want {
				t.Errorf("ping: got %v, want %v", got, want)
			}
		default:
			t.Errorf("%s: no ping", status)
		}
	}
}

func contractPingFails(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{PingTo: "http://127.0.0.1:1/nobody"})
	r := receive(kc, realm)
	const failed = "400 invalid_request Failed to send request to client notification endpoint"

	id := realm.Kiosk.MustAsk(t, "alice")
	check(t, "approve", callback(t, realm, r.bearer(), succeed), failed)
	check(t, "client", outcome(t, realm.Kiosk, id), "tokens")

	id = realm.Kiosk.MustAsk(t, "alice")
	check(t, "deny", callback(t, realm, r.bearer(), unauthorized), failed)
	check(t, "client", outcome(t, realm.Kiosk, id), "access_denied")

	id = realm.Kiosk.MustAsk(t, "alice")
	check(t, "approve", callback(t, realm, r.bearer(), succeed), failed)
	check(t, "approve again", callback(t, realm, r.bearer(), succeed), "403 invalid_token Invalid token")
	check(t, "client", outcome(t, realm.Kiosk, id), "invalid_grant")
}

func contractUnready(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{})
	r := receive(kc, realm)
	id := realm.Shop.MustAsk(t, "carol")
	check(t, "callback", callback(t, realm, r.bearer(), succeed), "200")
	a := realm.Shop.Poll(t, id)
	check(t, "client", a.Error+" "+a.Description, "invalid_grant Account is not fully set up")
}

func contractShortBearer(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{})
	r := receive(kc, realm)
	id := realm.Shop.MustAsk(t, "alice", "requested_expiry", "2")
	await(t, "the bearer's death", 20*time.Second, func() bool {
		return strings.HasPrefix(callback(t, realm, r.bearer(), `{}`), "403")
	})
	check(t, "callback", callback(t, realm, r.bearer(), succeed), "403 invalid_token Invalid token")
	check(t, "client", outcome(t, realm.Shop, id), "authorization_pending")
}

func contractShortRequest(t *testing.T, kc *keycloaktest.Server) {
	realm := kc.Realm(t, keycloaktest.Policy{Expires: 2 * time.Second})
	r := receive(kc, realm)
	id := realm.Shop.MustAsk(t, "alice", "requested_expiry", "60")
	if a := realm.Shop.Wait(t, id, 20*time.Second); a.Error != "expired_token" {
		t.Errorf("client: got %q, want expired_token", a.Error)
	}
	// A 200 does not prove that the client will get tokens.
	check(t, "callback", callback(t, realm, r.bearer(), succeed), "200")
	check(t, "client", outcome(t, realm.Shop, id), "expired_token")
}
