package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// approved is the state that every flow ends in.
const approved = "approved"

// maxWebhook bounds what the OP reads of one.
const maxWebhook = 64 << 10

// provider is the OP: it asks by our own API and is told by webhook.
type provider struct {
	path, key string
	verify    *standardwebhooks.Webhook
	server    *http.Server
	listener  net.Listener

	mu      sync.Mutex
	waiting map[string]chan string // by request: the state that the webhook named
	strays  int                    // webhooks that nobody waited for
}

func newProvider(t task) (*provider, error) {
	verify, err := standardwebhooks.NewWebhook(t.Secret)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	l, err := net.Listen("tcp", t.Webhook)
	if err != nil {
		return nil, fmt.Errorf("listen for webhooks: %w", err)
	}
	p := &provider{
		path: "/op/" + t.OP + "/v1/requests", key: t.APIKey, verify: verify, listener: l, waiting: map[string]chan string{},
	}
	p.server = &http.Server{Handler: http.HandlerFunc(p.webhook), ReadHeaderTimeout: 5 * time.Second}
	return p, nil
}

// Run takes webhooks until the listener is closed.
func (p *provider) Run() { _ = p.server.Serve(p.listener) }

// ask hands over a request for a user and returns its id.
func (p *provider) ask(c *conn, user, reference string) (string, error) {
	body := fmt.Appendf(nil, `{"sub":%q,"client_id":"till","client_name":"Till","scope":"openid profile","binding_message":"W4SCT"}`, user)
	answer, err := c.call(http.MethodPost, p.path,
		"Authorization: Bearer "+p.key+"\r\nIdempotency-Key: "+reference+"\r\n", body)
	if err != nil {
		return "", err
	}
	var made struct{ ID, State string }
	if err := json.Unmarshal(answer, &made); err != nil || made.ID == "" || made.State != "pending" {
		return "", fmt.Errorf("not a pending request: %s", answer)
	}
	return made.ID, nil
}

// expect returns what will hear how request id ended.
func (p *provider) expect(id string) <-chan string {
	c := make(chan string, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[id] = c
	return c
}

// webhook takes a decision. One that is not signed, or comes a second time, is
// remembered: it must not happen.
func (p *provider) webhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxWebhook))
	var event struct {
		Type string
		Data struct{ ID, State string }
	}
	if err == nil {
		err = p.verify.Verify(body, r.Header)
	}
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	p.mu.Lock()
	told, ok := p.waiting[event.Data.ID]
	delete(p.waiting, event.Data.ID)
	if err != nil || !ok {
		p.strays++
	}
	p.mu.Unlock()
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
	if ok {
		told <- event.Data.State
	}
}

// check says whether every webhook was one that was waited for.
func (p *provider) check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.strays > 0 || len(p.waiting) > 0 {
		return fmt.Errorf("%d webhooks too many, %d too few", p.strays, len(p.waiting))
	}
	return nil
}
