package main_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
	"github.com/mitome-ciba/mitome/server/adminapi"
)

// The one user of a pushWorld, in the words that no push service may read.
const (
	pushUser     = "subject-of-aiko-5107"
	pushUserName = "Aiko Tanaka"
)

// pushWorld is a Mitome, run as operators run it, with every push channel on, the
// services of the vendors, and an OP that asks by Mitome's own API.
type pushWorld struct {
	t        *testing.T
	services *pushServices
	op       *hookedOP

	url     string // of the listener for devices
	ops     string // of the one for OPs
	dir     string
	metrics string
	process *keycloaktest.Process
}

// newPushWorld starts everything on a database: "sqlite" or "postgres".
func newPushWorld(t *testing.T, database string) *pushWorld {
	t.Helper()
	return newLimitedWorld(t, database, "{off: true}")
}

// newLimitedWorld is newPushWorld with limits.
func newLimitedWorld(t *testing.T, database, limits string) *pushWorld {
	t.Helper()
	dir, err := os.MkdirTemp("", "mitome") // not t.TempDir: the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &pushWorld{t: t, dir: dir, services: newPushServices(t, dir), op: newHookedOP(t, limits)}
	at := map[string]string{}
	for _, name := range []string{"devices", "ops", "metrics"} {
		if at[name], err = loopback.Address(); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(at["devices"])
	w.url, w.ops, w.metrics = "http://localhost:"+port, "http://"+at["ops"], "http://"+at["metrics"]
	yaml := fmt.Sprintf("public_url: %s\ndata_dir: %s\nlisten: {devices: %q, ops: %q, metrics: %q}\n%s%s",
		w.url, dir, at["devices"], at["ops"], at["metrics"], w.services.config, w.op.config)
	if database == "postgres" {
		yaml += fmt.Sprintf("database: {url: %q}\n", schema(t))
	}
	if err := os.WriteFile(w.config(), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	w.mitome("keys", "init")
	t.Cleanup(w.stop)
	w.start()
	w.mitome("user", "add", "shop", pushUser, "--name", pushUserName)
	return w
}

func (w *pushWorld) config() string { return filepath.Join(w.dir, "mitome.yaml") }

// start runs mitome serve and returns when it is ready.
func (w *pushWorld) start() {
	w.t.Helper()
	var err error
	// The certificate of the fake Apple is taken as an operator's own would be.
	w.process, err = keycloaktest.Spawn(filepath.Join(w.dir, "log"), []string{"SSL_CERT_FILE=" + w.services.ca},
		program(w.t), "serve", "--config", w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	await(w.t, "mitome serve", patience, func() bool {
		resp, err := http.Get(w.metrics + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop ends Mitome with kill -9, and shows what it said if the test failed.
func (w *pushWorld) stop() {
	if w.process != nil {
		w.process.Kill()
	}
	if w.t.Failed() {
		out, _ := os.ReadFile(filepath.Join(w.dir, "log"))
		w.t.Logf("mitome's log:\n%s", out)
	}
}

// program is mitome, as TestMain has put it on the PATH.
func program(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("mitome")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// mitome runs a command that must succeed, and returns what it wrote.
func (w *pushWorld) mitome(args ...string) []byte {
	w.t.Helper()
	ctx, stop := context.WithTimeout(w.t.Context(), patience)
	defer stop()
	cmd := exec.CommandContext(ctx, program(w.t), append([]string{"--config", w.config()}, args...)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("mitome %s: %v\n%s", strings.Join(args, " "), err, said.String())
	}
	return out.Bytes()
}

// request is what an administrator sees of a request.
func (w *pushWorld) request(id string) (r adminapi.Request) {
	w.t.Helper()
	if err := json.Unmarshal(w.mitome("--json", "request", "show", id), &r); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// ask has the OP ask for a request; change is put over what it says otherwise.
func (w *pushWorld) ask(change map[string]any) string {
	w.t.Helper()
	in := map[string]any{"sub": pushUser, "client_id": "till"}
	for name, value := range change {
		in[name] = value
	}
	body, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.ops+"/op/shop/v1/requests", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	w.op.asks++
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+w.op.key)
	req.Header.Set("Idempotency-Key", w.op.authReqID(w.op.asks))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	var out struct{ ID string }
	if err != nil || resp.StatusCode != http.StatusCreated || json.Unmarshal(answer, &out) != nil {
		w.t.Fatalf("asking: %v, %d %s", err, resp.StatusCode, answer)
	}
	return out.ID
}

// told waits until the OP was told how a request ended.
func (w *pushWorld) told(id, state string) {
	w.t.Helper()
	await(w.t, "the OP to be told of "+state, patience, func() bool { return w.op.heard(id) != "" })
	check(w.t, "the OP", w.op.heard(id), state)
}

// hookedOP is an OP that is told of decisions by webhook.
type hookedOP struct {
	key    string // by which it asks
	config string // its section of a configuration
	prefix string // of its auth_req_ids
	asks   int

	mu   sync.Mutex
	said map[string]decided // by request
}

// decided is what the OP is told of a request.
type decided struct {
	ID, State string
	To        map[string]int `json:"delivered_to"`
}

func newHookedOP(t *testing.T, limits string) *hookedOP {
	t.Helper()
	secret := make([]byte, 32)
	rand.Read(secret)
	hook, err := standardwebhooks.NewWebhookRaw(secret)
	if err != nil {
		t.Fatal(err)
	}
	o := &hookedOP{key: rand.Text(), prefix: rand.Text(), said: map[string]decided{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var in struct{ Data decided }
		if err != nil || hook.Verify(body, r.Header) != nil || json.Unmarshal(body, &in) != nil {
			t.Errorf("the OP was told what it cannot believe: %s", body)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.said[in.Data.ID] = in.Data
	}))
	t.Cleanup(srv.Close)
	o.config = fmt.Sprintf(`ops:
  - name: shop
    kind: webhook
    title: The OP
    limits: %s
    keys: [{name: test, sha256: "%x"}]
    webhook: {url: %q, secrets: [whsec_%s], allow_private: ["127.0.0.0/8"]}
`, limits, sha256.Sum256([]byte(o.key)), srv.URL+"/mitome", base64.StdEncoding.EncodeToString(secret))
	return o
}

func (o *hookedOP) authReqID(n int) string { return fmt.Sprintf("%s-%d", o.prefix, n) }

func (o *hookedOP) heard(id string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.said[id].State
}

// delivered is how many addresses of each channel the OP was told of.
func (o *hookedOP) delivered(id string) map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.said[id].To
}
