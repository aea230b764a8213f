package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval/policy"
)

// minimal is what must be set; the rest has defaults.
const minimal = `
public_url: https://mitome.example
ops:
  - {name: corp, kind: keycloak}
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mitome.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	c, err := Load(write(t, minimal), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		PublicURL: "https://mitome.example", RPID: "mitome.example", RPName: "Mitome",
		DataDir: "/var/lib/mitome", KeysFile: "/var/lib/mitome/keys.json",
		Listen: Listen{
			Devices: "127.0.0.1:8080", OPs: "127.0.0.1:8081",
			Admin: "unix:/var/lib/mitome/admin.sock", Metrics: "127.0.0.1:9464",
		},
		Database:  Database{URL: "sqlite:/var/lib/mitome/mitome.db"},
		Sessions:  Sessions{Life: 400 * 24 * time.Hour},
		Pairing:   Pairing{CoolingOff: 24 * time.Hour, MaxDevices: 10},
		Push:      Push{WaitForSocket: new(time.Second), WebPush: WebPush{Enabled: new(true), Subject: "https://mitome.example"}},
		Retention: Retention{Deliveries: 30 * 24 * time.Hour},
		Log:       LogConfig{Level: "info", Format: "json"},
		OPs:       []OP{{Name: "corp", Kind: "keycloak", Title: "corp", Push: "full", Limits: policy.DefaultLimits()}},
	}
	if d := cmp.Diff(want.PublicURL+fmt.Sprintf("%#v", want.Listen), c.PublicURL+fmt.Sprintf("%#v", c.Listen)); d != "" {
		t.Error(d)
	}
	want.OPs[0].Rules, want.OPs[0].Settings = c.OPs[0].Rules, c.OPs[0].Settings
	want.OPs[0].Signals.Freeze = 15 * time.Minute
	want.OPs[0].SignIn.Scopes = []string{"openid", "profile", "email"}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
}

func TestEmptyKeepsDefault(t *testing.T) {
	c, err := Load(write(t, minimal+"\nlog: {level: \"\", format: }\nlisten:\nsessions: {life: 0s}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Log.Level != "info" || c.Log.Format != "json" || c.Sessions.Life != 9600*time.Hour {
		t.Errorf("got %+v %+v, want the defaults", c.Log, c.Sessions)
	}
}

func TestEnvironmentWins(t *testing.T) {
	secret := write(t, "postgres://u:p@db/mitome\n")
	c, err := Load(write(t, minimal+"\nlisten: {devices: '127.0.0.1:1'}\n"), []string{
		"MITOME_LISTEN__DEVICES=127.0.0.1:2", "MITOME_DATABASE__URL_FILE=" + secret,
		"MITOME_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1", "MITOME_DATABASE__MANUAL_MIGRATION=true",
		"MITOME_SESSIONS__LIFE=24h", "PATH=/bin", "MITOME_CONFIG=x", "MITOME_RP_NAME=",
		"MITOME_PORT=tcp://10.0.0.1:80", "MITOME_PORT_8080_TCP_ADDR=10.0.0.1", "MITOME_SERVICE_HOST=10.0.0.1",
		// What the tests and their tools are told stays in the shell of whoever develops.
		"MITOME_TEST_CACHE=/var/cache/mitome", "MITOME_TEST_POSTGRES=postgres://localhost", "MITOME_TEST_ANYTHING=1",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen.Devices != "127.0.0.1:2" || string(c.Database.URL) != "postgres://u:p@db/mitome" ||
		!c.Database.ManualMigration || c.Sessions.Life != 24*time.Hour || c.RPName != "Mitome" {
		t.Errorf("got %+v", c)
	}
	if d := cmp.Diff([]string{"10.0.0.0/8", "192.0.2.1"}, c.TrustedProxies); d != "" {
		t.Error(d)
	}
}

// TestFaults checks that every fault of a configuration is told at once, each
// with its path, and none twice.
func TestFaults(t *testing.T) {
	_, err := Load(write(t, `
public_url: http://mitome.example/x
rp_id: other.example
data_dir: here
listen: {devices: nowhere, ops: "127.0.0.1:9464", admin: "0.0.0.0:1", metrics: "127.0.0.1:9464", typo: x}
tls: {ops: {cert_file: /nonexistent}}
trusted_proxies: [localhost]
database: {url: "mysql://secret-password@x"}
admin: {tokens: [{name: "A B", sha256: "12"}, {name: ok, sha256: 5}]}
log: {level: loud, format: 3}
sessions: {life: soon}
ops:
  - {name: Corp, push_detail: some, rules: {binding_message: never, max: 1}}
  - {kind: keycloak, name: a, title: [x]}
  - {kind: keycloak, name: a}
`), []string{"MITOME_LISTN=x", "MITOME_OPS=x", "MITOME_DATABASE__URL_FILE=/nonexistent"})
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want Faults", err)
	}
	var paths []string
	for _, f := range faults {
		paths = append(paths, f.Path)
		if !strings.HasSuffix(f.Text, ".") {
			t.Errorf("%s: %q is not a sentence", f.Path, f.Text)
		}
	}
	want := []string{
		"MITOME_LISTN", "MITOME_OPS", "MITOME_DATABASE__URL_FILE",
		"listen.typo", "admin.tokens[1].sha256", "sessions.life", "log.format",
		"ops[0].rules.max", "ops[1].title",
		"public_url", "rp_id", "data_dir", "listen.admin", "listen.devices", "listen.ops", "tls.ops",
		"admin.tokens[0].name", "admin.tokens[0].sha256", "trusted_proxies[0]", "database.url", "log.level",
		"ops[0].kind", "ops[0].name", "ops[0].push_detail", "ops[0].rules.binding_message", "ops[2].name",
	}
	if d := cmp.Diff(sorted(want), sorted(paths)); d != "" {
		t.Errorf("paths (-want +got):\n%s\n%v", d, err)
	}
	if strings.Contains(err.Error(), "secret-password") {
		t.Errorf("a fault tells the database's password: %v", err)
	}
}

func sorted(in []string) map[string]int {
	out := map[string]int{}
	for _, s := range in {
		out[s]++
	}
	return out
}

// TestOneFault checks each rule on its own: one line changed, one fault.
func TestOneFault(t *testing.T) {
	tests := []struct{ name, add, want string }{
		{"admin TCP without tokens", "listen: {admin: '127.0.0.1:9'}", "listen.admin"},
		{"admin not loopback", "listen: {admin: '192.0.2.1:9'}\nadmin: {tokens: [{name: a, sha256: '" + hash("a") + "'}]}", "listen.admin"},
		{"admin on every address", "listen: {admin: ':9'}\nadmin: {tokens: [{name: a, sha256: '" + hash("a") + "'}]}", "listen.admin"},
		{"admin off", "listen: {admin: 'off'}", "listen.admin"},
		{"admin socket in a relative place", "listen: {admin: 'unix:x'}", "listen.admin"},
		{"admin socket too long", "listen: {admin: 'unix:/" + strings.Repeat("x", 107) + "'}", "listen.admin"},
		{"port too large", "listen: {ops: '127.0.0.1:70000'}", "listen.ops"},
		{"repeated token", "admin: {tokens: [{name: a, sha256: '" + hash("a") + "'}, {name: b, sha256: '" + hash("a") + "'}]}", "admin.tokens[1]"},
		{"rp_id a sibling", "rp_id: xmitome.example", "rp_id"},
		{"rp_id a top-level domain", "rp_id: example", "rp_id"},
		{"relative database", "database: {url: 'sqlite:x.db'}", "database.url"},
		{"negative life", "sessions: {life: -1h}", "sessions.life"},
		{"no time to cool off", "pairing: {cooling_off: 59s}", "pairing.cooling_off"},
		{"cooling for ever", "pairing: {cooling_off: 721h}", "pairing.cooling_off"},
		{"negative cooling", "pairing: {cooling_off: -24h}", "pairing.cooling_off"},
		{"fewer than one device", "pairing: {max_devices: -1}", "pairing.max_devices"},
		{"more devices than anybody has", "pairing: {max_devices: 101}", "pairing.max_devices"},
		{"a number for a name", "rp_name: 5", "rp_name"},
		{"a CA of OPs without TLS", "tls: {ops: {client_ca_file: /nonexistent}}", "tls.ops.client_ca_file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(write(t, minimal+tt.add+"\n"), nil)
			var faults Faults
			if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Path != tt.want {
				t.Errorf("got %v, want one fault at %s", err, tt.want)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	for _, add := range []string{
		"listen: {admin: 'localhost:9'}\nadmin: {tokens: [{name: a, sha256: '" + hash("a") + "'}]}",
		"listen: {metrics: 'off'}",
		"rp_id: mitome.example",
		"database: {url: 'postgres:///mitome'}",
		"database: {url: 'sqlite:/tmp/x.db'}",
		"trusted_proxies: ['::1', 10.0.0.0/8]",
	} {
		if _, err := Load(write(t, minimal+add+"\n"), nil); err != nil {
			t.Errorf("%s: %v", add, err)
		}
	}
	for _, u := range []string{"http://localhost:8080", "http://mitome.localhost:1", "https://a.b.example/"} {
		if _, err := Load(write(t, minimal), []string{"MITOME_PUBLIC_URL=" + u}); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestPublicURL(t *testing.T) {
	for _, u := range []string{"mitome.example", "https://192.0.2.1", "https://x.example/y", "ftp://x.example", "https://u@x.example", "http://x.example"} {
		if _, err := Load(write(t, minimal), []string{"MITOME_PUBLIC_URL=" + u}); err == nil {
			t.Errorf("%s was taken", u)
		}
	}
}

func TestFiles(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil); err == nil {
		t.Error("a file that was named and is not there was no error")
	}
	if _, err := Load(write(t, "a: [\n"), nil); err == nil {
		t.Error("a file that is not YAML was no error")
	}
	if _, err := Load(write(t, minimal+"\nlog: {level: warn}\nlog: {level: info}\n"), nil); err == nil {
		t.Error("a repeated key was no error")
	}
}

// kindConfig is the settings of some kind, as one of its own would look.
type kindConfig struct {
	Issuer string        `koanf:"issuer" required:"true"`
	Guard  time.Duration `koanf:"guard" default:"500ms"`
	Algs   []string      `koanf:"algorithms" default:"A,B"`
}

func TestDecodeKind(t *testing.T) {
	c, err := Load(write(t, `
public_url: https://mitome.example
ops:
  - {name: a, kind: k, issuer: 'https://op', guard: 1s}
  - {name: b, kind: k, isuer: 'https://op', guard: 1}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got kindConfig
	if err := c.Decode(0, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(kindConfig{"https://op", time.Second, []string{"A", "B"}}, got); d != "" {
		t.Error(d)
	}
	err = c.Decode(1, &kindConfig{})
	var faults Faults
	if !errors.As(fmt.Errorf("wrapped: %w", err), &faults) {
		t.Fatalf("got %v, want Faults", err)
	}
	got2 := fmt.Sprint(AtOP(1, fmt.Errorf("wrapped: %w", err)))
	for _, path := range []string{"ops[1].isuer", "ops[1].guard", "ops[1].issuer"} {
		if !strings.Contains(got2, path+": ") {
			t.Errorf("%s is not among the faults: %v", path, got2)
		}
	}
}

func TestAtOP(t *testing.T) {
	err := errors.Join(
		errors.New("margin must be at least 3s"),
		fmt.Errorf("read secret: %w", os.ErrNotExist),
		fmt.Errorf("%w: %w", errors.New("one"), errors.New("sentence")),
	)
	want := Faults{
		{"ops[2].margin", "must be at least 3s."},
		{"ops[2]", "read secret: file does not exist."},
		{"ops[2]", "one: sentence."},
	}
	if d := cmp.Diff(want, AtOP(2, err)); d != "" {
		t.Error(d)
	}
}

func TestSecretsPrintNothing(t *testing.T) {
	c := Config{Database: Database{URL: "postgres://u:hunter2@db/x"}}
	if out := fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Database.URL); strings.Contains(out, "hunter2") {
		t.Error(out)
	}
}

func hash(s string) string { return fmt.Sprintf("%064x", s) }

// TestToolsVariables: a variable that a tool or a test reads must not have the
// program refuse its configuration in the same shell.
func TestToolsVariables(t *testing.T) {
	read := regexp.MustCompile(`MITOME_[A-Z0-9_]+`)
	var environ []string
	for _, pattern := range []string{"../../tools/*.sh", "../../.ci/*", "../../Makefile"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range read.FindAllString(string(b), -1) {
				environ = append(environ, name+"=x")
			}
		}
	}
	if !slices.Contains(environ, "MITOME_TEST_CACHE=x") {
		t.Errorf("the tools read %v; the search is broken", environ)
	}
	if _, err := Load(write(t, minimal), environ); err != nil {
		t.Error(err)
	}
}
