package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
)

// flows are what Mitome is for, from a client's request to its tokens, with
// nothing in between that is not real but the hand that holds the device.
var flows = []struct {
	name string
	run  func(*testing.T, *stage)
}{
	{"approve, poll", flowApprove},
	{"approve, ping", flowPing},
	{"approve, ping endpoint unreachable", flowPingFails},
	{"approve, on PostgreSQL", flowPostgres},
	{"deny", flowDeny},
	{"deny, ping", flowDenyPing},
	{"I did not start this", flowNotMe},
	{"a code to be typed", flowTypedCode},
	{"nobody answers", flowExpiry},
	{"nobody to ask", flowUnknown},
	{"somebody else's device", flowStranger},
	{"a live device", flowListen},
	{"forged and foreign bearers", flowForged},
	{"a replayed bearer", flowReplay},
}

func testFlows(t *testing.T, s *stage) {
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.run(t, s)
		})
	}
}

func flowApprove(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{})
	phone := g.pair(t, g.realm.Alice, "alice")
	approve(t, g, phone)
}

func flowPostgres(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{Postgres: true})
	phone := g.pair(t, g.realm.Alice, "alice")
	approve(t, g, phone)
}

// approve has a request go the whole way to tokens of the right user.
func approve(t *testing.T, g *gateway, p *phone) {
	t.Helper()
	id := g.realm.Shop.MustAsk(t, "alice", "binding_message", "W4SCT-1")
	check(t, "client, before the answer", outcome(t, g.realm.Shop, id), "authorization_pending")
	request := p.pending(t)
	p.do(t, "approve", request)

	a := g.realm.Shop.Wait(t, id, patience)
	claims, err := keycloaktest.Claims(a.IDToken)
	if err != nil {
		t.Fatalf("client got %q instead of tokens", a.Error)
	}
	if claims["sub"] != g.realm.Alice {
		t.Errorf("tokens are of %v, want %v", claims["sub"], g.realm.Alice)
	}
	g.settled(t, request, "approved", "done")
	if n := g.wire.Reports(); n != 1 {
		t.Errorf("Keycloak was told %d times, want 1", n)
	}
}

func flowPing(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{})
	phone := g.pair(t, g.realm.Alice, "alice")
	id := g.realm.Kiosk.MustAsk(t, "alice")
	phone.do(t, "approve", phone.pending(t))
	if ping := g.realm.Pings.Wait(t, patience); ping.AuthReqID != id {
		t.Errorf("pinged for %q, want %q", ping.AuthReqID, id)
	}
	check(t, "client", outcome(t, g.realm.Kiosk, id), "tokens")
}

func flowPingFails(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{Realm: keycloaktest.Policy{PingTo: "http://127.0.0.1:1/nobody"}})
	phone := g.pair(t, g.realm.Alice, "alice")
	id := g.realm.Kiosk.MustAsk(t, "alice")
	request := phone.pending(t)
	phone.do(t, "approve", request)
	g.settled(t, request, "approved", "not_relayed")
	check(t, "client", outcome(t, g.realm.Kiosk, id), "tokens")
	if n := g.wire.Reports(); n != 1 {
		t.Errorf("Keycloak was told %d times, want 1", n)
	}
}

func flowDeny(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{})
	phone := g.pair(t, g.realm.Alice, "alice")
	id := g.realm.Shop.MustAsk(t, "alice")
	request := phone.pending(t)
	phone.do(t, "deny", request)
	check(t, "client", g.realm.Shop.Wait(t, id, patience).Error, "access_denied")
	g.settled(t, request, "denied", "done")

	// Keycloak itself would let an approval follow (TestKeycloak/contract).
	phone.mustNot(t, "approve", request)
	if n := g.wire.Reports(); n != 1 {
		t.Errorf("Keycloak was told %d times, want 1", n)
	}
}

func flowDenyPing(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{})
	phone := g.pair(t, g.realm.Alice, "alice")
	id := g.realm.Kiosk.MustAsk(t, "alice")
	phone.do(t, "deny", phone.pending(t))
	g.realm.Pings.Wait(t, patience)
	check(t, "client", outcome(t, g.realm.Kiosk, id), "access_denied")
}

// flowNotMe: the client hears no, for what else it asked too, and afterwards what it
// hears of a user whom nobody knows. Another client is not touched.
func flowNotMe(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{Freeze: "15m"})
	phone := g.pair(t, g.realm.Alice, "alice")
	first := g.realm.Shop.MustAsk(t, "alice")
	request := phone.pending(t)
	second := g.realm.Shop.MustAsk(t, "alice")
	phone.do(t, "deny", "--not-me", request)
	for name, id := range map[string]string{"first": first, "second": second, "third": g.realm.Shop.MustAsk(t, "alice")} {
		check(t, "client, "+name, g.realm.Shop.Wait(t, id, patience).Error, "access_denied")
	}
	check(t, "reason", string(g.request(t, request).Decision.Reason), "not_started_by_user")
	id := g.realm.Kiosk.MustAsk(t, "alice")
	phone.do(t, "approve", phone.pending(t))
	g.realm.Pings.Wait(t, patience)
	check(t, "another client", outcome(t, g.realm.Kiosk, id), "tokens")
}

func flowTypedCode(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{Settings: "    rules:\n      binding_message: type"})
	phone := g.pair(t, g.realm.Alice, "alice")
	id := g.realm.Shop.MustAsk(t, "alice", "binding_message", "W4SCT-77")
	request := phone.pending(t)
	if shown := phone.run(t, "list"); strings.Contains(shown, "W4SCT-77") {
		t.Errorf("the device shows the code that is to be typed:\n%s", shown)
	}
	phone.mustNot(t, "approve", request)
	phone.mustNot(t, "approve", "--code", "W4SCT-78", request)
	check(t, "client", outcome(t, g.realm.Shop, id), "authorization_pending")
	phone.do(t, "approve", "--code", "W4SCT-77", request)
	if a := g.realm.Shop.Wait(t, id, patience); a.IDToken == "" {
		t.Errorf("client: got %q, want tokens", a.Error)
	}
}

func flowExpiry(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{
		Realm:    keycloaktest.Policy{Expires: 10 * time.Second},
		Settings: "    expires_in: 10s",
	})
	phone := g.pair(t, g.realm.Alice, "alice")
	id := g.realm.Shop.MustAsk(t, "alice")
	request := phone.pending(t)
	check(t, "client", g.realm.Shop.Wait(t, id, patience).Error, "expired_token")
	phone.mustNot(t, "approve", request)
	await(t, "the request to expire", patience, func() bool { return g.request(t, request).State == "expired" })
	if n := g.wire.Reports(); n != 0 {
		t.Errorf("Keycloak, which needs no report of it, was told %d times", n)
	}
}

// flowUnknown: a user whom Mitome does not know and one without a device are
// refused alike, so that nobody can ask Mitome who is there.
func flowUnknown(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{})
	g.run(t, "user", "add", "corp", g.realm.Bob, "--name", "bob")
	alice, bob := g.realm.Shop.MustAsk(t, "alice"), g.realm.Shop.MustAsk(t, "bob")
	check(t, "client, of a user unknown", g.realm.Shop.Wait(t, alice, patience).Error, "access_denied")
	check(t, "client, of a user without device", g.realm.Shop.Wait(t, bob, patience).Error, "access_denied")
}

// flowStranger: knowing a request's id is no right to it.
func flowStranger(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{})
	alice, bob := g.pair(t, g.realm.Alice, "alice"), g.pair(t, g.realm.Bob, "bob")
	id := g.realm.Shop.MustAsk(t, "alice")
	request := alice.pending(t)
	for _, verb := range []string{"approve", "deny"} {
		bob.mustNot(t, verb, request)
		bob.mustNot(t, verb, id) // neither is the client's own name for it
	}
	if shown := bob.run(t, "list"); strings.Contains(shown, request) {
		t.Errorf("bob's device lists alice's request:\n%s", shown)
	}
	check(t, "client", outcome(t, g.realm.Shop, id), "authorization_pending")
	alice.do(t, "approve", request)
	if a := g.realm.Shop.Wait(t, id, patience); a.IDToken == "" {
		t.Errorf("client: got %q, want tokens", a.Error)
	}
}

// flowListen: a device that listens learns at once of a request, and that it is
// settled elsewhere.
func flowListen(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{})
	first, second := g.pair(t, g.realm.Alice, "alice"), g.another(t, "alice")
	heard := second.listen(t)
	g.realm.Shop.MustAsk(t, "alice", "binding_message", "W4SCT-1")
	request := first.pending(t)
	await(t, "the request on the second device", patience, func() bool {
		return strings.Contains(heard(), "W4SCT-1")
	})
	before := len(heard())
	first.do(t, "deny", request)
	await(t, "the second device to drop it", patience, func() bool {
		return strings.Contains(heard()[before:], request)
	})
}

func flowForged(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{})
	g.pair(t, g.realm.Alice, "alice")
	other := receive(s.kc, s.kc.Realm(t, keycloaktest.Policy{}))
	other.realm.Shop.MustAsk(t, "alice")
	genuine := g.recorded(t, s, func() { g.realm.Shop.MustAsk(t, "alice") })
	before := g.requests(t)

	bearer := keycloaktest.Bearer(genuine)
	tests := []struct{ name, bearer string }{
		{"none", ""},
		{"garbage", "x.y.z"},
		{"another realm's, genuine", other.bearer()},
		{"signature cut off", bearer[:strings.LastIndex(bearer, ".")+1]},
		{"no algorithm", resign(t, bearer, "none")},
		{"signed by a key of our own", resign(t, bearer, "RS256")},
	}
	for _, tt := range tests {
		if got := g.post(t, tt.bearer, genuine); got != http.StatusUnauthorized {
			t.Errorf("%s: got %d, want 401", tt.name, got)
		}
	}
	if after := g.requests(t); len(after) != len(before) {
		t.Errorf("there are %d requests now, want %d", len(after), len(before))
	}
}

// flowReplay: somebody who has seen Keycloak's call repeats it after the answer.
func flowReplay(t *testing.T, s *stage) {
	g := newGateway(t, s, opening{})
	phone := g.pair(t, g.realm.Alice, "alice")
	var id string
	genuine := g.recorded(t, s, func() { id = g.realm.Shop.MustAsk(t, "alice") })
	request := phone.pending(t)
	phone.do(t, "approve", request)
	if a := g.realm.Shop.Wait(t, id, patience); a.IDToken == "" {
		t.Fatalf("client: got %q, want tokens", a.Error)
	}
	g.settled(t, request, "approved", "done")

	g.post(t, keycloaktest.Bearer(genuine), genuine)
	if all := g.requests(t); len(all) != 1 || all[0].ID != request || all[0].State != "approved" {
		t.Errorf("after the replay: got %v, want the one approved request", all)
	}
	if out := phone.run(t, "list"); strings.Contains(out, request) {
		t.Errorf("the device is asked again:\n%s", out)
	}
	if n := g.wire.Reports(); n != 1 {
		t.Errorf("Keycloak was told %d times, want 1", n)
	}
}
