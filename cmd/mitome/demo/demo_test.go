package demo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
	"github.com/mitome-ciba/mitome/device"
)

// pageOf answers as Mitome's pages do, and repeats in plain text what was asked
// for other than a page.
func pageOf(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") && r.URL.Path != "/data" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("ETag", `"1"`)
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, "<!doctype html>\n<html lang=\"en\">\n<head>\n<script src=\"/own.js\"></script></head><body>&lt;head></body></html>")
		return
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintf(w, "mitome <head> %s %s %s", r.Method, r.URL.Path, body)
}

func TestListen(t *testing.T) {
	for _, exposed := range []string{"0.0.0.0:0", ":0", "[::]:0", "[::1]:0", "127.0.0.2:0", "192.0.2.1:0", "example.org:80", "nonsense"} {
		if p, err := demo.Listen(exposed); err == nil {
			p.Listener.Close()
			t.Errorf("%s is taken, where others could reach it", exposed)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := demo.Listen(taken.Addr().String()); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("got %v, want what to do about a port that is taken", err)
	}
}

func TestEachNameIsAnotherPart(t *testing.T) {
	w := run(t, http.HandlerFunc(pageOf))
	tests := []struct {
		call   string
		status int
		holds  string
	}{
		{"GET mitome.localhost/v1/requests", 200, "mitome <head> GET /v1/requests"},
		{"GET MITOME.LOCALHOST:9999/v1/requests", 200, "mitome"},
		{"GET op.localhost/.well-known/openid-configuration", 200, `"issuer":"` + w.Place.OP() + `"`},
		{"GET shop.localhost/", 200, "<html"},
		{"GET kiosk.localhost/", 200, `href="` + w.Place.Mitome() + `/code"`},
		{"POST shop.localhost/ciba/ping", 401, ""},
		{"POST shop.localhost/ciba/push", 401, ""},
		{"GET localhost/", 302, ""},
		{"GET evil.example/", 421, "shop.localhost"}, // a name that was made to lead here
		{"GET mitome.localhost.evil.example/v1/requests", 421, ""},
	}
	for _, tt := range tests {
		resp, body := w.call(tt.call, "")
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.holds) {
			t.Errorf("%s: got %d %.200q, want %d and %q in it", tt.call, resp.StatusCode, body, tt.status, tt.holds)
		}
	}
}

func TestPagesHaveTheScriptFirst(t *testing.T) {
	w := run(t, http.HandlerFunc(pageOf))
	resp, body := w.call("GET mitome.localhost/pair", "", "Accept", "text/html,*/*")
	demos, own := strings.Index(body, `<script src="/demo/passkey.js" data-run="`), strings.Index(body, "/own.js")
	if resp.StatusCode != http.StatusAccepted || demos < 0 || demos > own || strings.Count(body, "passkey.js") != 1 || resp.Header.Get("ETag") != "" {
		t.Errorf("got %d %s %s, want the script once, before the page's own", resp.StatusCode, resp.Header, body)
	}
	if strings.Contains(body, " on") || strings.Contains(body, "<style") {
		t.Errorf("the page's policy would not take this: %s", body)
	}
	for _, other := range []string{"/data", "/v1/requests"} {
		if _, body := w.call("GET mitome.localhost"+other, "", "Accept", "application/json"); strings.Contains(body, "passkey.js") {
			t.Errorf("%s was changed: %s", other, body)
		}
	}
	if _, body := w.call("GET mitome.localhost/data", "", "Accept", "text/html"); strings.Contains(body, "passkey.js") {
		t.Errorf("what is no page was changed: %s", body)
	}
	for path, kind := range map[string]string{"/demo/passkey.js": "text/javascript", "/demo/passkey.css": "text/css"} {
		resp, body := w.call("GET mitome.localhost"+path, "")
		if resp.StatusCode != 200 || body == "" || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) {
			t.Errorf("%s: got %d %s", path, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
	}
}

func TestPasskeyOfTheDemo(t *testing.T) {
	w := run(t, http.HandlerFunc(pageOf))
	own := []string{"Origin", w.Place.Mitome(), "Content-Type", "application/json"}
	party := device.RelyingParty{RPID: "mitome.localhost", RPName: "Mitome", Origins: []string{w.Place.Mitome()}}
	options, ceremony, err := party.BeginRegistration(device.User{Name: "Alice", OP: "shop"}, "e1")
	if err != nil {
		t.Fatal(err)
	}
	resp, made := w.call("POST mitome.localhost/demo/passkey/create", inner(t, options), own...)
	if resp.StatusCode != 200 {
		t.Fatalf("got %d %s", resp.StatusCode, made)
	}
	cred, err := party.FinishRegistration(ceremony, []byte(made))
	if err != nil {
		t.Fatal(err)
	}
	challenge := []byte("64 bytes are what Mitome takes, but any will do for this test...")
	if options, err = party.AssertionOptions([]device.Credential{cred}, challenge); err != nil {
		t.Fatal(err)
	}
	resp, used := w.call("POST mitome.localhost/demo/passkey/use", inner(t, options), own...)
	if a, err := party.VerifyAssertion([]device.Credential{cred}, challenge, []byte(used)); err != nil || !a.UserVerified {
		t.Errorf("got %d %+v, %v; want an assertion that verifies its user", resp.StatusCode, a, err)
	}
	strangers := [][]string{
		nil,
		{"Origin", w.Place.Shop(), "Content-Type", "application/json"},
		{"Origin", "http://evil.example", "Content-Type", "application/json"},
		{"Origin", w.Place.Mitome(), "Content-Type", "text/plain"},
	}
	for _, h := range strangers {
		if resp, body := w.call("POST mitome.localhost/demo/passkey/use", inner(t, options), h...); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%v: got %d %s, want 403", h, resp.StatusCode, body)
		}
	}
	refused := map[string]string{
		`{"challenge":"AAAA","rpId":"mitome.localhost","allowCredentials":[{"id":"AAAA"}]}`: "NotAllowedError",
		`{"challenge":"AAAA","rpId":"evil.example"}`:                                        "",
		`nonsense`: "NotSupportedError",
	}
	for options, name := range refused {
		resp, body := w.call("POST mitome.localhost/demo/passkey/use", options, own...)
		if resp.StatusCode == 200 || !strings.Contains(body, name) {
			t.Errorf("%s: got %d %s, want %s", options, resp.StatusCode, body, name)
		}
	}
}

// inner is options as the browser's API takes them.
func inner(t *testing.T, options json.RawMessage) string {
	t.Helper()
	var o struct{ PublicKey json.RawMessage }
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	return string(o.PublicKey)
}

// TestTapeHoldsNoSecret sends a secret wherever one may stand.
func TestTapeHoldsNoSecret(t *testing.T) {
	const secret, code = "Vq3xT8rWm2LkZ0pYc7Nb4Hs9", "735142"
	w := run(t, http.HandlerFunc(pageOf))
	members := fmt.Sprintf(`{"client_secret":%[1]q,"client_assertion":%[1]q,"client_notification_token":%[1]q,"user_code":%[2]q,
		"auth_req_id":%[1]q,"access_token":%[1]q,"refresh_token":%[1]q,"id_token":%[1]q,"binding_message":"Front door",
		"data":{"decision":{"evidence":%[1]q,"user_code":"verified"}},"urn:openid:params:jwt:claim:auth_req_id":%[1]q}`, secret, code)
	form := "client_secret=" + secret + "\nuser_code=" + code + "\nauth_req_id=" + secret + "\nid_token_hint=" + secret + "\nscope=openid"
	header := http.Header{"Authorization": {"Bearer " + secret}, "Idempotency-Key": {secret}}
	for _, kind := range []rp.Kind{rp.Backchannel, rp.Token, op.AskMitome} {
		w.Record(rp.Message{At: time.Now(), Kind: kind, Method: "POST", URL: "http://op.localhost/token", Header: header, Body: form})
		w.Record(rp.Message{At: time.Now(), Kind: kind, Answer: true, Status: 200, Header: header, Body: members})
	}
	for _, call := range []string{"POST op.localhost/webhook", "POST shop.localhost/ciba/ping", "POST shop.localhost/ciba/push"} {
		w.call(call, members, "Authorization", "Bearer "+secret, "Content-Type", "application/json")
		w.call(call, secret, "Authorization", secret)
	}
	w.call("GET mitome.localhost/requests/"+secret, "", "Accept", "text/html")
	w.call("POST mitome.localhost/v1/requests/"+secret+"/challenge", "")
	w.call("POST mitome.localhost/v1/requests/"+secret+"/decision", `{"verdict":"approve","user_code":"`+code+`","assertion":{"id":"`+secret+`"}}`)
	seen, err := json.Marshal(w.Tape().Since(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{secret[6:], code, apiKey, hookSecret} {
		if strings.Contains(string(seen), bad) {
			t.Errorf("the tape shows %s:\n%s", bad, seen)
		}
	}
	for _, good := range []string{"user_code: ******", "auth_req_id: Vq3xT8…", "binding_message: Front door", "decision.user_code: verified", "scope: openid", "verdict: approve", "GET /requests/…", "in whose words"} {
		if !strings.Contains(string(seen), good) {
			t.Errorf("the tape does not show %q:\n%s", good, seen)
		}
	}
}

func TestTapeSaysWhoSpeaks(t *testing.T) {
	w := run(t, http.HandlerFunc(pageOf))
	w.Record(rp.Message{Kind: rp.Backchannel, Method: "POST", URL: "http://op.localhost:1/bc-authorize"})
	w.Record(rp.Message{Kind: rp.Backchannel, Answer: true, Status: 200})
	w.Record(rp.Message{Kind: op.AskMitome, Method: "POST", URL: "http://mitome.localhost:1/op/shop/v1/requests"})
	w.Record(rp.Message{Kind: op.AskMitome, Answer: true, Status: 201})
	w.call("POST op.localhost/webhook", "{}")
	w.call("POST shop.localhost/ciba/ping", "{}")
	w.call("POST mitome.localhost/v1/requests/r1/decision", "{}")
	w.call("POST mitome.localhost/v1/requests/wait", "{}") // no step of a decision
	var got []string
	for _, m := range w.Tape().Since(0) {
		got = append(got, m.From+">"+m.To+" "+m.Title)
	}
	want := []string{
		"shop>op POST /bc-authorize", "op>shop 200 OK",
		"op>mitome POST /op/shop/v1/requests", "mitome>op 201 Created",
		"mitome>op POST /webhook", "op>mitome 401 Unauthorized",
		"op>shop POST /ciba/ping", "shop>op 401 Unauthorized",
		"phone>mitome POST /v1/requests/…/decision", "mitome>phone 200 OK",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAutoSaysWhatWentWrong(t *testing.T) {
	d := prepare(t, http.HandlerFunc(pageOf), io.Discard)
	d.Auto = true
	if err := d.Run(t.Context()); !errors.Is(err, errClosed) || !strings.HasPrefix(err.Error(), "pair: ") {
		t.Errorf("got %v, want %v and where", err, errClosed)
	}
	if _, err := net.Dial("tcp", d.Place.Listener.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}
