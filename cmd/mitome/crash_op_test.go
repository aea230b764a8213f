package main_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval/op/keycloak"
)

// crashOP is two OPs that keep what they were told: hook, which asks by Mitome's
// own API until it hears yes and is told by webhook, and realm, which asks once and
// answers as Keycloak does.
type crashOP struct {
	*httptest.Server
	config string // their connections
	at     string // Mitome's listener for OPs
	key    string // by which hook asks
	hook   *standardwebhooks.Webhook
	signer jose.Signer // the realm's
	jwks   jose.JSONWebKeySet

	report chan struct{} // one has just come in

	mu      sync.Mutex
	calls   map[string][]crashCall // by the request's id (hook) or the ask's name (realm)
	bearers map[string]*waiting    // what realm waits for
}

// waiting is a request that realm has stored.
type waiting struct{ name, status string }

func newCrashOP(t *testing.T) *crashOP {
	t.Helper()
	secret := make([]byte, 32)
	rand.Read(secret)
	hook, err := standardwebhooks.NewWebhookRaw(secret)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &crashOP{
		key: rand.Text(), hook: hook, report: make(chan struct{}, 1),
		calls: map[string][]crashCall{}, bearers: map[string]*waiting{},
	}
	o.jwks.Keys = []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}
	o.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook", o.toHook)
	mux.HandleFunc("GET /realms/crash"+keycloak.CertsPath, func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(o.jwks)
	})
	mux.HandleFunc("POST /realms/crash"+keycloak.CallbackPath, o.toRealm)
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	// Requests outlive the lease of several workers that die with them in hand.
	o.config = fmt.Sprintf(`ops:
  - name: hook
    kind: webhook
    limits: {off: true}
    keys: [{name: test, sha256: "%x"}]
    webhook: {url: %q, secrets: [whsec_%s], allow_private: ["127.0.0.0/8"]}
  - name: realm
    kind: keycloak
    limits: {off: true}
    issuer: %s
    expires_in: 15m
    guard: 10ms
`, sha256.Sum256([]byte(o.key)), o.URL+"/hook", base64.StdEncoding.EncodeToString(secret), o.issuer())
	return o
}

func (o *crashOP) issuer() string { return o.URL + "/realms/crash" }

// ask has an OP ask, and returns whether it heard that its request was taken.
func (o *crashOP) ask(ctx context.Context, a crashAsk, subject string) (bool, error) {
	if a.op == "hook" {
		return true, o.askHook(ctx, a.name, subject)
	}
	return o.askRealm(ctx, a.name, subject)
}

// askHook asks under one key until it hears yes.
func (o *crashOP) askHook(ctx context.Context, name, subject string) error {
	for {
		status, err := o.post(ctx, "/op/hook/v1/requests", o.key, name, map[string]any{
			"sub": subject, "client_id": "shop of " + subject, "binding_message": name, "expires_in": 900,
		})
		switch {
		case err == nil && (status == http.StatusCreated || status == http.StatusOK):
			return nil
		case err == nil && status < 500:
			return fmt.Errorf("hook asks: status %d", status)
		}
		select {
		case <-time.After(20 * time.Millisecond): // until it is up again
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// askRealm asks once, as Keycloak does, and forgets a request that was not taken.
func (o *crashOP) askRealm(ctx context.Context, name, subject string) (bool, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": o.issuer(), "aud": o.issuer(), "typ": "Bearer", "jti": name, "sub": subject, "azp": "shop of " + subject,
		"iat": now.Unix(), "exp": now.Add(20 * time.Minute).Unix(),
	})
	if err != nil {
		return false, err
	}
	signed, err := o.signer.Sign(claims)
	if err != nil {
		return false, err
	}
	bearer, err := signed.CompactSerialize()
	if err != nil {
		return false, err
	}
	o.mu.Lock()
	o.bearers[bearer] = &waiting{name: name}
	o.mu.Unlock()
	status, err := o.post(ctx, "/op/realm", bearer, "", map[string]any{
		"login_hint": subject, "scope": "openid", "binding_message": name, "is_consent_required": false,
	})
	if err == nil && status == http.StatusCreated {
		return true, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bearers[bearer].status = "given up"
	if err == nil && status < 500 {
		return false, fmt.Errorf("realm asks: status %d", status)
	}
	return false, nil
}

func (o *crashOP) post(ctx context.Context, path, bearer, key string, in any) (status int, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.at+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+bearer)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// toHook takes a webhook.
func (o *crashOP) toHook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in struct{ Data decided }
	if err != nil || o.hook.Verify(body, r.Header) != nil || json.Unmarshal(body, &in) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	o.keep(in.Data.ID, crashCall{r.Header.Get(standardwebhooks.HeaderWebhookID), in.Data.State, true})
	o.linger()
	w.WriteHeader(http.StatusNoContent)
}

// toRealm is op-contracts §1.5: who repeats a SUCCEED destroys it.
func (o *crashOP) toRealm(w http.ResponseWriter, r *http.Request) {
	var in struct{ Status string }
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	err := json.NewDecoder(r.Body).Decode(&in)
	o.mu.Lock()
	one := o.bearers[bearer]
	took := err == nil && one != nil && one.status != "given up" && one.status != "SUCCEED"
	if took {
		one.status = in.Status
	} else if one != nil {
		one.status = "given up"
	}
	o.mu.Unlock()
	if one == nil {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	state := map[string]string{"SUCCEED": "approved", "UNAUTHORIZED": "denied", "CANCELLED": "denied"}[in.Status]
	o.keep(one.name, crashCall{"", state, took})
	o.linger()
	if !took {
		w.WriteHeader(http.StatusForbidden)
	}
}

// keep writes down what an OP was told.
func (o *crashOP) keep(of string, c crashCall) {
	o.mu.Lock()
	o.calls[of] = append(o.calls[of], c)
	o.mu.Unlock()
	select {
	case o.report <- struct{}{}:
	default:
	}
}

// linger is how long an OP takes to answer: long enough to be killed in.
func (o *crashOP) linger() { <-time.After(mathrand.N(10 * time.Millisecond)) }

// nextReport returns when the next report comes in, or after a time.
func (o *crashOP) nextReport(most time.Duration) {
	select { // one that has been before
	case <-o.report:
	default:
	}
	select {
	case <-o.report:
	case <-time.After(most):
	}
}

// told is what an OP was told of a request.
func (o *crashOP) told(of string) []crashCall {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]crashCall(nil), o.calls[of]...)
}
