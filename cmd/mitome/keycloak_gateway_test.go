package main_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
)

// patience is how long a test waits for something that ought to happen at once.
const patience = 30 * time.Second

// opening says how a gateway is to be set up; the zero value is the default.
type opening struct {
	Postgres bool
	Realm    keycloaktest.Policy
	Freeze   string // how long a client cannot ask after its user did not start something; empty: a moment
	Settings string // further lines of the connection, indented by four
}

// gateway is a Mitome, run as operators run it, for one realm of Keycloak.
type gateway struct {
	realm *keycloaktest.Realm
	wire  *wire

	binary  string
	dir     string
	config  string
	devices string // public URL
	process *keycloaktest.Process
}

// newGateway makes a realm, a configuration and keys, and starts Mitome on them.
func newGateway(t *testing.T, s *stage, o opening) *gateway {
	t.Helper()
	// Not t.TempDir: the path of a Unix socket must be short.
	dir, err := os.MkdirTemp("", "mitome")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	g := &gateway{realm: s.kc.Realm(t, o.Realm), wire: newWire(t, s.kc), binary: s.binary, dir: dir}
	t.Cleanup(func() { g.printLog(t) })
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	g.devices = "http://localhost:" + port
	g.config = filepath.Join(dir, "mitome.yaml")
	if err := os.WriteFile(g.config, []byte(g.yaml(t, port, o)), 0o600); err != nil {
		t.Fatal(err)
	}
	g.run(t, "keys", "init")
	g.start(t)
	t.Cleanup(func() { g.process.Kill() })
	s.kc.Channel.Handle(g.realm.Name, g.front())
	return g
}

func (g *gateway) yaml(t *testing.T, port string, o opening) string {
	lines := []string{
		"public_url: " + g.devices,
		"data_dir: " + g.dir,
		"listen:",
		"  devices: 127.0.0.1:" + port,
		"  ops: unix:" + g.opsSocket(),
		"  metrics: \"off\"",
	}
	if o.Postgres {
		lines = append(lines, "database:", "  url: "+schema(t))
	}
	lines = append(lines,
		"ops:",
		"  - name: corp",
		"    kind: keycloak",
		"    issuer: "+g.realm.Issuer,
		"    internal_url: "+g.wire.URL,
		"    limits: {off: true}",
		"    signals: {freeze: "+cmp.Or(o.Freeze, "1ms")+"}",
		o.Settings,
	)
	return strings.Join(lines, "\n") + "\n"
}

func (g *gateway) opsSocket() string { return filepath.Join(g.dir, "ops.sock") }

// front is the way from Keycloak's channel to Mitome's listener for OPs.
func (g *gateway) front() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL = &url.URL{Scheme: "http", Host: "mitome", Path: "/op/corp"}
		},
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", g.opsSocket())
			},
		},
	}
}

// start runs mitome serve and returns when it answers.
func (g *gateway) start(t *testing.T) {
	t.Helper()
	var err error
	g.process, err = keycloaktest.Spawn(g.log(), nil, g.binary, "serve", "--config", g.config)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "mitome serve", patience, func() bool {
		resp, err := http.Get(g.devices + "/.well-known/jwks.json")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
}

// kill ends Mitome with kill -9.
func (g *gateway) kill() { g.process.Kill() }

func (g *gateway) log() string { return filepath.Join(g.dir, "log") }

// printLog shows what Mitome said, to whoever must find out why a test failed.
func (g *gateway) printLog(t *testing.T) {
	if t.Failed() {
		out, _ := os.ReadFile(g.log())
		t.Logf("mitome's log:\n%s", out)
	}
}

// try runs one command of mitome on this gateway.
func (g *gateway) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.binary, args...)
	cmd.Env = append(os.Environ(), "MITOME_CONFIG="+g.config)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run is try for a command that must succeed.
func (g *gateway) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := g.try(t, args...)
	if err != nil {
		t.Fatalf("mitome %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// schema makes a schema of its own in the PostgreSQL for tests and returns the
// URL for it.
func schema(t *testing.T) string {
	t.Helper()
	base := os.Getenv("MITOME_TEST_POSTGRES")
	if base == "" {
		t.Fatal("MITOME_TEST_POSTGRES is not set; tools/postgres.sh start makes one")
	}
	db, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := "e2e_" + strings.ToLower(rand.Text())
	if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db, err := sql.Open("pgx", base)
		if err != nil {
			return
		}
		defer db.Close()
		db.Exec(fmt.Sprintf("DROP SCHEMA %s CASCADE", name))
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}
