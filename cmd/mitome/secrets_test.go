package main_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
)

// leaks is what must stand nowhere, by what it is, and what was written so far.
type leaks struct {
	secrets map[string]string
	written map[string]string
}

// keep notes a secret.
func (l leaks) keep(t *testing.T, what, secret string) {
	t.Helper()
	if len(secret) < 8 {
		t.Fatalf("%s: %q could stand somewhere by chance", what, secret)
	}
	l.secrets[what] = secret
}

// search looks for each secret, as it is and in the clothes in which bytes are
// written, in all that was written.
func (l leaks) search(t *testing.T) {
	t.Helper()
	for where, text := range l.written {
		if text == "" {
			t.Errorf("%s is empty, which proves nothing", where)
		}
		for what, secret := range l.secrets {
			for _, form := range forms(secret) {
				if strings.Contains(text, form) {
					t.Errorf("%s stands in %s", what, where)
				}
			}
		}
	}
}

// forms are the clothes in which a secret may stand somewhere: itself, as bytes
// are written, and the bytes that it writes itself.
func forms(secret string) []string {
	all := []string{
		secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
		if raw, err := e.DecodeString(secret); err == nil && len(raw) >= 16 {
			all = append(all, string(raw), hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw))
		}
	}
	return all
}

// keepFile notes every long string of a JSON file, such as the keys in it.
func (l leaks) keepFile(t *testing.T, what, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				walk(k, inner)
			}
		case []any:
			for _, inner := range v {
				walk(name, inner)
			}
		case string:
			if name == "key" || name == "lookup" || name == "d" {
				l.keep(t, what+": "+name+" "+v[:4], v)
			}
		}
	}
	walk("", v)
}

// secretWorld is a Mitome whose secrets we know, at its most talkative.
type secretWorld struct {
	*gateway
	leaks
	ops, metrics, key string
	heard             chan string // what the OP's webhook is told; the first time it answers 500
}

func newSecretWorld(t *testing.T) *secretWorld {
	t.Helper()
	w := &secretWorld{leaks: leaks{map[string]string{}, map[string]string{}}, heard: make(chan string, 8)}
	var failed atomic.Bool
	op := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !failed.Swap(true) {
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		b, _ := io.ReadAll(r.Body)
		w.heard <- string(b)
	}))
	t.Cleanup(op.Close)
	dir := t.TempDir()
	var hash string
	w.key, hash = opCredentials(t, dir)
	w.keep(t, "the OP's key", w.key)
	signs, err := os.ReadFile(filepath.Join(dir, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	w.keep(t, "the webhook's secret", strings.TrimPrefix(strings.TrimSpace(string(signs)), "whsec_"))
	if w.metrics, err = loopback.Address(); err != nil {
		t.Fatal(err)
	}
	wrap := make([]byte, 32)
	rand.Read(wrap)
	w.keep(t, "the wrapping key", base64.StdEncoding.EncodeToString(wrap))
	wrapFile := filepath.Join(dir, "wrap")
	if err := os.WriteFile(wrapFile, []byte(w.secrets["the wrapping key"]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.gateway, w.ops = newStandalone(t, "kind: webhook",
		`keys: [{name: test, sha256: "`+hash+`"}]`,
		"webhook: {url: '"+op.URL+"', secrets_file: '"+filepath.Join(dir, "secret")+"', allow_private: [127.0.0.0/8]}")
	w.kill()
	w.keepFile(t, "the key file", filepath.Join(w.dir, "keys.json"))
	more, err := os.OpenFile(w.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer more.Close()
	if _, err := io.WriteString(more, "log: {level: debug}\nkeys_wrap_file: '"+wrapFile+"'\n"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MITOME_LISTEN__METRICS", w.metrics)
	w.written["keys wrap"] = w.run(t, "keys", "wrap")
	return w
}

// serve starts Mitome anew, and returns its process.
func (w *secretWorld) serve(t *testing.T) *exec.Cmd {
	t.Helper()
	out, err := os.OpenFile(w.log(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(w.binary, "serve", "--config", w.config)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "GOTRACEBACK=all")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	await(t, "mitome serve", patience, func() bool {
		resp, err := http.Get("http://" + w.metrics + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return cmd
}

// ask has the OP ask, and returns what it hears.
func (w *secretWorld) ask(t *testing.T, key, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", w.ops+"/op/corp/v1/requests", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", rand.Text())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestSecretsNowhere lives through a pairing, a decision with a typed code, a
// report that fails first, refusals of all kinds and a crash, and then looks for
// every secret of it in whatever was written meanwhile: log, metrics, answers,
// the process's arguments, the stacks of the crash, the database.
func TestSecretsNowhere(t *testing.T) {
	const code, own = "735106WXKZ", "KTPX77314"
	w := newSecretWorld(t)
	w.keep(t, "the code to be typed", code)
	w.keep(t, "the user's own code", own)
	process := w.serve(t)
	p := w.pair(t, "s-1", "Aiko")
	w.setsCode(t, "s-1", own)
	w.keepPhone(t, p)

	status, answer := w.ask(t, w.key, `{"sub":"s-1","client_id":"till","scope":"openid","binding_message":"Order 4711","user_code":"`+code+`"}`)
	if status != http.StatusCreated {
		t.Fatalf("got %d %s", status, answer)
	}
	w.written["the answer to the OP"] = answer
	id := p.pending(t)
	w.written["the list on the device"] = p.run(t, "--json", "show", id)
	p.mustNot(t, "approve", id, "--code", "735106WXKY")
	p.do(t, "approve", id, "--code", code)
	w.written["the webhook"] = <-w.heard

	w.refusals(t, code, own)
	for _, args := range [][]string{
		{"request", "show", id}, {"request", "list"}, {"user", "list"}, {"keys", "list"}, {"evidence", "export", id}, {"doctor"},
	} {
		out, _ := w.try(t, append([]string{"--json"}, args...)...)
		w.written["mitome "+strings.Join(args, " ")] = out
	}
	w.written["/metrics"] = fetched(t, "http://"+w.metrics+"/metrics")
	w.crash(t, process)
	w.search(t)
}

// keepPhone notes what the device alone knows, and what it shows to Mitome.
func (w *secretWorld) keepPhone(t *testing.T, p *phone) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the device has %d files, %v", len(files), err)
	}
	w.keepFile(t, "the device", files[0])
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var held struct {
		Servers map[string]struct {
			State    []byte
			ProofKey string `json:"proof_key"`
		}
	}
	if err := json.Unmarshal(b, &held); err != nil || len(held.Servers) != 1 {
		t.Fatalf("%d servers, %v", len(held.Servers), err)
	}
	for _, s := range held.Servers {
		var state struct {
			Token string `json:"access_token"`
		}
		if err := json.Unmarshal(s.State, &state); err != nil {
			t.Fatal(err)
		}
		w.keep(t, "the session's token", state.Token)
		w.keep(t, "the device's proof key", s.ProofKey)
	}
}

// fetched is what a call is answered, whatever its status.
func fetched(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// refusals has everything refused that holds a secret.
func (w *secretWorld) refusals(t *testing.T, code, own string) {
	t.Helper()
	for name, body := range map[string]string{
		"no JSON":       `{"user_code":"` + code,
		"unknown field": `{"sub":"s-1","` + own + `":1}`,
		"wrong type":    `{"sub":"s-1","user_code":["` + code + `"]}`,
		"too long":      `{"sub":"s-1","user_code":"` + strings.Repeat(code, 100) + `"}`,
	} {
		status, answer := w.ask(t, w.key, body)
		if status/100 != 4 {
			t.Errorf("%s: got %d", name, status)
		}
		w.written["the refusal of "+name] = answer
	}
	_, w.written["the refusal of half a key"] = w.ask(t, w.key[:len(w.key)-1], "{}")
	for _, path := range []string{"/op/" + w.key, "/op/corp/v1/requests/" + w.key, "/op/corp?token=" + w.key} {
		fetched(t, w.ops+path)
	}
	for _, path := range []string{"/pair?secret=" + code, "/requests/" + own, "/v1/requests?token=" + w.key} {
		fetched(t, w.devices+path)
	}
}

// crash ends the process as a bug would, and gathers what it leaves.
func (w *secretWorld) crash(t *testing.T, process *exec.Cmd) {
	t.Helper()
	for _, name := range []string{"cmdline", "comm"} {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(process.Process.Pid), name))
		if err != nil {
			t.Fatal(err)
		}
		w.written["the process's "+name] = string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
	}
	if err := process.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	process.Wait()
	log, err := os.ReadFile(w.log())
	if err != nil {
		t.Fatal(err)
	}
	w.written["the log"] = string(log)
	for _, want := range []string{`"level":"DEBUG"`, "goroutine ", `"route":"/v1/requests/:id/decision"`} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the log has no %s, so it proves less than it should", want)
		}
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		w.written[filepath.Base(path)] = string(b)
	}
}
