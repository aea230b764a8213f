package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
)

// logged is a database on disk with a log of five sealed rows, and what runs
// commands on it.
type logged struct {
	dir  string
	conf string
	db   *store.DB
}

func newLogged(t *testing.T) *logged {
	t.Helper()
	dir := t.TempDir()
	l := &logged{dir: dir, conf: filepath.Join(dir, "mitome.yaml")}
	l.write(t, "mitome.yaml", fmt.Sprintf("public_url: http://localhost:8080\ndata_dir: %s\nops: [{name: corp, kind: keycloak, issuer: \"https://op.example/realms/demo\"}]\n", dir))
	l.must(t, "keys", "init")
	l.must(t, "migrate")
	ring, err := seal.Load(filepath.Join(dir, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Hour)
	l.db, err = store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "mitome.db"), store.Options{Ring: ring, Now: func() time.Time { return past }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.db.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range 5 {
		past = past.Add(time.Second)
		u := device.User{ID: device.UserID(fmt.Sprint("u", i)), OP: "corp", Subject: fmt.Sprint(i)}
		if err := l.db.CreateUser(t.Context(), u, device.Actor{Kind: device.ActorAdmin, ID: "root"}); err != nil {
			t.Fatal(err)
		}
	}
	signer, err := sign.New(ring.SigningKey())
	if err != nil {
		t.Fatal(err)
	}
	past = past.Add(time.Minute)
	chain := &store.AuditChain{DB: l.db, Sign: signer.SignAudit, Issuer: "http://localhost:8080"}
	if n, err := chain.Seal(t.Context(), 100); n != 5 || err != nil {
		t.Fatalf("sealed %d, %v", n, err)
	}
	return l
}

func (l *logged) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a command and returns how it ended and what it wrote.
func (l *logged) run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"--config", l.conf}, args...), strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func (l *logged) must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := l.run(t, args...)
	if code != exitOK {
		t.Fatalf("%v: exit %d: %s%s", args, code, out, errs)
	}
	return out
}

// tamper is somebody who has the database.
func (l *logged) tamper(t *testing.T, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(l.dir, "mitome.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func TestAuditCommands(t *testing.T) {
	l := newLogged(t)
	if out := l.must(t, "audit", "verify"); !strings.Contains(out, "The log holds: 5 row(s) in 1 signed batch") {
		t.Errorf("verify: got %s", out)
	}
	keys := l.write(t, "jwks.json", l.must(t, "keys", "public"))
	jws := l.must(t, "audit", "checkpoint")
	checkpoint := l.write(t, "checkpoint.jws", jws)
	if strings.Count(jws, ".") != 2 || strings.Count(jws, "\n") != 1 {
		t.Errorf("checkpoint: got %q", jws)
	}
	var said audit.Checkpoint
	if err := json.Unmarshal([]byte(l.must(t, "--json", "audit", "checkpoint")), &said); err != nil || said.Rows != 5 || said.Batch != 1 {
		t.Errorf("checkpoint: got %+v, %v", said, err)
	}
	l.must(t, "audit", "verify", "--keys", keys, "--checkpoint", checkpoint)
	for _, format := range []string{"json", "cef", "ocsf"} {
		if out := l.must(t, "audit", "export", "--format", format, "--word", "user.created"); strings.Count(out, "\n") != 5 {
			t.Errorf("%s: got %s", format, out)
		}
	}
	if out := l.must(t, "audit", "export", "--user", "u3"); strings.Count(out, "\n") != 1 {
		t.Errorf("of one user: got %s", out)
	}
	if out := l.must(t, "audit", "export", "--since", "2999-01-31T00:00:00Z"); out != "" {
		t.Errorf("of the future: got %s", out)
	}
	if out := l.must(t, "audit", "export", "--until", "2000-01-31T00:00:00Z"); out != "" {
		t.Errorf("of the past: got %s", out)
	}
}

// TestAuditVerifyFails: the command says which row it is, and exits with 1.
func TestAuditVerifyFails(t *testing.T) {
	l := newLogged(t)
	checkpoint := l.write(t, "checkpoint.jws", l.must(t, "audit", "checkpoint"))
	l.tamper(t, `UPDATE audit SET actor_id = 'nobody' WHERE user_id = 'u2'`)
	code, out, _ := l.run(t, "audit", "verify")
	if code != exitFailed || !strings.Contains(out, "DOES NOT HOLD") || !strings.Contains(out, "altered") || strings.Count(out, "user.created") != 1 {
		t.Errorf("exit %d: %s", code, out)
	}
	var r audit.Report
	if code, out, _ := l.run(t, "--json", "audit", "verify"); code != exitFailed || json.Unmarshal([]byte(out), &r) != nil || r.Holds || len(r.Faults) != 1 {
		t.Errorf("exit %d: %+v", code, r)
	}

	l = newLogged(t)
	if code, _, errs := l.run(t, "audit", "verify", "--checkpoint", checkpoint); code != exitFailed || !strings.Contains(errs, "does not hold") {
		t.Errorf("the checkpoint of another Mitome: exit %d: %s", code, errs)
	}
	stranger := newLogged(t)
	others := l.write(t, "others.json", stranger.must(t, "keys", "public"))
	if code, out, _ := l.run(t, "audit", "verify", "--keys", others); code != exitFailed || !strings.Contains(out, "broken") {
		t.Errorf("the keys of another Mitome: exit %d: %s", code, out)
	}
	checkpoint = l.write(t, "checkpoint.jws", l.must(t, "audit", "checkpoint"))
	for _, table := range []string{"audit", "audit_links", "audit_batches"} {
		l.tamper(t, `DELETE FROM `+table)
	}
	if code, out, _ := l.run(t, "audit", "verify", "--checkpoint", checkpoint); code != exitFailed || !strings.Contains(out, "truncated") {
		t.Errorf("all is gone: exit %d: %s", code, out)
	}
}
