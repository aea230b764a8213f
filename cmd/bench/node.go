package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// The engines.
const (
	sqliteEngine   = "sqlite"
	postgresEngine = "postgres"
)

// opName is the connection that asks.
const opName = "bench"

// patience is how long a node may take to start or to stop.
const patience = 30 * time.Second

// node is one Mitome, as an operator runs it.
type node struct {
	program, dir string
	public       string // base URL, where the proxy of pair.go stands
	devices      string // host:port, as are those below
	ops, metrics string
	admin        string // unix:path
	webhook      string // of the OP
	apiKey       string
	secret       string // of the webhook
	limits       string // of the connection
	cmd          *exec.Cmd
}

// newNode writes the configuration of a node of its own.
func newNode(program, dir, engine, database string) (*node, error) {
	return newLimited(program, filepath.Join(dir, engine), database, highLimits)
}

// newLimited is newNode in a folder of its own, with these limits.
func newLimited(program, dir, database, limits string) (*node, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	n := &node{program: program, dir: dir, limits: limits, apiKey: "bench_" + rand.Text()}
	secret := make([]byte, 32)
	rand.Read(secret) // never fails, says crypto/rand
	n.secret = "whsec_" + base64.StdEncoding.EncodeToString(secret)
	if err := os.Mkdir(n.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	n.admin = "unix:" + filepath.Join(n.dir, "admin.sock")
	free, err := freePorts(5)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(free[0])
	if err != nil {
		return nil, err
	}
	n.public, n.devices, n.ops, n.metrics, n.webhook = "http://localhost:"+port, free[1], free[2], free[3], free[4]
	if err := os.WriteFile(n.config(), n.configuration(database), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	cmd := exec.Command(n.program, "keys", "init", "--config", n.config())
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mitome keys init: %w: %s", err, said)
	}
	return n, nil
}

func (n *node) config() string { return filepath.Join(n.dir, "mitome.yaml") }
func (n *node) phones() string { return filepath.Join(n.dir, "phones") }
func (n *node) log() string    { return filepath.Join(n.dir, "log") }

// configuration is what an operator would write, and nothing that only a
// measurement would want: what is not named has its default.
func (n *node) configuration(database string) []byte {
	hash := sha256.Sum256([]byte(n.apiKey))
	var b bytes.Buffer
	fmt.Fprintf(&b, "public_url: %s\ndata_dir: %s\n", n.public, n.dir)
	fmt.Fprintf(&b, "trusted_proxies: [127.0.0.1]\nlisten: {devices: %q, ops: %q, metrics: %q}\n", n.devices, n.ops, n.metrics)
	if database != "" {
		fmt.Fprintf(&b, "database: {url: %q}\n", database)
	}
	fmt.Fprintf(&b, `ops:
  - name: %s
    kind: webhook
    keys: [{name: bench, sha256: "%s"}]
    limits: %s
    webhook: {url: "http://%s/webhook", secrets: ["%s"], allow_private: ["127.0.0.0/8"]}
`, opName, hex.EncodeToString(hash[:]), n.limits, n.webhook, n.secret)
	return b.Bytes()
}

// start runs the node and returns how long it took until it said it was ready.
func (n *node) start(ctx context.Context) (time.Duration, error) {
	log, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	n.cmd = exec.Command(n.program, "serve", "--config", n.config())
	n.cmd.Stderr = log
	began := time.Now()
	if err := n.cmd.Start(); err != nil {
		return 0, fmt.Errorf("start mitome: %w", err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !n.ready() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, errors.Join(ctx.Err(), n.stop())
		}
		if time.Since(began) > patience {
			return 0, errors.Join(errors.New("mitome does not become ready"), n.stop(), n.tail())
		}
	}
	return time.Since(began), nil
}

func (n *node) ready() bool {
	resp, err := http.Get("http://" + n.metrics + "/readyz")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// stop ends the node as an operator would, and makes sure that it is gone.
func (n *node) stop() error {
	if n.cmd == nil {
		return nil
	}
	defer time.AfterFunc(patience, func() { _ = n.cmd.Process.Kill() }).Stop()
	err := errors.Join(n.cmd.Process.Signal(syscall.SIGTERM), n.cmd.Wait())
	n.cmd = nil
	http.DefaultClient.CloseIdleConnections()
	return err
}

// tail is the end of the log as an error, for whoever must find out what went
// wrong: the folder is removed.
func (n *node) tail() error {
	b, err := os.ReadFile(n.log())
	if err != nil {
		return err
	}
	return fmt.Errorf("its log ends with:\n%s", b[max(0, len(b)-4096):])
}

// freePorts returns addresses on which nobody listens.
func freePorts(count int) ([]string, error) {
	var out []string
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a port: %w", err)
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out, nil
}
