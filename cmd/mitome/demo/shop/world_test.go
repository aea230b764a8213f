package shop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/shop"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/tape"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// world is a shop before the demo's OP, with a stand-in for Mitome behind it.
type world struct {
	t    *testing.T
	url  string // of the shop
	op   string
	tape *tape.Tape
	desk *desk
	log  *bytes.Buffer

	mu    sync.Mutex
	asked []map[string]any // what the OP asked Mitome
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, tape: tape.New(), desk: &desk{}, log: &bytes.Buffer{}}
	mitome := httptest.NewServer(http.HandlerFunc(w.mitome))
	t.Cleanup(mitome.Close)
	var front, till http.Handler
	opServer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { front.ServeHTTP(rw, r) }))
	t.Cleanup(opServer.Close)
	notes := &rp.Notifications{}
	shopServer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cb" {
			notes.ServeHTTP(rw, r)
			return
		}
		till.ServeHTTP(rw, r)
	}))
	t.Cleanup(shopServer.Close)
	w.url, w.op = shopServer.URL, opServer.URL
	conf := op.Config{
		Issuer: w.op, HTTP: &http.Client{Timeout: 10 * time.Second}, Users: map[string]string{"alice": "sub-alice"},
		Mitome:   op.Mitome{URL: mitome.URL, Key: "key", Secrets: []string{secret}},
		Interval: time.Second, Log: slog.New(slog.DiscardHandler), DetailTypes: shop.DetailTypes,
	}
	for _, m := range shop.Modes {
		conf.Clients = append(conf.Clients, op.Client{
			ID: string(m), Name: shop.Name, Secret: "s-" + string(m), Mode: rp.Mode(m), UserCode: true,
			NotificationEndpoint: w.url + "/cb",
		})
	}
	var err error
	if front, err = op.New(conf); err != nil {
		t.Fatal(err)
	}
	provider, err := rp.Discover(t.Context(), nil, w.op)
	if err != nil {
		t.Fatal(err)
	}
	clients := map[shop.Mode]*rp.Client{}
	for _, m := range shop.Modes {
		clients[m] = &rp.Client{
			Provider: provider, ID: string(m), Auth: rp.SecretBasic("s-" + string(m)), Mode: rp.Mode(m), Notifications: notes,
		}
	}
	if till, err = shop.New(shop.Config{
		URL: w.url, PhoneURL: "http://mitome.localhost", Clients: clients, Desk: w.desk, Tape: w.tape,
		Now: time.Now, User: "alice", Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

// mitome takes the OP's requests. Whoever has no phone is known to nobody.
func (w *world) mitome(rw http.ResponseWriter, r *http.Request) {
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.t.Error(err)
	}
	if paired, _ := w.desk.Paired(r.Context()); !paired {
		rw.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(rw, `{"error":"unknown_user_id"}`)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, in)
	in["id"], in["state"] = fmt.Sprint("r", len(w.asked)), "pending"
	rw.WriteHeader(http.StatusCreated)
	json.NewEncoder(rw).Encode(in)
}

// last is what the OP asked last.
func (w *world) last() map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[len(w.asked)-1]
}

// decides sends the decision on the last request to the OP, as Mitome does.
func (w *world) decides(state string) {
	w.t.Helper()
	data := w.last()
	data["state"] = state
	if state == "approved" {
		data["decision"] = map[string]any{"verdict": "approve", "auth_time": time.Now().Unix(), "acr": "phr", "amr": []string{"pop", "user"}}
	}
	event, err := json.Marshal(map[string]any{"type": "request.decided", "data": data})
	if err != nil {
		w.t.Fatal(err)
	}
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		w.t.Fatal(err)
	}
	now := time.Now()
	signature, err := hook.Sign("msg_1", now, event)
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, w.op+op.WebhookPath, bytes.NewReader(event))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header = http.Header{"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {fmt.Sprint(now.Unix())}, "Webhook-Signature": {signature}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		w.t.Errorf("the OP answers a decision with %d, want 204", resp.StatusCode)
	}
}

// call makes a call as the page does, or with other headers, given in pairs.
func (w *world) call(method, path, body string, headers ...string) (status int, answer map[string]any) {
	w.t.Helper()
	resp := w.response(method, path, body, headers...)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = json.Unmarshal(raw, &answer) // a page is no JSON
	return resp.StatusCode, answer
}

func (w *world) response(method, path, body string, headers ...string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp
}

// desk pairs one phone, without Mitome.
type desk struct {
	mu    sync.Mutex
	state string
}

var errDown = errors.New("the database is down")

func (d *desk) set(state string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state = state
}

func (d *desk) Offer(context.Context) (shop.Offer, error) {
	d.set("offered")
	return shop.Offer{ID: "p1", Link: "http://mitome.localhost/pair#SECRET"}, nil
}

func (d *desk) Pairing(context.Context, string) (shop.Pairing, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == "down" {
		return shop.Pairing{}, errDown
	}
	return shop.Pairing{State: d.state, MatchCode: "123456", DeviceName: "Pixel"}, nil
}

func (d *desk) Confirm(context.Context, string) error {
	d.set("confirmed")
	return nil
}

func (d *desk) Paired(context.Context) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state == "completed", nil
}
