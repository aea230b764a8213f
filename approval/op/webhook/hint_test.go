package webhook_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/op/webhook"
)

func keyFile(t *testing.T, k jose.JSONWebKey) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.jwk")
	b, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHintTokensAreConfigured: to which keys of an OP tokens are encrypted, and
// what is wrong is said without the key.
func TestHintTokensAreConfigured(t *testing.T) {
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	long, _ := rsa.GenerateKey(rand.Reader, 2048)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	const aud = "https://op.example"
	for _, tt := range []struct {
		name, aud string
		key       jose.JSONWebKey
		only      string
		faults    int
	}{
		{"EC", aud, jose.JSONWebKey{Key: &ec.PublicKey}, "login_hint_tokens", 0},
		{"EC, direct", aud, jose.JSONWebKey{Key: &ec.PublicKey, Algorithm: "ECDH-ES"}, "", 0},
		{"RSA", aud, jose.JSONWebKey{Key: &long.PublicKey}, "", 0},
		{"RSA, OAEP", aud, jose.JSONWebKey{Key: &long.PublicKey, Algorithm: "RSA-OAEP"}, "", 0},
		{"RSA, PKCS 1.5", aud, jose.JSONWebKey{Key: &long.PublicKey, Algorithm: "RSA1_5"}, "", 1},
		{"EC, of RSA's", aud, jose.JSONWebKey{Key: &ec.PublicKey, Algorithm: "RSA-OAEP"}, "", 1},
		{"a private key", aud, jose.JSONWebKey{Key: ec}, "", 1},
		{"a key that signs", aud, jose.JSONWebKey{Key: ed.Public()}, "", 1},
		{"a secret", aud, jose.JSONWebKey{Key: []byte("0123456789abcdef")}, "", 1},
		{"no audience", "", jose.JSONWebKey{Key: &ec.PublicKey}, "", 1},
		{"no URL", "op.example", jose.JSONWebKey{Key: &ec.PublicKey}, "", 1},
		{"a key for something else", aud, jose.JSONWebKey{Key: &ec.PublicKey}, "everything", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := configured("")
			cfg.Webhook = webhook.Section{}
			cfg.Keys[1].Only = tt.only
			cfg.HintTokens = webhook.HintTokens{EncryptToFile: keyFile(t, tt.key), Audience: tt.aud}
			a, err := open(cfg, deps())
			n := 0
			if err != nil {
				n = strings.Count(err.Error(), "\n") + 1
			}
			if n != tt.faults {
				t.Fatalf("got %d faults, want %d: %v", n, tt.faults, err)
			}
			if err == nil && !a.ExchangesHints() {
				t.Error("it takes no tokens")
			}
		})
	}
	cfg := configured("")
	cfg.Webhook, cfg.Keys[1].Only = webhook.Section{}, webhook.OnlyHintTokens
	if _, err := open(cfg, deps()); err == nil {
		t.Error("a key for tokens that nobody makes was taken")
	}
	cfg.Keys[1].Only, cfg.HintTokens = "", webhook.HintTokens{EncryptToFile: "none", Audience: aud}
	if _, err := open(cfg, deps()); err == nil {
		t.Error("a file that is not there was taken")
	}
}
