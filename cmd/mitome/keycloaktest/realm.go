package keycloaktest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Realm is a realm of one test, with the users alice, bob and carol (who still
// has to set up her account), the client shop that polls and the client kiosk
// that is pinged.
type Realm struct {
	Name   string
	Issuer string
	Alice  string // user id
	Bob    string

	Shop, Kiosk Client
	Cart        Client // may not use CIBA
	Pings       *Pings

	server *Server
}

// Policy is a realm's settings for CIBA.
type Policy struct {
	Expires time.Duration // how long a request lives; zero: 120 s
	// PingTo is where kiosk is pinged instead of at Realm.Pings.
	PingTo string
}

// Password is the one of every user.
const Password = "correct horse"

// Realm makes a realm. It goes when Keycloak goes: nothing of it is on disk.
func (s *Server) Realm(t testing.TB, p Policy) *Realm {
	t.Helper()
	name := "r" + strings.ToLower(rand.Text()[:10])
	r := &Realm{
		Name:   name,
		Issuer: s.URL + "/realms/" + name,
		Alice:  uuid(),
		Bob:    uuid(),
		Pings:  newPings(t),
		server: s,
	}
	r.Shop = Client{Realm: r, ID: "shop", Secret: rand.Text()}
	r.Cart = Client{Realm: r, ID: "cart", Secret: rand.Text()}
	r.Kiosk = Client{Realm: r, ID: "kiosk", Secret: rand.Text(), NotifyToken: rand.Text()}
	if p.PingTo == "" {
		p.PingTo = r.Pings.URL
	}
	if p.Expires == 0 {
		p.Expires = 2 * time.Minute
	}
	s.create(t, r.representation(p))
	return r
}

// representation is the realm as Keycloak's administrators write it.
func (r *Realm) representation(p Policy) map[string]any {
	user := func(id, name string, actions ...string) map[string]any {
		return map[string]any{
			"id": id, "username": name, "enabled": true,
			"email": name + "@example.com", "emailVerified": true, // else Keycloak wants it confirmed first
			"firstName": name, "lastName": "Example", "requiredActions": actions,
			"credentials": []any{map[string]any{"type": "password", "value": Password}},
		}
	}
	client := func(c Client, attributes map[string]string) map[string]any {
		return map[string]any{
			"clientId": c.ID, "name": "The " + c.ID, "secret": c.Secret,
			"protocol": "openid-connect", "publicClient": false,
			"standardFlowEnabled": false, "attributes": attributes,
		}
	}
	return map[string]any{
		"realm": r.Name, "enabled": true,
		"sslRequired": "none", // kiosk's notification endpoint is plain HTTP here
		"attributes": map[string]string{
			"cibaBackchannelTokenDeliveryMode": "poll",
			"cibaExpiresIn":                    strconv.Itoa(int(p.Expires / time.Second)),
			"cibaInterval":                     "1", // the least: with 0 the token endpoint answers 500
			"cibaAuthRequestedUserHint":        "login_hint",
		},
		"users": []any{user(r.Alice, "alice"), user(r.Bob, "bob"), user(uuid(), "carol", "UPDATE_PROFILE")},
		"clients": []any{
			client(r.Cart, nil),
			map[string]any{ // Mitome itself, at which users sign in to pair
				"clientId": "mitome", "protocol": "openid-connect", "publicClient": true,
				"standardFlowEnabled": true, "redirectUris": []string{"http://localhost:*"},
				"attributes": map[string]string{"pkce.code.challenge.method": "S256"},
			},
			client(r.Shop, map[string]string{
				"oidc.ciba.grant.enabled":              "true",
				"ciba.backchannel.token.delivery.mode": "poll",
			}),
			client(r.Kiosk, map[string]string{
				"oidc.ciba.grant.enabled":                       "true",
				"ciba.backchannel.token.delivery.mode":          "ping",
				"ciba.backchannel.client.notification.endpoint": p.PingTo,
			}),
		},
	}
}

// create posts a realm to the administration API.
func (s *Server) create(t testing.TB, representation map[string]any) {
	t.Helper()
	body, err := json.Marshal(representation)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/admin/realms", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.adminToken(t))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		out, _ := io.ReadAll(resp.Body)
		t.Fatalf("create realm: %s %s", resp.Status, out)
	}
}

func (s *Server) adminToken(t testing.TB) string {
	t.Helper()
	resp, err := http.PostForm(s.URL+"/realms/master/protocol/openid-connect/token", url.Values{
		"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {admin}, "password": {admin},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.AccessToken == "" {
		t.Fatalf("administrator's token: %s, %v", resp.Status, err)
	}
	return out.AccessToken
}

// uuid returns a random UUID, which is what Keycloak calls its users by.
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
