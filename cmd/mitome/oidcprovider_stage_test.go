package main_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
)

// opStage is a Mitome and an OP.
type opStage struct {
	*gateway
	op *nodeOP
}

// opTurn is what happens between one client and one user.
type opTurn struct {
	opStage
	client        *rp.Client
	shown         string // as what users know the client
	user, subject string
	phone         *phone
}

// turn pairs a user's phone.
func (s opStage) turn(t *testing.T, c *rp.Client, user string) opTurn {
	t.Helper()
	u := opTurn{opStage: s, client: c, user: user, shown: map[string]string{"till": "Till 4", "kiosk": "Kiosk 7"}[c.ID]}
	for _, known := range s.op.users {
		if known["username"] == user {
			u.subject = known["sub"]
		}
	}
	u.phone = s.pair(t, u.subject, user)
	return u
}

// newOPStage starts both.
func newOPStage(t *testing.T) opStage {
	t.Helper()
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key, hash := opCredentials(t, dir)
	g, ops := newStandalone(t,
		"kind: webhook",
		`keys: [{name: test, sha256: "`+hash+`"}]`,
		"webhook: {url: 'http://"+address+"/mitome', secrets_file: '"+filepath.Join(dir, "secret")+"', allow_private: [127.0.0.0/8]}",
	)
	s := opStage{gateway: g, op: newNodeOP(t, dir, address, ops)}
	secret, err := os.ReadFile(filepath.Join(dir, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	s.op.secret = strings.TrimSpace(string(secret))
	s.keepsSecret(t, key)
	return s
}

// opCredentials writes an API key and a webhook secret, made as operators make
// them, into dir.
func opCredentials(t *testing.T, dir string) (key, hash string) {
	t.Helper()
	maker := &gateway{binary: "mitome", config: filepath.Join(dir, "none.yaml")}
	var made struct{ Key, SHA256 string }
	maker.json(t, &made, "op", "key", "test")
	for name, text := range map[string]string{"key": made.Key, "secret": maker.run(t, "op", "secret")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return made.Key, made.SHA256
}

// begin has a client ask, and asks again often enough for a test.
func (s opTurn) begin(t *testing.T, r rp.Request) *rp.Pending {
	t.Helper()
	if r.LoginHint == "" && r.LoginHintToken == "" {
		r.LoginHint = s.user
	}
	p, err := s.client.Start(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	p.Interval = 200 * time.Millisecond
	return p
}

// refusal is what the OP refuses a client's request with.
func (s opTurn) refusal(t *testing.T, r rp.Request) string {
	t.Helper()
	if r.LoginHint == "" && r.LoginHintToken == "" {
		r.LoginHint = s.user
	}
	_, err := s.client.Start(t.Context(), r)
	return code(t, err)
}

// end is what the client finally sees. If it gives up by itself because the time
// is over, it is what the OP says then.
func (s opStage) end(t *testing.T, p *rp.Pending) (*rp.Tokens, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tokens, err := p.Wait(ctx)
	var own *rp.Error
	if errors.As(err, &own) && own.Status == 0 {
		tokens, err = p.Poll(ctx)
	}
	if err != nil {
		return nil, code(t, err)
	}
	return tokens, "tokens"
}

// code is the error that the OP said; one that the client says by itself is none.
func code(t *testing.T, err error) string {
	t.Helper()
	var said *rp.Error
	if !errors.As(err, &said) || said.Status == 0 {
		t.Fatalf("got %v, want an error of the OP's", err)
	}
	return said.Code
}

// tell posts a webhook to the OP.
func (s opStage) tell(t *testing.T, secret, body string) (status int) {
	t.Helper()
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	id, now := rand.Text(), time.Now()
	signature, err := hook.Sign(id, now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.op.hook, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(standardwebhooks.HeaderWebhookID, id)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, fmt.Sprint(now.Unix()))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func newHintKey(t *testing.T) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: "hints", Algorithm: string(jose.ES256), Use: "sig"}
}

func hintToken(t *testing.T, key jose.JSONWebKey, claims jwt.Claims) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
