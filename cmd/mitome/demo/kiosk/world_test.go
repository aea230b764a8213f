package kiosk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/kiosk"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// world is a kiosk before the demo's OP, with a stand-in for Mitome behind it.
type world struct {
	t   *testing.T
	url string // of the kiosk
	op  string
	log *bytes.Buffer

	mu    sync.Mutex
	spent map[string]bool  // codes that a phone shows, and whether one was used
	asked []map[string]any // what the OP asked Mitome
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, spent: map[string]bool{digits: false}, log: &bytes.Buffer{}}
	mitome := httptest.NewServer(http.HandlerFunc(w.mitome))
	t.Cleanup(mitome.Close)
	var front http.Handler
	opServer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { front.ServeHTTP(rw, r) }))
	t.Cleanup(opServer.Close)
	w.op = opServer.URL
	var err error
	if front, err = op.New(op.Config{
		Issuer: w.op, HTTP: &http.Client{Timeout: 10 * time.Second}, Users: map[string]string{"alice": "sub-alice"},
		Clients: []op.Client{{ID: "kiosk", Name: kiosk.Name, Secret: "s", Mode: rp.Poll}},
		Mitome:  op.Mitome{URL: mitome.URL, Key: "key", Secrets: []string{secret}},
		Log:     slog.New(slog.DiscardHandler), Interval: time.Second,
	}); err != nil {
		t.Fatal(err)
	}
	provider, err := rp.Discover(t.Context(), nil, w.op)
	if err != nil {
		t.Fatal(err)
	}
	k, err := kiosk.New(kiosk.Config{
		CodeURL: "http://mitome.localhost/code", Log: slog.New(slog.NewTextHandler(w.log, nil)),
		Client: &rp.Client{Provider: provider, ID: "kiosk", Auth: rp.SecretBasic("s"), Mode: rp.Poll},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(k)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	return w
}

// mitome takes the OP's requests. A code is good once.
func (w *world) mitome(rw http.ResponseWriter, r *http.Request) {
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	code, _ := in["login_hint_token"].(string)
	spent, shown := w.spent[code]
	switch {
	case !shown:
		rw.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(rw, `{"error":"unknown_user_id"}`)
		return
	case spent:
		rw.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(rw, `{"error":"expired_login_hint_token"}`)
		return
	}
	w.spent[code] = true
	in["id"], in["state"], in["sub"] = fmt.Sprint("r", len(w.asked)), "pending", "sub-of-a-phone"
	w.asked = append(w.asked, in)
	rw.WriteHeader(http.StatusCreated)
	json.NewEncoder(rw).Encode(in)
}

// last is what the OP asked last, and how often it asked.
func (w *world) last() (map[string]any, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.asked) == 0 {
		return nil, 0
	}
	return w.asked[len(w.asked)-1], len(w.asked)
}

// decides sends the decision on the last request to the OP, as Mitome does.
func (w *world) decides(state string) {
	w.t.Helper()
	data, _ := w.last()
	data["state"] = state
	if state == "approved" {
		data["decision"] = map[string]any{"verdict": "approve", "auth_time": time.Now().Unix(), "acr": "phr"}
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

// sheet is what the page's form holds.
type sheet struct {
	item, code string
	picture    []byte
}

// orders sends the form as the page does. Further headers are pairs.
func (w *world) orders(s sheet, headers ...string) (status int, answer map[string]any) {
	w.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	form.WriteField("item", s.item)
	form.WriteField("code", s.code)
	file, err := form.CreateFormFile("picture", "photo.jpg") // which is sent empty, too
	if err != nil {
		w.t.Fatal(err)
	}
	file.Write(s.picture)
	form.Close()
	return w.call(http.MethodPost, "/orders", &b, append([]string{"Content-Type", form.FormDataContentType()}, headers...)...)
}

func (w *world) call(method, path string, body io.Reader, headers ...string) (status int, answer map[string]any) {
	w.t.Helper()
	resp, raw := w.response(method, path, body, headers...)
	_ = json.Unmarshal([]byte(raw), &answer) // a page is no JSON
	return resp.StatusCode, answer
}

func (w *world) response(method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, body)
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
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(raw)
}
