package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// adSecret is in the base URL that the OP is configured with.
const adSecret = "path-secret_0123456789ABCDEFGHIJKL"

// javaOP stands in for java-oauth-server, written from the contract: how it calls
// the simulator in each of its modes, and what its client sees of what it hears.
type javaOP struct {
	*httptest.Server
	base string // of the simulator: Mitome

	mu        sync.Mutex
	slow      int // so many callbacks come before a new request is stored
	callbacks int
	waiting   map[string]*adFlow // by request_id, in mode ASYNC
}

// adFlow is one CIBA request.
type adFlow struct {
	requestID string
	unstored  int         // callbacks that come too early
	client    chan string // gets what the client sees
}

func newJavaOP(t *testing.T) *javaOP {
	o := &javaOP{waiting: map[string]*adFlow{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/backchannel/authentication/callback", o.callback)
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	return o
}

// adAsk is what a client asked for.
type adAsk struct {
	mode, user, binding string
	timeout             int // seconds; 0.8 of expires_in, 5 to 60
}

// ask hands a request over in one of the modes.
func (o *javaOP) ask(t *testing.T, in adAsk, authReqID string) *adFlow {
	t.Helper()
	message := "Client App (My CIBA App) is requesting the following permissions.\n[Requested scopes]: openid,payments"
	if in.binding != "" {
		message += "\n[Binding message]: " + in.binding
	}
	body := map[string]any{
		"workspace": "ws1", "user": in.user, "message": message, "timeout": in.timeout, "actionize_token": authReqID,
	}
	if in.mode == "async" {
		body["state"] = nil
	}
	f := &adFlow{client: make(chan string, 1)}
	switch in.mode {
	case "sync":
		go func() {
			var said struct{ Result *string }
			err := o.post("sync", body, time.Duration(in.timeout)*time.Second+10*time.Second, &said)
			f.client <- seen(said.Result, err)
		}()
		return f
	case "poll":
		go o.poll(f, body)
		return f
	}
	var said struct {
		ID string `json:"request_id"`
	}
	if err := o.post("async", body, 10*time.Second, &said); err != nil || said.ID == "" {
		t.Fatalf("the OP fails its client's request: %q, %v", said.ID, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	f.requestID, f.unstored, o.slow = said.ID, o.slow, 0
	o.waiting[said.ID] = f
	return f
}

// seen is what the client sees of a result: a transaction that failed is, in poll
// and ping, one whose time is over.
func seen(result *string, err error) string {
	if err != nil || result == nil {
		return fmt.Sprint("transaction failed: ", err)
	}
	if s, ok := map[string]string{"allow": "tokens", "deny": "access_denied", "timeout": "expired_token"}[*result]; ok {
		return s
	}
	return "no such result: " + *result
}

// poll asks as often as java-oauth-server does in all, though in shorter steps.
func (o *javaOP) poll(f *adFlow, body map[string]any) {
	var asked struct {
		ID string `json:"request_id"`
	}
	if err := o.post("poll", body, 10*time.Second, &asked); err != nil || asked.ID == "" {
		f.client <- fmt.Sprint("transaction failed: ", err)
		return
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(45 * time.Second); time.Now().Before(end); <-tick.C {
		var said struct{ Status, Result *string }
		err := o.post("result", map[string]any{"request_id": asked.ID}, 10*time.Second, &said)
		switch {
		case err != nil || said.Status == nil:
			f.client <- fmt.Sprint("transaction failed: ", err)
			return
		case *said.Status == "active":
			continue
		case *said.Status == "complete":
			f.client <- seen(said.Result, nil)
			return
		case *said.Status == "timeout":
			f.client <- "expired_token"
			return
		}
		f.client <- "no such status: " + *said.Status
		return
	}
	f.client <- "transaction failed: polled in vain"
}

// post makes one call of the simulator's API. The OP does not look at the status,
// but what it reads must be what it expects.
func (o *javaOP) post(call string, body any, limit time.Duration, into any) error {
	payload, err := json.Marshal(body)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: limit}
	resp, err := client.Post(o.base+"/api/authenticate/"+call, "application/json", bytes.NewReader(payload))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "application/json" {
		return fmt.Errorf("answer is %s: %s", kind, strings.TrimSpace(string(answer)))
	}
	return json.Unmarshal(answer, into)
}

// callback takes a decision from whoever knows the request_id, and forgets the
// request with the first.
func (o *javaOP) callback(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.callbacks++
	var in struct {
		ID     string `json:"request_id"`
		Result *string
		State  any
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if kind != "application/json" || d.Decode(&in) != nil || in.Result == nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f := o.waiting[in.ID]
	if f == nil || f.unstored > 0 {
		if f != nil {
			f.unstored--
		}
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	delete(o.waiting, in.ID)
	f.client <- seen(in.Result, nil)
	w.WriteHeader(http.StatusNoContent)
}

// heard is how often the OP was called back.
func (o *javaOP) heard() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.callbacks
}

// wait returns what the client sees in the end.
func (f *adFlow) wait(t *testing.T) string {
	t.Helper()
	select {
	case s := <-f.client:
		return s
	case <-time.After(patience):
		t.Fatal("the client never hears")
		return ""
	}
}
