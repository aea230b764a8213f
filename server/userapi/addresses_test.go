package userapi_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

const endpoint = "https://push.example.com/s/tgt5ecretWxyz"

// subscription is what a browser says of where it is reached.
func subscription(t *testing.T) map[string]any {
	t.Helper()
	key := must(ecdh.P256().GenerateKey(rand.Reader))(t)
	return map[string]any{
		"channel": "webpush", "target": endpoint,
		"p256dh": base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes()),
		"auth":   base64.URLEncoding.EncodeToString([]byte("sixteen bytes ok")), // padded, as some libraries do
	}
}

// registered is the answer to a registration.
type registered struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
}

// reached are the addresses of a phone's device beside its socket.
func (p *phone) reached() (out []push.Address) {
	p.w.t.Helper()
	d := must(p.w.db.Device(p.w.t.Context(), p.device.ID))(p.w.t)
	for _, a := range d.Addresses {
		if a.Channel != push.WebSocket {
			out = append(out, a)
		}
	}
	return out
}

func TestChannels(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	p.pair("corp", "alice")
	var got struct {
		WebPush *struct {
			PublicKey string `json:"public_key"`
		} `json:"webpush"`
		Channels []string
	}
	p.do("GET", "/v1/push", nil).want(t, 200, &got)
	if got.WebPush == nil || got.WebPush.PublicKey != "public" || !slices.Equal(got.Channels, []string{"apns", "webpush"}) {
		t.Errorf("got %+v", got)
	}
}

// TestRegister: a device says where it is reached, and again at its next start.
func TestRegister(t *testing.T) {
	w := newWorld(t)
	w.secrets = append(w.secrets, endpoint)
	p := w.newPhone()
	p.pair("corp", "alice")
	sub := subscription(t)
	header := p.headers("POST", p.path("/addresses"))
	header.Set("Accept-Language", "ja, en;q=0.5")
	var first, again registered
	p.send(call{method: "POST", path: p.path("/addresses"), body: sub, header: header}).want(t, 201, &first)
	want := push.Address{
		ID: push.AddressID(first.ID), Channel: push.WebPush, Target: endpoint, Locale: "ja, en;q=0.5",
		Key: push.DeviceKey{P256DH: must(base64.RawURLEncoding.DecodeString(sub["p256dh"].(string)))(t), Auth: []byte("sixteen bytes ok")},
	}
	got := p.reached()
	if len(got) != 1 || got[0].Since.IsZero() || first.Channel != "webpush" {
		t.Fatalf("got %v", got)
	}
	want.Since = got[0].Since
	if diff := cmp.Diff([]push.Address{want}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	bare := map[string]any{"channel": "webpush", "target": endpoint, "locale": "en"}
	p.do("POST", p.path("/addresses"), bare).want(t, 201, &again)
	if got = p.reached(); again != first || len(got) != 1 || !got[0].Key.IsZero() || got[0].Locale != "en" || !got[0].Since.After(want.Since) {
		t.Errorf("again: %v, %v", again, got)
	}
	p.do("DELETE", p.path("/addresses/"+first.ID), nil).want(t, 204, nil)
	p.do("DELETE", p.path("/addresses/"+first.ID), nil).wantProblem(t, 404, "address_not_found")
	if got := p.reached(); len(got) != 0 {
		t.Errorf("dropped, and there is %v", got)
	}
}

// TestRegisterRefuses: an address that nobody could send to, or ought to call.
func TestRegisterRefuses(t *testing.T) {
	s := newStage(t)
	s.secrets = append(s.secrets, endpoint)
	with := func(change ...any) map[string]any {
		out := subscription(t)
		for i := 0; i < len(change); i += 2 {
			out[change[i].(string)] = change[i+1]
		}
		return out
	}
	point := base64.RawURLEncoding.EncodeToString(append([]byte{4}, make([]byte, 64)...))
	for name, body := range map[string]map[string]any{
		"a channel that is off":          with("channel", "fcm"),
		"a channel that nobody knows":    with("channel", "pigeon"),
		"the socket, which needs none":   with("channel", "websocket"),
		"a URL that is none":             with("target", "push"),
		"plain http":                     with("target", "http://push.example.com/s"),
		"our own network":                with("target", "https://127.0.0.1/s"),
		"a key that is no text of bytes": with("p256dh", "%%%"),
		"a key off the curve":            with("p256dh", point),
		"a key without its secret":       with("auth", ""),
		"a secret without its key":       with("p256dh", ""),
		"a secret that is short":         with("auth", "AAAA"),
	} {
		t.Run(name, func(t *testing.T) {
			c := call{method: "POST", path: s.alice.path("/addresses"), body: body}
			s.unharmed(t, s.alice, c).wantProblem(t, 400, "invalid_address")
		})
	}
	c := call{method: "POST", path: s.alice.path("/addresses"), body: with("channel", "")}
	s.unharmed(t, s.alice, c).wantProblem(t, 422, "invalid_request")
}

// TestReachOnlyItself: where a device is reached it says itself, and a cooling
// one may as well: it is asked nothing before it is active.
func TestReachOnlyItself(t *testing.T) {
	_, _, old, fresh := newFamily(t)
	sub := subscription(t)
	var of registered
	fresh.do("POST", fresh.path("/addresses"), sub).want(t, 201, &of)
	fresh.do("POST", old.path("/addresses"), sub).wantProblem(t, 403, "device_cooling")
	fresh.do("POST", old.path("/test"), nil).wantProblem(t, 403, "device_cooling")
	for _, c := range []call{
		{method: "POST", path: fresh.path("/addresses"), body: sub}, {method: "POST", path: fresh.path("/test")},
		{method: "DELETE", path: fresh.path("/addresses/" + of.ID)},
	} {
		old.send(c).wantProblem(t, 403, "not_allowed")
	}
	old.do("DELETE", old.path("/addresses/"+of.ID), nil).wantProblem(t, 404, "address_not_found")
	if got := fresh.reached(); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

// TestOneBrowserForTwo: one browser stands for devices of two users, which share
// its subscription; in the hands of somebody else it is theirs no more.
func TestOneBrowserForTwo(t *testing.T) {
	w := newWorld(t)
	both, other := w.newPhone(), w.newPhone()
	both.pair("corp", "alice")
	alices := *both
	both.pair("bank", "bob")
	other.pair("corp", "mallory")
	sub := subscription(t)
	for _, p := range []*phone{&alices, both} {
		both.do("POST", p.path("/addresses"), sub).want(t, 201, nil)
	}
	if len(alices.reached()) != 1 || len(both.reached()) != 1 {
		t.Errorf("alice's: %v, bob's: %v", alices.reached(), both.reached())
	}
	other.do("POST", other.path("/addresses"), sub).want(t, 201, nil)
	if len(alices.reached())+len(both.reached()) != 0 || len(other.reached()) != 1 {
		t.Errorf("alice's: %v, bob's: %v, mallory's: %v", alices.reached(), both.reached(), other.reached())
	}
}

// TestTestMessage: a job for each address, besides the one that a new address had by
// itself, and not as many as somebody likes.
func TestTestMessage(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	p.pair("corp", "alice")
	p.do("POST", p.path("/addresses"), subscription(t)).want(t, 201, nil)
	var out struct {
		Addresses int `json:"addresses"`
	}
	p.do("POST", p.path("/test"), nil).want(t, 202, &out)
	if jobs := w.rows(`SELECT kind, subject FROM outbox`); out.Addresses != 2 || len(jobs) != 3 || jobs[0] != "|test|"+string(p.device.ID)+"|" {
		t.Errorf("got %+v, jobs %v", out, jobs)
	}
	for range 50 {
		if a := p.do("POST", p.path("/test"), nil); a.status == http.StatusTooManyRequests {
			a.wantProblem(t, 429, "rate")
			return
		}
	}
	t.Error("51 tests in a moment")
}

// TestRevokedIsNotReached: with the device its addresses go, for good.
func TestRevokedIsNotReached(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	p.pair("corp", "alice")
	body := maps.Clone(subscription(t))
	p.do("POST", p.path("/addresses"), body).want(t, 201, nil)
	if err := w.devices.Revoke(t.Context(), p.device.ID, device.Mitome); err != nil {
		t.Fatal(err)
	}
	if got := p.reached(); len(got) != 0 {
		t.Errorf("it is reached at %v", got)
	}
	if a := p.do("POST", p.path("/addresses"), body); a.status/100 == 2 {
		t.Errorf("got %v", a)
	}
}

// TestDoubtful: who reads the list of her devices sees which of them
// notifications may not reach, until the device says anew where it is.
func TestDoubtful(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	p.pair("corp", "alice")
	sub := subscription(t)
	p.do("POST", p.path("/addresses"), sub).want(t, 201, nil)
	doubtful := func() bool {
		t.Helper()
		return p.mine()[string(p.device.ID)].DoubtfulSince != nil
	}
	if doubtful() {
		t.Error("doubtful before anything was sent")
	}
	if err := w.db.DoubtAddress(t.Context(), p.reached()[0].ID, true); err != nil {
		t.Fatal(err)
	}
	if !doubtful() {
		t.Error("not doubtful")
	}
	p.do("POST", p.path("/addresses"), sub).want(t, 201, nil)
	if doubtful() {
		t.Error("doubtful though it said anew where it is")
	}
}
