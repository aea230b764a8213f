package main_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
)

// clientSecret is what both clients of the OP prove themselves with.
const clientSecret = "not-a-secret-but-long-enough-for-a-test"

// nodeOP is examples/node-oidc-provider, run as its page says.
type nodeOP struct {
	issuer, hook string // its own URL; where it hears of decisions
	secret       string // of the webhooks
	users        []map[string]string
	hintKey      jose.JSONWebKey
	till, kiosk  *rp.Client // poll and ping
	counter      *rp.Client // poll; its user_code is the user's own
	pings        *pinged
}

// pinged is where the OP pings the kiosk.
type pinged struct {
	rp.Notifications
	server *httptest.Server
	broken chan bool // one for each ping that is to fail
}

func (p *pinged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-p.broken:
		w.WriteHeader(http.StatusInternalServerError)
	default:
		p.Notifications.ServeHTTP(w, r)
	}
}

// newPinged listens with TLS, without which the library takes no such endpoint.
func newPinged(t *testing.T) *pinged {
	p := &pinged{broken: make(chan bool, 1)}
	p.server = httptest.NewTLSServer(p)
	t.Cleanup(p.server.Close)
	return p
}

// newNodeOP starts the OP; mitome and secret are what Mitome's operator gives it.
func newNodeOP(t *testing.T, dir, address, mitome string) *nodeOP {
	t.Helper()
	o := &nodeOP{issuer: "http://localhost" + address[strings.LastIndex(address, ":"):], hook: "http://" + address + "/mitome", pings: newPinged(t)}
	o.hintKey = newHintKey(t)
	for i, name := range []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"} {
		o.users = append(o.users, map[string]string{"sub": fmt.Sprintf("s-%d", i+1), "username": name, "email": name + "@example.org"})
	}
	b, err := json.Marshal(o.config(dir, address, mitome))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "op.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.pings.server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	o.spawn(t, dir)
	o.discover(t)
	return o
}

// config is op.json.
func (o *nodeOP) config(dir, address, mitome string) map[string]any {
	client := map[string]any{
		"client_secret": clientSecret, "response_types": []string{}, "redirect_uris": []string{},
		"grant_types": []string{"urn:openid:params:grant-type:ciba"}, "backchannel_user_code_parameter": true, "scope": "openid",
	}
	with := func(more map[string]any) map[string]any {
		for k, v := range client {
			more[k] = v
		}
		return more
	}
	return map[string]any{
		"issuer": o.issuer, "listen": address,
		"mitome": map[string]string{
			"requests": mitome + "/op/corp/v1/requests", "key_file": filepath.Join(dir, "key"), "secrets_file": filepath.Join(dir, "secret"),
		},
		"users": o.users,
		"clients": []map[string]any{
			with(map[string]any{"client_id": "till", "client_name": "Till 4", "backchannel_token_delivery_mode": "poll"}),
			with(map[string]any{"client_id": "counter", "client_name": "Counter 2", "backchannel_token_delivery_mode": "poll"}),
			with(map[string]any{
				"client_id": "kiosk", "client_name": "Kiosk 7", "backchannel_token_delivery_mode": "ping",
				"backchannel_client_notification_endpoint": o.pings.server.URL + "/ping",
			}),
		},
		"own_codes":         []string{"counter"},
		"private_clients":   []string{o.pings.server.URL},
		"login_hint_tokens": map[string]any{"issuer": "https://crm.example.org", "jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{o.hintKey.Public()}}},
	}
}

// spawn runs the OP from a folder with the example's files and what they import.
func (o *nodeOP) spawn(t *testing.T, dir string) {
	t.Helper()
	deps := os.Getenv("MITOME_TEST_OIDC_PROVIDER")
	if deps == "" {
		t.Fatal("MITOME_TEST_OIDC_PROVIDER is not set; tools/oidc-provider.sh prints what it must be")
	}
	example := filepath.Join(dir, "op")
	if err := os.CopyFS(example, os.DirFS(filepath.Join(root, "examples", "node-oidc-provider"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(deps, "node_modules"), filepath.Join(example, "node_modules")); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "op.log")
	process, err := keycloaktest.Spawn(log, []string{"NODE_EXTRA_CA_CERTS=" + filepath.Join(dir, "ca.pem")},
		"node", filepath.Join(example, "op.js"), filepath.Join(dir, "op.json"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	t.Cleanup(func() {
		if out, _ := os.ReadFile(log); t.Failed() {
			t.Logf("the OP's log:\n%s", out)
		}
	})
}

// discover waits for the OP and makes its clients.
func (o *nodeOP) discover(t *testing.T) {
	t.Helper()
	var p *rp.Provider
	await(t, "the OP", patience, func() (ok bool) {
		var err error
		p, err = rp.Discover(t.Context(), nil, o.issuer)
		return err == nil
	})
	o.till = &rp.Client{Provider: p, ID: "till", Auth: rp.SecretBasic(clientSecret)}
	o.counter = &rp.Client{Provider: p, ID: "counter", Auth: rp.SecretBasic(clientSecret)}
	o.kiosk = &rp.Client{Provider: p, ID: "kiosk", Auth: rp.SecretBasic(clientSecret), Mode: rp.Ping, Notifications: &o.pings.Notifications}
}
