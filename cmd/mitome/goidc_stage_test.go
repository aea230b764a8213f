package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
)

// goStage is a Mitome and examples/go-oidc, each run as its page says.
type goStage struct {
	*gateway
	heard   *heard
	key     *ecdsa.PrivateKey // of the client bank
	clients map[string]*rp.Client
}

// goUsers are the OP's, and their subjects.
var goUsers = map[string]string{"alice": "s-1", "bob": "s-2", "carol": "s-3", "dave": "s-4", "erin": "s-5", "frank": "s-6", "grace": "s-7"}

// newGoStage starts both; rules are further lines of the connection.
func newGoStage(t *testing.T, rules ...string) goStage {
	t.Helper()
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key, hash := opCredentials(t, dir)
	g, ops := newStandalone(t, append([]string{
		"kind: webhook",
		`keys: [{name: test, sha256: "` + hash + `"}]`,
		"webhook: {url: 'http://" + address + "/webhook', secrets_file: '" + filepath.Join(dir, "secret") + "', allow_private: [127.0.0.0/8]}",
	}, rules...)...)
	s := goStage{gateway: g, heard: newHeard(t), clients: map[string]*rp.Client{}}
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	issuer := "http://localhost" + address[strings.LastIndex(address, ":"):]
	b, err := json.Marshal(map[string]any{
		"issuer": issuer, "listen": address, "users": goUsers, "scopes": []string{"payments"},
		"acr_values": []string{"phr", "urn:example:gold"}, "interval": 1, "clients": s.metadata(),
		"mitome": map[string]string{
			"connection": ops + "/op/corp", "key_file": filepath.Join(dir, "key"), "secrets_file": filepath.Join(dir, "secret"),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "op.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	spawnGoOP(t, dir)
	s.discover(t, issuer)
	s.keepsSecret(t, key)
	return s
}

// metadata are the OP's clients: one a mode, one that signs, one without CIBA.
func (s goStage) metadata() []map[string]any {
	var all []map[string]any
	for id, mode := range map[string]rp.Mode{"till": rp.Poll, "kiosk": rp.Ping, "shop": rp.Push, "bank": rp.Poll, "portal": rp.Poll} {
		c := map[string]any{
			"client_id": id, "client_name": "The " + id, "client_secret": clientSecret, "mode": mode, "user_code": true,
		}
		switch {
		case mode != rp.Poll:
			c["notification_endpoint"] = s.heard.URL
		case id == "bank":
			delete(c, "client_secret")
			c["key"] = jose.JSONWebKey{Key: &s.key.PublicKey, KeyID: "k1", Algorithm: string(jose.ES256), Use: "sig"}
			c["signed_requests"] = true
		case id == "portal":
			c["grant_types"] = []string{"refresh_token"}
		}
		all = append(all, c)
	}
	return all
}

// spawnGoOP builds the example and runs it with dir's op.json.
func spawnGoOP(t *testing.T, dir string) {
	t.Helper()
	binary, log := filepath.Join(dir, "go-oidc"), filepath.Join(dir, "op.log")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./examples/go-oidc")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build examples/go-oidc: %v\n%s", err, out)
	}
	process, err := keycloaktest.Spawn(log, nil, binary, filepath.Join(dir, "op.json"))
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
func (s goStage) discover(t *testing.T, issuer string) {
	t.Helper()
	var p *rp.Provider
	await(t, "the OP", patience, func() (ok bool) {
		var err error
		p, err = rp.Discover(t.Context(), nil, issuer)
		return err == nil
	})
	for _, c := range s.metadata() {
		id := c["client_id"].(string)
		s.clients[id] = &rp.Client{
			Provider: p, ID: id, Mode: c["mode"].(rp.Mode), Auth: rp.SecretBasic(clientSecret), Notifications: &s.heard.Notifications,
			HTTP: &http.Client{Timeout: patience},
		}
	}
	bank := s.clients["bank"]
	bank.Key = rp.Key{ID: "k1", Signer: s.key}
	bank.Auth = rp.PrivateKeyJWT(bank.Key)
}

// seat pairs a user's phone.
func (s goStage) seat(t *testing.T, client, user string) seat {
	t.Helper()
	return seat{
		gateway: s.gateway, client: s.clients[client], heard: s.heard,
		user: user, subject: goUsers[user], phone: s.pair(t, goUsers[user], user),
	}
}
