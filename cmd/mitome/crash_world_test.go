package main_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
	"github.com/mitome-ciba/mitome/server/adminapi"
)

// crashWorld is a Mitome, run as operators run it and killed as nobody should, with
// its OPs and the phones of their users.
type crashWorld struct {
	t       *testing.T
	op      *crashOP
	admin   *adminapi.Client
	phones  []*crashPhone
	process *keycloaktest.Process
	random  *rand.Rand

	dir      string
	database string // URL of PostgreSQL; empty for SQLite
	backends string // what Mitome's connections to PostgreSQL are called
	public   string // URL of the listener for devices
	metrics  string

	marked map[string]bool // requests whose report may have been on its way at a kill
}

// newCrashWorld starts Mitome, pairs the phones and leaves it to be killed.
func newCrashWorld(t *testing.T, database string) *crashWorld {
	t.Helper()
	dir, err := os.MkdirTemp("", "mitome") // not t.TempDir: the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := &crashWorld{
		t: t, dir: dir, op: newCrashOP(t), admin: adminapi.NewClient("unix:"+filepath.Join(dir, "admin.sock"), ""),
		random: rand.New(rand.NewPCG(seed, 0)), marked: map[string]bool{},
	}
	at := map[string]string{}
	for _, name := range []string{"devices", "ops", "metrics"} {
		if at[name], err = loopback.Address(); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(at["devices"])
	w.public, w.op.at, w.metrics = "http://localhost:"+port, "http://"+at["ops"], "http://"+at["metrics"]
	yaml := fmt.Sprintf("public_url: %s\ndata_dir: %s\nlisten: {devices: %q, ops: %q, metrics: %q}\n%s",
		w.public, dir, at["devices"], at["ops"], at["metrics"], w.op.config)
	if database == "postgres" {
		w.database, w.backends = schema(t), filepath.Base(dir)
		yaml += fmt.Sprintf("database: {url: %q}\n", w.database+"&application_name="+w.backends)
	}
	if err := os.WriteFile(w.config(), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must("keys", "init")
	w.start()
	t.Cleanup(w.end)
	w.ready()
	for i := range phonesEach {
		w.phones = append(w.phones, w.newPhone("hook", fmt.Sprint("aiko", i)), w.newPhone("realm", fmt.Sprint("kenji", i)))
	}
	w.process.Kill()
	return w
}

func (w *crashWorld) config() string { return filepath.Join(w.dir, "mitome.yaml") }

// must runs a command of mitome.
func (w *crashWorld) must(args ...string) {
	w.t.Helper()
	p := &pushWorld{t: w.t, dir: w.dir}
	p.mitome(args...)
}

// start runs mitome serve. Unlike [crashWorld.ready] it does not wait for it.
func (w *crashWorld) start() {
	w.t.Helper()
	var err error
	w.process, err = keycloaktest.Spawn(filepath.Join(w.dir, "log"), nil, program(w.t), "serve", "--config", w.config())
	if err != nil {
		w.t.Fatal(err)
	}
}

// ready returns when Mitome answers.
func (w *crashWorld) ready() {
	w.t.Helper()
	await(w.t, "mitome serve", 2*patience, func() bool {
		resp, err := http.Get(w.metrics + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// end kills Mitome for the last time, and shows what it said if the test failed.
func (w *crashWorld) end() {
	w.process.Kill()
	if w.t.Failed() {
		out, _ := os.ReadFile(filepath.Join(w.dir, "log"))
		w.t.Logf("mitome's log ends with:\n%s", out[max(0, len(out)-64<<10):])
	}
}

// open opens the database that Mitome uses.
func (w *crashWorld) open() *sql.DB {
	w.t.Helper()
	if w.database != "" {
		return w.dial("pgx", w.database)
	}
	return w.dial("sqlite", "file:"+filepath.Join(w.dir, "mitome.db")+"?_pragma=busy_timeout(20000)")
}

func (w *crashWorld) dial(driver, url string) *sql.DB {
	w.t.Helper()
	db, err := sql.Open(driver, url)
	if err != nil {
		w.t.Fatal(err)
	}
	return db
}

// left opens the database as the process that was killed has left it. SQLite's is a
// copy: to open the files themselves would tidy them up before Mitome finds them.
// PostgreSQL is given the time to end what it was told to do before the kill.
func (w *crashWorld) left() (db *sql.DB, done func()) {
	w.t.Helper()
	if w.database != "" {
		db = w.open()
		await(w.t, "PostgreSQL to see that Mitome is gone", 2*patience, func() bool {
			var n int
			err := db.QueryRowContext(w.t.Context(), `SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = $1`, w.backends).Scan(&n)
			if err != nil {
				w.t.Log(err)
			}
			return err == nil && n == 0
		})
		return db, func() { db.Close() }
	}
	dir, err := os.MkdirTemp(w.dir, "left")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range []string{"mitome.db", "mitome.db-wal"} {
		b, err := os.ReadFile(filepath.Join(w.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	db = w.dial("sqlite", "file:"+filepath.Join(dir, "mitome.db"))
	return db, func() { db.Close(); os.RemoveAll(dir) }
}

// underWay are the requests whose report was marked as leaving when Mitome was
// killed, and not as ended.
func (w *crashWorld) underWay() map[string]bool {
	w.t.Helper()
	db, done := w.left()
	defer done()
	out := map[string]bool{}
	w.each(db, `SELECT subject FROM outbox WHERE kind = 'report' AND sending AND done_at = 0`, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		out[id] = true
		return err
	})
	return out
}

// requests is everything that Mitome has stored of its requests.
func (w *crashWorld) requests() (out []crashRow) {
	w.t.Helper()
	db := w.open()
	defer db.Close()
	w.each(db, `
		SELECT r.id, r.op, r.binding_message, r.state,
			(SELECT COUNT(*) FROM audit a WHERE a.request_id = r.id AND a.request_id <> '' -- for its index
				AND a.word IN ('request.approved', 'request.denied', 'request.expired', 'request.withdrawn')),
			(SELECT COUNT(*) FROM evidence e WHERE e.request_id = r.id),
			(SELECT COUNT(*) FROM outbox o WHERE o.kind = 'report' AND o.subject = r.id),
			COALESCE((SELECT MIN(o.outcome) FROM outbox o WHERE o.kind = 'report' AND o.subject = r.id), '')
		FROM requests r`, func(rows *sql.Rows) error {
		var r crashRow
		err := rows.Scan(&r.id, &r.op, &r.name, &r.state, &r.ends, &r.evidence, &r.reports, &r.outcome)
		r.marked = w.marked[r.id]
		out = append(out, r)
		return err
	})
	return out
}

func (w *crashWorld) each(db *sql.DB, text string, scan func(*sql.Rows) error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
}

// asks is everything that was asked.
func (w *crashWorld) asks() (out []crashAsk) {
	for _, p := range w.phones {
		p.mu.Lock()
		for _, a := range p.asks {
			out = append(out, *a)
		}
		p.mu.Unlock()
	}
	return out
}
