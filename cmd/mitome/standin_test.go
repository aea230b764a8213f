package main_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
)

// newStandalone starts Mitome, as operators run it, with one connection, corp,
// whose settings are given; what stands in for the OP is the caller's. It returns
// where the OP finds it.
func newStandalone(t *testing.T, settings ...string) (g *gateway, ops string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mitome") // the path of a Unix socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	g = &gateway{binary: "mitome", dir: dir, config: filepath.Join(dir, "mitome.yaml")}
	t.Cleanup(func() { g.printLog(t) })
	devices, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	if ops, err = loopback.Address(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(devices)
	g.devices = "http://localhost:" + port
	text := "public_url: " + g.devices + "\ndata_dir: " + dir +
		"\nlisten: {devices: '" + devices + "', ops: '" + ops + "', metrics: 'off'}" +
		"\nops:\n  - name: corp\n    limits: {off: true}\n    "
	if !slices.ContainsFunc(settings, func(s string) bool { return strings.HasPrefix(s, "signals:") }) {
		text += "signals: {freeze: 1ms}\n    "
	}
	text += strings.Join(settings, "\n    ") + "\n"
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.run(t, "keys", "init")
	g.start(t)
	t.Cleanup(func() { g.process.Kill() })
	return g, "http://" + ops
}

// keepsSecret checks that a secret stands in the clear in none of Mitome's files:
// database, journal, log.
func (g *gateway) keepsSecret(t *testing.T, secret string) {
	t.Helper()
	part := secret
	if len(secret) >= 24 { // a third of a short one stands somewhere by chance
		part = secret[len(secret)/3 : 2*len(secret)/3]
	}
	files, err := filepath.Glob(filepath.Join(g.dir, "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || path == g.config {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(part)) {
			t.Errorf("the OP's secret stands in %s", filepath.Base(path))
		}
	}
}

// refused checks that a request of the OP's is answered so, and creates nothing.
func (g *gateway) refused(t *testing.T, r *http.Request, want int) {
	t.Helper()
	before := len(g.requests(t))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if after := len(g.requests(t)); resp.StatusCode != want || after != before {
		t.Errorf("answered %d, want %d; there are %d requests, want %d", resp.StatusCode, want, after, before)
	}
}
