package keycloaktest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
)

// Channel stands where Keycloak's one authentication channel URI points, and
// passes each call on to the gateway of the realm that asks.
type Channel struct {
	URL    string
	server *httptest.Server

	mu       sync.Mutex
	gateways map[string]http.Handler // by realm
}

func listen() *Channel {
	c := &Channel{gateways: map[string]http.Handler{}}
	c.server = httptest.NewServer(c)
	c.URL = c.server.URL + "/channel"
	return c
}

// Handle makes h the gateway of a realm.
func (c *Channel) Handle(realm string, h http.Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gateways[realm] = h
}

// ServeHTTP implements http.Handler.
func (c *Channel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	claims, err := Claims(Bearer(r))
	iss, _ := claims["iss"].(string)
	c.mu.Lock()
	h := c.gateways[path.Base(iss)]
	c.mu.Unlock()
	if err != nil || h == nil {
		http.Error(w, "no gateway for this realm", http.StatusBadGateway)
		return
	}
	h.ServeHTTP(w, r)
}

// Bearer returns the bearer token of a request.
func Bearer(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// Claims reads a JWT without checking it.
func Claims(jwt string) (map[string]any, error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("a JWT has three parts, this has %d", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("decode JWT: %w", err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(raw, &claims); err != nil {
		return nil, fmt.Errorf("decode JWT: %w", err)
	}
	return claims, nil
}
