package signin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/session"
)

type pairing struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	Link       string    `json:"link"`
	SVG        string    `json:"svg"`
	MatchCode  string    `json:"match_code"`
	DeviceName string    `json:"device_name"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// TestPairing is the whole way of a person with a browser and a phone, over HTTP:
// sign in at the OP, offer, claim, compare, confirm, passkey.
func TestPairing(t *testing.T) {
	w := newWorld(t)
	desk, phone := w.newBrowser(), w.newBrowser()
	if r := desk.get(desk.toOP()); r.body != "done" {
		t.Fatal(r.body)
	}
	var offer, seen, claimed pairing
	desk.page("POST", "/v1/desk/pairings", nil).want(t, 201, &offer)
	secret, ok := strings.CutPrefix(offer.Link, w.url+"/pair#")
	if !ok || len(secret) < 26 || !strings.HasPrefix(offer.SVG, "<svg ") || strings.Contains(offer.SVG, secret) {
		t.Fatalf("offer: %+v", offer)
	}
	at := "/v1/desk/pairings/" + offer.ID
	desk.get(at).want(t, 200, &seen)
	if seen.State != "offered" || seen.MatchCode != "" {
		t.Errorf("before the claim: %+v", seen)
	}
	r := phone.page("POST", "/v1/pairings/claim", map[string]string{"secret": secret, "device_name": "Alice's phone"})
	r.want(t, 201, &claimed)
	if phone.cookie(session.CookieName) == "" || strings.Contains(r.body, "token") {
		t.Errorf("claim: %s", r.body)
	}
	desk.get(at).want(t, 200, &seen)
	if seen.State != "claimed" || seen.MatchCode != claimed.MatchCode || seen.DeviceName != "Alice's phone" {
		t.Errorf("after the claim: %+v", seen)
	}
	// Each cookie opens its own door and no other.
	phone.get(at).want(t, 401, nil)
	desk.get("/v1/requests").want(t, 401, nil)
	desk.get("/v1/pairings/"+offer.ID).want(t, 401, nil)
	desk.page("POST", at+"/confirm", map[string]string{"match_code": seen.MatchCode}).want(t, 200, &seen)

	var begun struct{ Options json.RawMessage }
	phone.page("POST", "/v1/pairings/"+offer.ID+"/passkey/options", nil).want(t, 200, &begun)
	key := devicetest.NewAuthenticator(t, rpID, origin, devicetest.ES256)
	var made struct{ Device struct{ ID, OP string } }
	phone.page("POST", "/v1/pairings/"+offer.ID+"/passkey",
		map[string]any{"credential": json.RawMessage(key.Create(t, begun.Options))}).want(t, 201, &made)
	desk.get(at).want(t, 200, &seen)
	d, err := w.people.Device(t.Context(), device.DeviceID(made.Device.ID))
	if err != nil || seen.State != "completed" || d.Name != "Alice's phone" || made.Device.OP != "corp" {
		t.Errorf("made %+v, %v, %+v", made, err, seen)
	}
	u, err := w.people.User(t.Context(), d.User)
	if err != nil || u.Subject != "sub-alice" {
		t.Errorf("of %+v, %v", u, err)
	}
	desk.page("DELETE", "/v1/desk", nil).want(t, 204, nil)
	if desk.cookie(session.DeskCookieName) != "" {
		t.Error("the cookie was left")
	}
	for _, s := range []string{secret, phone.cookie(session.CookieName)} {
		if strings.Contains(w.log.String(), s) {
			t.Error("a secret is in the log")
		}
	}
}

// TestDeskEnds: after ten minutes nobody can pair at a screen that was left open.
func TestDeskEnds(t *testing.T) {
	w := newWorld(t)
	desk := w.newBrowser()
	desk.get(desk.toOP())
	w.advance(session.DeskLife - time.Minute)
	desk.page("POST", "/v1/desk/pairings", nil).want(t, http.StatusCreated, nil)
	w.advance(time.Minute)
	desk.page("POST", "/v1/desk/pairings", nil).want(t, http.StatusUnauthorized, nil)
}
