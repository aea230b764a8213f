package main_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
	"github.com/mitome-ciba/mitome/server/adminapi"
)

// requests is what the operator sees when she lists all requests.
func (g *gateway) requests(t *testing.T) []adminapi.Request {
	t.Helper()
	var all []adminapi.Request
	g.json(t, &all, "request", "list")
	return all
}

// request is what the operator sees of one request.
func (g *gateway) request(t *testing.T, id string) adminapi.Request {
	t.Helper()
	var r adminapi.Request
	g.json(t, &r, "request", "show", id)
	if r.Report == nil {
		r.Report = &adminapi.Report{}
	}
	return r
}

// json runs a command and reads what it writes.
func (g *gateway) json(t *testing.T, v any, args ...string) {
	t.Helper()
	out := g.run(t, append([]string{"--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("mitome %s: %v in:\n%s", strings.Join(args, " "), err, out)
	}
}

// settled waits until Mitome knows what became of a request and of its report.
func (g *gateway) settled(t *testing.T, id, state, report string) {
	t.Helper()
	await(t, "the request to be "+state+" and "+report, patience, func() bool {
		r := g.request(t, id)
		return r.State == state && r.Report.State == report
	})
}

// recorded runs ask and returns the call that Keycloak made because of it.
func (g *gateway) recorded(t *testing.T, s *stage, ask func()) *http.Request {
	t.Helper()
	var got *http.Request
	front := g.front()
	s.kc.Channel.Handle(g.realm.Name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = r.Clone(context.Background())
		r.Body, got.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
		front.ServeHTTP(w, r)
	}))
	ask()
	s.kc.Channel.Handle(g.realm.Name, front)
	return got
}

// post makes a recorded call once more, with another bearer or the same, and
// returns the status.
func (g *gateway) post(t *testing.T, bearer string, recorded *http.Request) int {
	t.Helper()
	body, err := io.ReadAll(recorded.Body)
	if err != nil {
		t.Fatal(err)
	}
	recorded.Body = io.NopCloser(bytes.NewReader(body))
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	g.front().ServeHTTP(w, r)
	return w.Code
}

// resign makes a token with the claims of a genuine one, but a jti of its own,
// and a signature that is not Keycloak's.
func resign(t *testing.T, bearer, alg string) string {
	t.Helper()
	claims, err := keycloaktest.Claims(bearer)
	if err != nil {
		t.Fatal(err)
	}
	claims["jti"] = rand.Text()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	if alg == "none" {
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
		return head + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	}
	genuine, err := jose.ParseSignedCompact(bearer, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(alg),
		Key:       jose.JSONWebKey{Key: key, KeyID: genuine.Signatures[0].Header.KeyID},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
