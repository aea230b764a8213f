package keycloaktest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// Client is a CIBA client of a realm.
type Client struct {
	Realm       *Realm
	ID, Secret  string
	NotifyToken string // client_notification_token; empty for a client that polls
}

// Answer is what one of Keycloak's endpoints said.
type Answer struct {
	Status      int    `json:"-"`
	Error       string `json:"error"`
	Description string `json:"error_description"`

	AuthReqID string `json:"auth_req_id"`
	ExpiresIn int    `json:"expires_in"`

	AccessToken string `json:"access_token"`
	IDToken     string `json:"id_token"`
}

// Ask sends a backchannel authentication request for a user, with further
// parameters as pairs of name and value.
func (c Client) Ask(t testing.TB, user string, more ...string) Answer {
	t.Helper()
	form := url.Values{"scope": {"openid"}, "login_hint": {user}}
	if c.NotifyToken != "" {
		form.Set("client_notification_token", c.NotifyToken)
	}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return c.post(t, "/protocol/openid-connect/ext/ciba/auth", form)
}

// MustAsk is Ask for a request that Keycloak accepts; it returns the
// auth_req_id.
func (c Client) MustAsk(t testing.TB, user string, more ...string) string {
	t.Helper()
	a := c.Ask(t, user, more...)
	if a.Status != http.StatusOK || a.AuthReqID == "" {
		t.Fatalf("backchannel authentication request: %d %s %q", a.Status, a.Error, a.Description)
	}
	return a.AuthReqID
}

// Poll returns what the token endpoint says now. It waits until Keycloak lets
// the client poll.
func (c Client) Poll(t testing.TB, authReqID string) Answer {
	t.Helper()
	return c.until(t, authReqID, 10*time.Second, func(a Answer) bool { return a.Error != "slow_down" })
}

// Wait polls until the request is no longer pending, and returns what came.
func (c Client) Wait(t testing.TB, authReqID string, limit time.Duration) Answer {
	t.Helper()
	return c.until(t, authReqID, limit, func(a Answer) bool {
		return a.Error != "slow_down" && a.Error != "authorization_pending"
	})
}

func (c Client) until(t testing.TB, authReqID string, limit time.Duration, enough func(Answer) bool) Answer {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		a := c.post(t, "/protocol/openid-connect/token", url.Values{
			"grant_type": {"urn:openid:params:grant-type:ciba"}, "auth_req_id": {authReqID},
		})
		if enough(a) {
			return a
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("still %s after %v", a.Error, limit)
		}
	}
}

func (c Client) post(t testing.TB, path string, form url.Values) Answer {
	t.Helper()
	form.Set("client_id", c.ID)
	form.Set("client_secret", c.Secret)
	resp, err := http.PostForm(c.Realm.Issuer+path, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a := Answer{Status: resp.StatusCode}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		t.Fatalf("%s: %s: %v", path, resp.Status, err)
	}
	return a
}

// Ping is one call of Keycloak to a client's notification endpoint.
type Ping struct {
	Bearer    string
	AuthReqID string
}

// Pings is the notification endpoint of a client.
type Pings struct {
	URL      string
	Received chan Ping
}

func newPings(t testing.TB) *Pings {
	p := &Pings{Received: make(chan Ping, 16)}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			AuthReqID string `json:"auth_req_id"`
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &in); err != nil {
			t.Errorf("ping: %v in %q", err, body)
		}
		p.Received <- Ping{Bearer: Bearer(r), AuthReqID: in.AuthReqID}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// Wait returns the next ping.
func (p *Pings) Wait(t testing.TB, limit time.Duration) Ping {
	t.Helper()
	select {
	case got := <-p.Received:
		return got
	case <-time.After(limit):
		t.Fatalf("no ping within %v", limit)
		panic("unreachable")
	}
}
