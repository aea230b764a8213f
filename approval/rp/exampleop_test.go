package rp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// exampleOP is the smallest OP at which the example runs: alice approves
// whatever she is asked.
func exampleOP() *httptest.Server {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	answer := func(path string, body func() any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(body())
		})
	}
	answer("GET /.well-known/openid-configuration", func() any {
		return map[string]any{
			"issuer": server.URL, "jwks_uri": server.URL + "/jwks", "token_endpoint": server.URL + "/token",
			"backchannel_authentication_endpoint":        server.URL + "/bc",
			"backchannel_token_delivery_modes_supported": []string{"poll"},
			"id_token_signing_alg_values_supported":      []string{"ES256"},
		}
	})
	answer("GET /jwks", func() any {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), Algorithm: "ES256", Use: "sig"}}}
	})
	answer("POST /bc", func() any {
		return map[string]any{"auth_req_id": "req-1", "expires_in": 120, "interval": 0}
	})
	answer("POST /token", func() any {
		now := time.Now()
		token, err := jwt.Signed(signer).Claims(map[string]any{
			"iss": server.URL, "aud": "till", "sub": "alice", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		}).Serialize()
		if err != nil {
			panic(err)
		}
		return map[string]any{"access_token": "access", "token_type": "Bearer", "id_token": token}
	})
	return server
}
