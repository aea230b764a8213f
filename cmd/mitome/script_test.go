package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

func TestMain(m *testing.M) {
	// Of every mitome that the tests start: its end is not put off by a second, as
	// the race detector does by default, and a server with a race ends there.
	os.Setenv("GORACE", "atexit_sleep_ms=0 halt_on_error=1 "+os.Getenv("GORACE"))
	testscript.Main(m, map[string]func(){"mitome": main})
}

// TestScripts runs the command line as its users do: real processes, real
// listeners. Keycloak alone is a small fake; the real one has tests of its own.
func TestScripts(t *testing.T) {
	t.Parallel()
	postgres := storetest.PostgresURL(t) // for the one script that runs on it
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireUniqueNames: true, RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("POSTGRES", postgres)
			return setUp(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": ready, "pair": pair, "ask": ask, "told": told, "newest": newest, "exits": exits,
			"onlydevice": onlyDevice, "admit": admit, "oldkey": oldKey, "demo": openDemo,
		},
	})
}

// within is how long a script waits for something that ought to happen at once.
const within = 20 * time.Second

// setUp gives each script its own ports, folders and Keycloak.
func setUp(env *testscript.Env) error {
	for _, name := range []string{"DEVICES", "OPS", "ADMIN", "METRICS"} {
		address, err := loopback.Address()
		if err != nil {
			return err
		}
		env.Setenv(name, address)
	}
	_, port, _ := net.SplitHostPort(env.Getenv("DEVICES"))
	env.Setenv("PUBLIC", "http://localhost:"+port)
	kc, err := newFakeRealm()
	if err != nil {
		return err
	}
	env.Defer(kc.Close)
	env.Values[fakeRealm{}] = kc
	env.Setenv("ISSUER", kc.URL+"/realms/demo")
	env.Setenv("GORACE", os.Getenv("GORACE"))
	env.Setenv("MITOME_CONFIG", env.WorkDir+"/mitome.yaml")
	env.Setenv("MITOME_DEVICE_DIR", env.WorkDir+"/device")
	return os.WriteFile(env.WorkDir+"/mitome.yaml", fmt.Appendf(nil, `
public_url: %s
data_dir: %s/data
listen: {devices: "%s", ops: "%s", metrics: "%s"}
ops:
  - name: corp
    kind: keycloak
    title: Corp
    issuer: %[6]s
    guard: 10ms
    limits: {off: true}
  - name: vault
    kind: keycloak
    limits: {off: true}
    issuer: %[6]s
    rules: {binding_message: type}
`, env.Getenv("PUBLIC"), env.WorkDir, env.Getenv("DEVICES"), env.Getenv("OPS"), env.Getenv("METRICS"), env.Getenv("ISSUER")), 0o600)
}

// ready waits for the server of the script.
func ready(ts *testscript.TestScript, neg bool, _ []string) {
	until(ts, "the server", func() bool {
		resp, err := http.Get("http://" + ts.Getenv("METRICS") + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// openDemo waits for the demo of the script to open its shop.
func openDemo(ts *testscript.TestScript, neg bool, _ []string) {
	until(ts, "the demo", func() bool {
		r, err := http.NewRequest(http.MethodGet, "http://"+ts.Getenv("DEVICES")+"/", nil)
		ts.Check(err)
		r.Host = "shop.localhost"
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode != http.StatusServiceUnavailable
	})
}

// until waits for a condition.
func until(ts *testscript.TestScript, what string, ok func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

// command readies mitome in the surroundings of the script.
func command(ts *testscript.TestScript, args ...string) *exec.Cmd {
	cmd := exec.Command("mitome", args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "GORACE", "MITOME_CONFIG", "MITOME_DEVICE_DIR", "MITOME_DATABASE__URL_FILE", "MITOME_ADMIN_URL", "MITOME_ADMIN_TOKEN"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}

// pair runs both ends of a pairing: pair user [flags of mitome pair]. With ! the
// first end says that the codes differ, and neither may succeed.
func pair(ts *testscript.TestScript, neg bool, args []string) {
	first := command(ts, append([]string{"pair", "--json"}, args...)...)
	if neg {
		first.Stdin = strings.NewReader("n\n")
	} else {
		first.Args = append(first.Args, "--yes")
	}
	out, err := first.StdoutPipe()
	ts.Check(err)
	var said bytes.Buffer
	first.Stderr = &said
	ts.Check(first.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		first.Wait()
		ts.Fatalf("mitome pair offered nothing: %s", said.String())
	}
	var offer struct{ Link string }
	ts.Check(json.Unmarshal(lines.Bytes(), &offer))
	answer, secondErr := command(ts, "device", "pair", offer.Link, "--name", "laptop").CombinedOutput()
	rest, err := io.ReadAll(out)
	ts.Check(err)
	firstErr := first.Wait()
	ts.Logf("%s%s%s", answer, rest, said.String())
	completed := strings.Contains(string(rest), `"event":"completed"`)
	if ok := firstErr == nil && secondErr == nil && completed; neg == ok || neg && (firstErr == nil || secondErr == nil || completed) {
		ts.Fatalf("mitome pair: %v, mitome device pair: %v, completed: %v", firstErr, secondErr, completed)
	}
}

// newest puts the id of the newest request into $REQUEST.
func newest(ts *testscript.TestScript, neg bool, _ []string) {
	out, err := command(ts, "request", "list", "--json", "--limit", "1").Output()
	ts.Check(err)
	var list []struct{ ID string }
	ts.Check(json.Unmarshal(out, &list))
	if len(list) != 1 {
		ts.Fatalf("there is no request")
	}
	ts.Setenv("REQUEST", list[0].ID)
}

// onlyDevice puts the id of a user's one device into $DEVICE.
func onlyDevice(ts *testscript.TestScript, neg bool, args []string) {
	out, err := command(ts, "user", "device", "list", "--json", args[0]).Output()
	ts.Check(err)
	var list []struct{ ID string }
	ts.Check(json.Unmarshal(out, &list))
	if len(list) != 1 {
		ts.Fatalf("%s has %d devices", args[0], len(list))
	}
	ts.Setenv("DEVICE", list[0].ID)
}

// oldKey puts the id of the sealing key before the current one into $KEY.
func oldKey(ts *testscript.TestScript, neg bool, _ []string) {
	out, err := command(ts, "keys", "list", "--json").Output()
	ts.Check(err)
	var list []keyLine
	ts.Check(json.Unmarshal(out, &list))
	for _, k := range list {
		if k.Purpose == "seal" && !k.Current {
			ts.Setenv("KEY", k.ID)
		}
	}
}

// admit has the server take the token that mitome admin token --json wrote, on
// TCP, and puts it into $TOKEN.
func admit(ts *testscript.TestScript, neg bool, args []string) {
	var t struct{ Name, Token, SHA256 string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &t))
	ts.Setenv("TOKEN", t.Token)
	ts.Setenv("MITOME_LISTEN__ADMIN", ts.Getenv("ADMIN"))
	f, err := os.OpenFile(ts.MkAbs("mitome.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	ts.Check(err)
	_, err = fmt.Fprintf(f, "admin: {tokens: [{name: %s, sha256: %q}]}\n", t.Name, t.SHA256)
	ts.Check(errors.Join(err, f.Close()))
}

// exits runs a command and checks what it returns: exits 2 mitome bogus.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	cmd := command(ts, args[2:]...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Check(err)
	}
	ts.Logf("%s", out)
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("got exit code %d, want %d", got, want)
	}
}

// ask has Keycloak ask for user: ask connection sub status key=value….
func ask(ts *testscript.TestScript, neg bool, args []string) {
	kc := ts.Value(fakeRealm{}).(*realm)
	body := map[string]any{"scope": "openid", "login_hint": "aiko", "is_consent_required": false, "binding_message": nil, "acr_values": nil}
	for _, a := range args[3:] {
		k, v, _ := strings.Cut(a, "=")
		body[k] = v
	}
	code, err := kc.ask("http://"+ts.Getenv("OPS")+"/op/"+args[0], args[1], body)
	ts.Check(err)
	if strconv.Itoa(code) != args[2] {
		ts.Fatalf("got %d, want %s", code, args[2])
	}
}

// told waits until Keycloak was told so: told SUCCEED. With ! it checks that it
// was not.
func told(ts *testscript.TestScript, neg bool, args []string) {
	kc := ts.Value(fakeRealm{}).(*realm)
	if neg {
		if kc.heard(args[0]) {
			ts.Fatalf("Keycloak was told %s", args[0])
		}
		return
	}
	until(ts, "Keycloak to be told "+args[0], func() bool { return kc.heard(args[0]) })
}

// realm is as much of a Keycloak as a flow needs: keys, and a callback that
// takes each bearer once.
type realm struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	mu     sync.Mutex
	asked  string // the latest bearer
	status map[string]string
}

// fakeRealm is the key of the realm among a script's values.
type fakeRealm struct{}

func newFakeRealm() (*realm, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	k := &realm{key: key, status: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /realms/demo/protocol/openid-connect/certs", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"},
		}})
	})
	mux.HandleFunc("POST /realms/demo/protocol/openid-connect/ext/ciba/auth/callback", k.callback)
	mux.HandleFunc("GET /realms/demo/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		issuer := k.URL + "/realms/demo"
		json.NewEncoder(w).Encode(map[string]any{
			"issuer": issuer, "backchannel_authentication_endpoint": issuer + "/protocol/openid-connect/ext/ciba/auth",
			"grant_types_supported": []string{"urn:openid:params:grant-type:ciba"},
		})
	})
	k.Server = httptest.NewServer(mux)
	return k, nil
}

func (k *realm) callback(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") == "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var in struct{ Status string }
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] = in.Status
}

// heard reports whether the latest request was answered with status.
func (k *realm) heard(status string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status[k.asked] == status
}

// ask sends one request, as Keycloak does.
func (k *realm) ask(target, sub string, body map[string]any) (int, error) {
	issuer, now := k.URL+"/realms/demo", time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "aud": issuer, "sub": sub, "azp": "shop", "typ": "Bearer", "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
	})
	if err != nil {
		return 0, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: k.key, KeyID: "k"}},
		new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return 0, err
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		return 0, err
	}
	bearer, err := jws.CompactSerialize()
	if err != nil {
		return 0, err
	}
	payload, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(payload))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+bearer)
	k.mu.Lock()
	k.asked = bearer
	k.mu.Unlock()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}
