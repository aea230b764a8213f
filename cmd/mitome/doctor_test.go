package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// TestExaminers finds a kind of connection that the doctor would pass over.
func TestExaminers(t *testing.T) {
	for _, k := range kinds {
		if examiners[k.name] == nil {
			t.Errorf("the doctor does not look at connections of kind %s", k.name)
		}
	}
}

// TestDoctorWebhook goes to the OP's endpoint by the guard that its connection
// has, and by no other.
func TestDoctorWebhook(t *testing.T) {
	for name, tt := range map[string]struct{ webhook, words string }{
		"allowed":     {"url: 'http://127.0.0.1:1/hook', allow_private: [127.0.0.0/8]", "nothing listens at 127.0.0.1:1"},
		"not allowed": {"url: 'https://127.0.0.1:1/hook'", "name its network in allow_private"},
	} {
		t.Run(name, func(t *testing.T) {
			secret := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
			findings, text := consult(t, "op shop", "{name: shop, kind: webhook, keys: [{name: k, sha256: '"+strings.Repeat("ab", 32)+
				"'}], webhook: {secrets: [whsec_"+secret+"], "+tt.webhook+"}}")
			if len(findings) != 1 || findings[0].State != doctor.Fault || !strings.Contains(findings[0].Text, tt.words) {
				t.Errorf("got %+v, want a fault with %q\n%s", findings, tt.words, text)
			}
			if strings.Contains(text, secret) {
				t.Errorf("a secret is told: %s", text)
			}
		})
	}
}

// TestDoctorPostgres has a real PostgreSQL refuse us in each of its ways.
func TestDoctorPostgres(t *testing.T) {
	base := storetest.PostgresURL(t)
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	reader := makeRole(t, base, u.Query().Get("search_path"))
	change := func(edit func(*url.URL, url.Values)) string {
		c := *u
		q := c.Query()
		edit(&c, q)
		c.RawQuery = q.Encode()
		return c.String()
	}
	tests := []struct {
		name, url string
		state     doctor.State
		words     string
	}{
		{"well", base, doctor.OK, "it is empty, and the tables are made at the first start"},
		{"no such database", change(func(u *url.URL, _ url.Values) { u.Path = "/nowhere" }), doctor.Fault, "no database called nowhere"},
		{"no such user", change(func(u *url.URL, _ url.Values) { u.User = url.UserPassword("nobody_at_all", "hunter2") }), doctor.Fault, "nobody_at_all"},
		{"read-only", change(func(_ *url.URL, q url.Values) { q.Set("default_transaction_read_only", "on") }), doctor.Fault, "it is a standby or read-only"},
		{"may not make tables", change(func(u *url.URL, _ url.Values) { u.User = reader }), doctor.Fault, "GRANT CREATE"},
		{"no TLS there", change(func(_ *url.URL, q url.Values) { q.Set("sslmode", "require") }), doctor.Fault, "sslmode demands it"},
		{"nothing listens", change(func(u *url.URL, _ url.Values) { u.Host = "127.0.0.1:1" }), doctor.Fault, "nothing listens at 127.0.0.1:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("MITOME_DATABASE__URL", tt.url)
			findings, text := consult(t, "database", "{name: corp, kind: keycloak, issuer: 'http://127.0.0.1:1/realms/x'}")
			if len(findings) != 1 || findings[0].State != tt.state || !strings.Contains(findings[0].Text, tt.words) {
				t.Errorf("got %+v, want %s with %q", findings, tt.state, tt.words)
			}
			if strings.Contains(text, "hunter2") {
				t.Errorf("a password is told: %s", text)
			}
		})
	}
}

// makeRole makes a user who may read the schema of a test and no more.
func makeRole(t *testing.T, base, schema string) *url.Userinfo {
	t.Helper()
	db, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	role, password := "reader_"+schema, "pw"+schema
	run := func(ctx context.Context, statement string) {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Error(err)
		}
	}
	run(t.Context(), "CREATE ROLE "+role+" LOGIN PASSWORD '"+password+"'")
	run(t.Context(), "GRANT USAGE ON SCHEMA "+schema+" TO "+role)
	t.Cleanup(func() { // the test's own context is over by now
		run(context.Background(), "DROP OWNED BY "+role)
		run(context.Background(), "DROP ROLE "+role)
		db.Close()
	})
	return url.UserPassword(role, password)
}

// consult runs the doctor before the start, with one connection, and returns its
// findings of one thing and all that it wrote.
func consult(t *testing.T, check, op string) ([]doctor.Finding, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "mitome.yaml")
	config := "public_url: http://localhost:8080\ndata_dir: " + dir + "/data\n" +
		"listen: {devices: '127.0.0.1:0', ops: '127.0.0.1:0', metrics: '127.0.0.1:0'}\n" +
		"ops: [" + op + "]\n"
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	run(t.Context(), []string{"--config", path, "--json", "doctor", "--before-start"}, strings.NewReader(""), &out, &said)
	var report struct{ Findings []doctor.Finding }
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v in %s%s", err, out.String(), said.String())
	}
	var about []doctor.Finding
	for _, f := range report.Findings {
		if f.Check == check {
			about = append(about, f)
		}
	}
	return about, out.String() + said.String()
}

// TestDoctorAsStranger runs it as a user who may read nothing of Mitome's, as
// somebody does who logs in at night and forgets sudo.
func TestDoctorAsStranger(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "mitome-doctor-") // t.TempDir's parents keep strangers out
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary, config, data := filepath.Join(dir, "mitome"), filepath.Join(dir, "mitome.yaml"), filepath.Join(dir, "data")
	build := exec.Command("go", "build", "-trimpath", "-tags", "disable_grpc_modules,nomsgpack", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as TestKeycloak builds it
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := "public_url: http://localhost:8080\ndata_dir: " + data + "\nops: [{name: corp, kind: keycloak, issuer: 'http://127.0.0.1:1/realms/x'}]\n"
	for _, err := range []error{
		os.WriteFile(config, []byte(text), 0o600), os.Chmod(config, 0o644), os.Chmod(dir, 0o755),
		exec.Command(binary, "--config", config, "keys", "init").Run(), // makes data, for us alone
		os.Chmod(data, 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, "--config", config, "doctor", "--before-start")
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	} else if err := os.Chmod(filepath.Join(data, "keys.json"), 0o000); err != nil {
		t.Fatal(err)
	} else if err := os.Chmod(data, 0o555); err != nil {
		t.Fatal(err)
	}
	out, _ := cmd.CombinedOutput() // fails, as it must
	for _, want := range []string{"This user may not write to " + data, "This user may not read " + data + "/keys.json; run doctor as the user that runs mitome serve"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("not said: %s\n%s", want, out)
		}
	}
	if err := os.Chmod(data, 0o755); err != nil { // so that it can be removed
		t.Error(err)
	}

	if err := os.Chmod(config, 0o000); err != nil {
		t.Fatal(err)
	}
	again := exec.Command(binary, "--config", config, "doctor")
	again.SysProcAttr = cmd.SysProcAttr
	out, _ = again.CombinedOutput()
	if !strings.Contains(string(out), "Run doctor as the user that runs mitome serve") || !strings.Contains(string(out), "1 fault(s)") {
		t.Errorf("a configuration that may not be read: %s", out)
	}
}
