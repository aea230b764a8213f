package browsertest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Connection is one connection of Mitome to the OP, with further lines of its
// configuration, indented by four.
type Connection struct {
	Name, Title, Lines string
	Limits             string // empty: off
	// Freeze is how long a client cannot ask after the user did not start something;
	// no longer than a moment if it is empty.
	Freeze string
}

// limits are those in force.
func (c Connection) limits() string {
	if c.Limits == "" {
		return "{off: true}"
	}
	return c.Limits
}

// Mitome is a running Mitome, behind its Front.
type Mitome struct {
	*Front
	OP *OP

	t       *testing.T
	program string
	dir     string
	ops     string // host:port of the listener for OPs
	log     buffer
}

// Run starts program, a mitome, with an OP of its own.
func Run(t *testing.T, program string, connections ...Connection) *Mitome {
	t.Helper()
	dir, err := os.MkdirTemp("", "mitome") // not t.TempDir: the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	devices := address(t)
	m := &Mitome{Front: newFront(t, "mitome", devices), OP: newOP(t), t: t, program: program, dir: dir, ops: address(t)}
	metrics := address(t)
	lines := []string{
		"public_url: " + m.URL, "data_dir: " + dir,
		fmt.Sprintf("listen: {devices: %q, ops: %q, metrics: %q}", devices, m.ops, metrics),
		// Push services of the tests stand on the loopback. However slow the machine,
		// what an open page shows is not pushed.
		`push: {wait_for_socket: 10s, webpush: {subject: "mailto:operator@mitome.example", allow_private: ["127.0.0.0/8"]}}`,
		"ops:",
	}
	for _, c := range connections {
		lines = append(lines, "  - name: "+c.Name, "    kind: keycloak", "    title: "+c.Title,
			"    issuer: "+m.OP.Issuer, "    internal_url: "+m.OP.Internal, "    guard: 10ms", "    limits: "+c.limits(), "    signals: {freeze: "+cmp.Or(c.Freeze, "1ms")+"}", c.Lines)
	}
	if err := os.WriteFile(m.config(), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.Mitome("keys", "init")
	m.serve(metrics)
	return m
}

func (m *Mitome) config() string { return filepath.Join(m.dir, "mitome.yaml") }

// serve runs the server for as long as the test.
func (m *Mitome) serve(metrics string) {
	m.t.Helper()
	cmd := exec.Command(m.program, "serve", "--config", m.config())
	cmd.Stdout, cmd.Stderr = &m.log, &m.log
	cmd.WaitDelay = Patience
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			m.t.Errorf("mitome serve: %v", err)
		}
		m.read()
	})
	Await(m.t, "mitome serve", func() bool {
		resp, err := http.Get("http://" + metrics + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// read fails the test for what the server's log tells of its pages: a policy that
// was broken, and errors.
func (m *Mitome) read() {
	for line := range strings.Lines(m.log.String()) {
		if strings.Contains(line, "page broke its policy") || strings.Contains(line, `"level":"ERROR"`) && !strings.Contains(line, `"route":"/readyz"`) {
			m.t.Errorf("mitome's log: %s", line)
		}
	}
	if m.t.Failed() {
		m.t.Logf("mitome's log:\n%s", m.log.String())
	}
}

// Mitome runs a command that must succeed, and returns what it wrote.
func (m *Mitome) Mitome(args ...string) string {
	m.t.Helper()
	ctx, stop := context.WithTimeout(m.t.Context(), Patience)
	defer stop()
	cmd := exec.CommandContext(ctx, m.program, append([]string{"--config", m.config()}, args...)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		m.t.Fatalf("mitome %s: %v\n%s", strings.Join(args, " "), err, said.String())
	}
	return out.String()
}

// Offer is an administrator's offer: a mitome pair that waits for the phone.
type Offer struct {
	Link string

	m    *Mitome
	cmd  *exec.Cmd
	done chan struct{} // closed when the command has said its last
}

// Pair has an administrator offer a pairing, who confirms whatever code she sees.
func (m *Mitome) Pair(args ...string) *Offer {
	m.t.Helper()
	cmd := exec.Command(m.program, append([]string{"--config", m.config(), "--json", "pair", "--yes"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	cmd.Stderr = &m.log
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { cmd.Process.Kill() })
	o := &Offer{m: m, cmd: cmd, done: make(chan struct{})}
	dec := json.NewDecoder(out)
	if err := dec.Decode(o); err != nil || o.Link == "" {
		m.t.Fatalf("mitome pair offered nothing: %v", err)
	}
	go func() {
		defer close(o.done)
		for dec.Decode(&struct{}{}) == nil {
		}
	}()
	return o
}

// Completed waits until the pairing is complete.
func (o *Offer) Completed() {
	o.m.t.Helper()
	select {
	case <-o.done:
	case <-time.After(Patience):
		o.m.t.Fatal("mitome pair does not end")
	}
	if err := o.cmd.Wait(); err != nil {
		o.m.t.Fatalf("mitome pair: %v", err)
	}
}

// Await waits until a condition holds.
func Await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
