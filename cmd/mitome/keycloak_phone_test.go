package main_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
)

// phone is a device in software: mitome device, with a folder of its own.
type phone struct {
	g   *gateway
	dir string
}

// pair makes a user and pairs a device with it.
func (g *gateway) pair(t *testing.T, subject, name string) *phone {
	t.Helper()
	g.run(t, "user", "add", "corp", subject, "--name", name)
	return g.another(t, name)
}

// another pairs one more device with a user.
func (g *gateway) another(t *testing.T, name string) *phone {
	t.Helper()
	p := &phone{g: g, dir: t.TempDir()}
	first := exec.CommandContext(t.Context(), g.binary, "--json", "pair", "--yes", name)
	first.Env = append(os.Environ(), "MITOME_CONFIG="+g.config)
	first.Stderr = os.Stderr
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("mitome pair wrote nothing: %v", lines.Err())
	}
	var offer struct{ Link string }
	if err := json.Unmarshal(lines.Bytes(), &offer); err != nil {
		t.Fatal(err)
	}
	p.run(t, "pair", offer.Link, "--name", name+"'s phone")
	for lines.Scan() { // to its end, else Wait would cut it off
	}
	if err := first.Wait(); err != nil {
		t.Fatalf("mitome pair: %v", err)
	}
	return p
}

func (p *phone) args(args []string) []string {
	return append([]string{"device", "--dir", p.dir}, args...)
}

// run runs one command on the device.
func (p *phone) run(t *testing.T, args ...string) string {
	t.Helper()
	return p.g.run(t, p.args(args)...)
}

// do answers a request.
func (p *phone) do(t *testing.T, verb string, args ...string) {
	t.Helper()
	p.run(t, append([]string{verb}, args...)...)
}

// mustNot tries to answer a request and must fail.
func (p *phone) mustNot(t *testing.T, verb string, args ...string) {
	t.Helper()
	out, err := p.g.try(t, p.args(append([]string{verb}, args...))...)
	if err == nil {
		t.Errorf("%s %s was taken:\n%s", verb, strings.Join(args, " "), out)
	}
}

// pending returns the one request that waits for this device, once it is there.
func (p *phone) pending(t *testing.T) string {
	t.Helper()
	var all []struct{ ID string }
	await(t, "a request on the device", patience, func() bool {
		p.g.json(t, &all, p.args([]string{"list"})...)
		return len(all) > 0
	})
	if len(all) != 1 {
		t.Fatalf("%d requests wait, want 1", len(all))
	}
	return all[0].ID
}

// listen has the device follow requests, and returns what it has written so far.
func (p *phone) listen(t *testing.T) func() string {
	t.Helper()
	log := filepath.Join(p.dir, "heard")
	process, err := keycloaktest.Spawn(log, []string{"MITOME_CONFIG=" + p.g.config}, p.g.binary, p.args([]string{"listen"})...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	heard := func() string {
		out, _ := os.ReadFile(log)
		return string(out)
	}
	await(t, "the device to be connected", time.Minute, func() bool {
		return strings.Contains(heard(), "Listening.")
	})
	return heard
}
