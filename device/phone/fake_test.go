package phone_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
)

// fake is the device API of a Mitome with one phone. It checks proofs and
// passkeys as the real one does, and can be told to misbehave.
type fake struct {
	t    *testing.T
	url  string
	rp   device.RelyingParty
	http *http.ServeMux

	mu        sync.Mutex
	token     string
	jkt       string          // the key that the token is bound to
	jtis      map[string]bool // proofs seen
	refuse    map[string]func(http.ResponseWriter, *http.Request)
	called    []string // every call that was let through: "POST /v1/…"
	pairing   []string // the states that looks at the pairing see, in turn
	ceremony  []byte
	creds     []device.Credential
	requests  []*request
	decisions []map[string]any
	spoil     func(*request) (view string, challenge []byte) // instead of an honest challenge
	acks      chan string
	conns     chan *websocket.Conn
	protocols []string // what each connect named
}

type request struct {
	id, view, state string
	challenge       []byte
}

const secret = "ONETIMESECRETOFTHELINK"

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{
		t: t, http: http.NewServeMux(), jtis: map[string]bool{}, pairing: []string{"claimed", "confirmed"},
		refuse: map[string]func(http.ResponseWriter, *http.Request){},
		acks:   make(chan string, 16), conns: make(chan *websocket.Conn, 16),
	}
	f.route("POST /v1/pairings/claim", f.claim)
	f.route("GET /v1/pairings/{id}", f.look)
	f.route("POST /v1/pairings/{id}/passkey/options", f.passkeyOptions)
	f.route("POST /v1/pairings/{id}/passkey", f.passkey)
	f.route("GET /v1/requests", f.list)
	f.route("GET /v1/requests/{id}", f.show)
	f.route("POST /v1/requests/{id}/challenge", f.challenge)
	f.route("POST /v1/requests/{id}/decision", f.decide)
	f.route("GET /v1/devices", f.devices)
	f.route("GET /v1/socket", f.socket)
	srv := httptest.NewServer(f.http)
	t.Cleanup(srv.Close)
	f.url = strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	f.rp = device.RelyingParty{RPID: "localhost", RPName: "Mitome", Origins: []string{f.url}}
	return f
}

// route adds a handler behind the check of token and proof.
func (f *fake) route(pattern string, h http.HandlerFunc) {
	f.http.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		refuse := f.refuse[r.Method+" "+r.URL.Path]
		f.mu.Unlock()
		if refuse != nil {
			refuse(w, r)
			return
		}
		if why := f.check(r); why != "" {
			problem(w, 401, `{"type":"urn:mitome:unauthorized","title":"`+why+`"}`)
			return
		}
		f.mu.Lock()
		f.called = append(f.called, r.Method+" "+r.URL.Path)
		f.mu.Unlock()
		h(w, r)
	})
}

func (f *fake) calls(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(f.called), func(c string) bool { return c != call }))
}

// on has one call answered by h instead, before anything is checked.
func (f *fake) on(call string, h func(http.ResponseWriter, *http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse[call] = h
}

func problem(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	w.Write([]byte(body))
}

func (f *fake) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		f.t.Error(err)
	}
}

func (f *fake) claim(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var in struct {
		Secret string `json:"secret"`
		Name   string `json:"device_name"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Secret != secret || in.Name == "" {
		problem(w, 404, `{"type":"urn:mitome:pairing_not_found","title":"There is no such pairing."}`)
		return
	}
	out := map[string]any{"id": "e1", "match_code": "123456", "expires_at": "2026-04-01T09:05:00Z"}
	if r.Header.Get("Authorization") == "" {
		f.token = "token-" + rand.Text()
		out["access_token"], out["token_type"] = f.token, "DPoP"
	}
	f.answer(w, 201, out)
}

func (f *fake) look(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	state := f.pairing[0]
	if len(f.pairing) > 1 {
		f.pairing = f.pairing[1:]
	}
	f.answer(w, 200, map[string]string{"id": "e1", "state": state, "match_code": "123456"})
}

func (f *fake) passkeyOptions(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	options, ceremony, err := f.rp.BeginRegistration(device.User{Name: "Aiko", OP: "corp"}, device.EnrollmentID(rand.Text()))
	if err != nil {
		f.t.Error(err)
	}
	f.ceremony = ceremony
	f.answer(w, 200, map[string]any{"options": options})
}

func (f *fake) passkey(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var in struct{ Credential json.RawMessage }
	err := json.NewDecoder(r.Body).Decode(&in)
	if err != nil {
		f.t.Error(err)
	}
	cred, err := f.rp.FinishRegistration(f.ceremony, in.Credential)
	if err != nil {
		f.t.Error(err)
	}
	f.creds = append(f.creds, cred)
	f.answer(w, 201, map[string]any{"device": aikosPhone})
}

var aikosPhone = map[string]any{
	"id": "d1", "name": "my phone", "op": "corp", "user_name": "Aiko", "state": "active", "this": true,
}

// aikosTablet is her other device, which cools off.
var aikosTablet = map[string]any{
	"id": "d2", "name": "tablet", "op": "corp", "user_name": "Aiko", "state": "cooling", "active_at": "2026-04-02T09:00:00Z",
}

func (f *fake) devices(w http.ResponseWriter, _ *http.Request) {
	f.answer(w, 200, map[string]any{"devices": []any{aikosPhone, aikosTablet}})
}

// add has a request wait for the phone.
func (f *fake) add(id, view string) *request {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &request{id: id, view: view, state: "pending"}
	f.requests = append(f.requests, r)
	return r
}

// settle ends a request without the phone.
func (f *fake) settle(r *request, state string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.state = state
}

func (r *request) wire() map[string]any {
	out := map[string]any{"id": r.id, "op": "corp", "state": r.state, "view": r.view, "expires_at": "2026-04-01T09:05:00Z"}
	if r.state == "denied" {
		out["decision"] = map[string]string{"verdict": "deny", "at": "2026-04-01T09:01:00Z", "device_name": "tablet"}
	}
	return out
}

func (f *fake) list(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []any{}
	for _, r := range f.requests {
		if r.state == "pending" {
			all = append(all, r.wire())
		}
	}
	f.answer(w, 200, map[string]any{"requests": all})
}

// find returns the request of the call's path; f.mu is held.
func (f *fake) find(w http.ResponseWriter, r *http.Request) *request {
	for _, one := range f.requests {
		if one.id == r.PathValue("id") {
			return one
		}
	}
	problem(w, 404, `{"type":"urn:mitome:request_not_found","title":"There is no such request."}`)
	return nil
}

func (f *fake) show(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one := f.find(w, r); one != nil {
		f.answer(w, 200, one.wire())
	}
}

// challengeOver is 32 random bytes and the hash of view.
func challengeOver(view string) []byte {
	nonce, hash := make([]byte, 32), sha256.Sum256([]byte("mitome/tx/v1\x00"+view))
	rand.Read(nonce)
	return append(nonce, hash[:]...)
}

func (f *fake) challenge(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.find(w, r)
	if one == nil {
		return
	}
	view, challenge := one.view, challengeOver(one.view)
	if f.spoil != nil {
		view, challenge = f.spoil(one)
	}
	one.challenge = challenge
	var allow []map[string]string
	for _, c := range f.creds {
		allow = append(allow, map[string]string{"type": "public-key", "id": base64.RawURLEncoding.EncodeToString(c.WebAuthnID)})
	}
	f.answer(w, 200, map[string]any{"view": view, "options": map[string]any{"publicKey": map[string]any{
		"challenge": base64.RawURLEncoding.EncodeToString(challenge), "rpId": "localhost",
		"userVerification": "required", "allowCredentials": allow,
	}}})
}

func (f *fake) decide(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.find(w, r)
	if one == nil {
		return
	}
	var in struct {
		Verdict   string          `json:"verdict"`
		Assertion json.RawMessage `json:"assertion"`
	}
	raw := map[string]any{}
	body := json.RawMessage{}
	if json.NewDecoder(r.Body).Decode(&body) != nil || json.Unmarshal(body, &in) != nil || json.Unmarshal(body, &raw) != nil {
		f.t.Error("decision is not JSON")
	}
	f.decisions = append(f.decisions, raw)
	one.state = "denied"
	if in.Verdict == "approve" {
		if _, err := f.rp.VerifyAssertion(f.creds, one.challenge, in.Assertion); err != nil {
			f.t.Errorf("assertion: %v", err)
		}
		one.state = "approved"
	}
	f.answer(w, 200, map[string]string{"id": one.id, "state": one.state})
}

func (f *fake) socket(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{"mitome.v1"}}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer conn.Close()
	f.mu.Lock()
	f.protocols = append(f.protocols, strings.Join(websocket.Subprotocols(r), " "))
	f.mu.Unlock()
	f.conns <- conn
	for {
		var in struct{ Type, ID string }
		if conn.ReadJSON(&in) != nil {
			return
		}
		f.acks <- in.Type + " " + in.ID
	}
}

// open is a phone that knows of the fake and is not paired.
func (f *fake) open() *phone.Phone {
	f.t.Helper()
	keys, err := softkey.Open(filepath.Join(f.t.TempDir(), "keys"))
	if err != nil {
		f.t.Fatal(err)
	}
	return f.openWith(keys)
}

func (f *fake) openWith(keys phone.KeyStore) *phone.Phone {
	f.t.Helper()
	p, err := phone.Open(keys, f.url)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(p.Close)
	p.Hurry()
	return p
}

// paired is a phone with a device.
func (f *fake) paired() *phone.Phone {
	f.t.Helper()
	p := f.open()
	g, err := p.Claim(f.url+"/pair#"+secret, "my phone")
	if err != nil {
		f.t.Fatal(err)
	}
	if err := g.Wait(); err != nil {
		f.t.Fatal(err)
	}
	if _, err := g.Finish(); err != nil {
		f.t.Fatal(err)
	}
	return p
}
