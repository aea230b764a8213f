package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mitome-ciba/mitome/server/adminapi"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// socket returns the path of a socket in a folder short enough for one.
func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func over(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}

// notYet: the socket is not there, or is there and nobody listens on it yet.
func notYet(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// TestStopsInOrder checks what must hold when a node is told to stop while it
// works: the call in hand is answered, then the job in hand is finished, and
// nothing new is taken.
func TestStopsInOrder(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	path := socket(t)
	inCall, finishCall := make(chan struct{}), make(chan struct{})
	var answered atomic.Bool
	order := make(chan string, 2)
	s := &Server{
		Health: &Health{}, Log: quiet(), Grace: time.Minute,
		Listeners: []Listener{{Name: "x", Address: "unix:" + path, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(inCall)
			<-finishCall
			order <- "call"
		})}},
		Workers: []Worker{{Name: "w", Run: func(ctx context.Context) error {
			<-ctx.Done()
			order <- "worker"
			return nil
		}}},
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	client := over(path)
	got := make(chan error, 1)
	go func() {
		for {
			resp, err := client.Get("http://x/")
			if notYet(err) {
				continue
			}
			if err == nil {
				answered.Store(resp.StatusCode == 200)
				resp.Body.Close()
			}
			got <- err
			return
		}
	}()
	<-inCall
	stop()
	for !s.Health.stopping.Load() {
		runtime.Gosched()
	}
	close(finishCall)
	if err := <-done; err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if err := <-got; err != nil || !answered.Load() {
		t.Errorf("the call in hand was not answered: %v", err)
	}
	if first, second := <-order, <-order; first != "call" || second != "worker" {
		t.Errorf("got %s before %s, want the call first", first, second)
	}
	if _, err := client.Get("http://x/"); err == nil {
		t.Error("a call was taken after the stop")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket was left behind: %v", err)
	}
}

// TestWorkerFails checks that a node without one of its workers does not go on.
func TestWorkerFails(t *testing.T) {
	boom := errors.New("boom")
	for name, run := range map[string]func(context.Context) error{
		"fails": func(context.Context) error { return boom },
		"ends":  func(context.Context) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			path := socket(t)
			s := &Server{
				Health: &Health{}, Log: quiet(), Grace: time.Second,
				Listeners: []Listener{{Name: "x", Address: "unix:" + path, Handler: http.NotFoundHandler()}},
				Workers: []Worker{{Name: "w", Run: run}, {Name: "other", Run: func(ctx context.Context) error {
					<-ctx.Done()
					return nil
				}}},
			}
			err := s.Run(t.Context())
			if !errors.Is(err, boom) && !errors.Is(err, errEnded) {
				t.Errorf("got %v, want why", err)
			}
			if !strings.Contains(fmt.Sprint(err), "w: ") {
				t.Errorf("%v does not name the worker", err)
			}
		})
	}
}

func TestTakenAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := socket(t)
	s := &Server{Health: &Health{}, Log: quiet(), Listeners: []Listener{
		{Name: "a", Address: "unix:" + path}, {Name: "b", Address: l.Addr().String()},
	}}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "listen for b") {
		t.Errorf("got %v, want which listener", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the other listener was left open")
	}
}

func TestUnixSocket(t *testing.T) {
	path := socket(t)
	l, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, want 0600 (%v)", info.Mode().Perm(), err)
	}
	if _, err := listenUnix(path); !errors.Is(err, errInUse) {
		t.Errorf("got %v, want errInUse while another listens", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close() // as after kill -9: the file stays, and nobody answers
	l, err = listenUnix(path)
	if err != nil {
		t.Fatalf("a socket left behind stands in the way: %v", err)
	}
	l.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(path); err == nil {
		t.Error("a file was taken for a socket")
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Error("a file that is no socket was removed")
	}
}

// TestPeer checks that the admin API knows who is at the other end of its socket.
func TestPeer(t *testing.T) {
	path := socket(t)
	e := gin.New()
	(&adminapi.API{Guard: &adminapi.Guard{}, OPs: []adminapi.OP{{Name: "corp"}}}).Mount(e, &e.RouterGroup)
	ctx, stop := context.WithCancel(t.Context())
	s := &Server{Health: &Health{}, Log: quiet(), Grace: time.Second, Listeners: []Listener{{Name: "admin", Address: "unix:" + path, Handler: e}}}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	c := adminapi.NewClient("unix:"+path, "")
	ops, err := c.OPs(t.Context())
	for notYet(err) {
		ops, err = c.OPs(t.Context())
	}
	if err != nil || len(ops) != 1 {
		t.Errorf("got %v, %v, want the owner let in", ops, err)
	}
	if _, err := adminapi.NewClient("unix:"+path, "a wrong token").OPs(t.Context()); err == nil {
		t.Error("a wrong token passed for the socket's sake")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	cert, key, pool := selfSigned(t)
	path := socket(t)
	ctx, stop := context.WithCancel(t.Context())
	s := &Server{Health: &Health{}, Log: quiet(), Grace: time.Second, Listeners: []Listener{{
		Name: "devices", Address: "unix:" + path, CertFile: cert, KeyFile: key, Handler: http.NotFoundHandler(),
	}}}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	client := over(path)
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: "localhost"}
	resp, err := client.Get("https://localhost/")
	for notYet(err) {
		resp, err = client.Get("https://localhost/")
	}
	if err != nil || resp.StatusCode != 404 {
		t.Errorf("got %v, %v", resp, err)
	}
	stop()
	<-done
}

func selfSigned(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(certFile, certPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, pool
}

func TestReadiness(t *testing.T) {
	bad := errors.New("postgres://user:password@db is away")
	var dbErr error
	h := &Health{Log: quiet(), Checks: []Check{{"database", func(context.Context) error { return dbErr }}}}
	e := gin.New()
	Routers{Health: h, Metrics: NewMetrics("test")}.mountScrape(e)
	get := func(path string) (int, string) { return call(t, e, path) }

	h.worker("outbox").Store(true)
	if code, body := get("/readyz"); code != 200 || !strings.Contains(body, `"outbox":"ok"`) {
		t.Errorf("all well: got %d %s", code, body)
	}
	dbErr = bad
	code, body := get("/readyz")
	if code != 503 || strings.Contains(body, "password") {
		t.Errorf("no database: got %d %s", code, body)
	}
	if code, _ := get("/livez"); code != 200 {
		t.Errorf("no database: /livez got %d; a restart would mend nothing", code)
	}
	dbErr = nil
	h.worker("outbox").Store(false)
	code, body = get("/readyz")
	var got struct{ Parts map[string]string }
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"database": "ok", "outbox": "failed"}, got.Parts); code != 503 || d != "" {
		t.Errorf("no outbox: got %d %s", code, d)
	}
	h.worker("outbox").Store(true)
	h.Alarms = func() []string { return []string{"fcm"} }
	if code, body := get("/readyz"); code != 200 || !strings.Contains(body, `"alarms":["fcm"]`) {
		t.Errorf("an alarm: got %d %s; it says so, and stays in service", code, body)
	}
	h.Alarms = func() []string { return nil }
	if _, body := get("/readyz"); strings.Contains(body, "alarms") {
		t.Errorf("no alarm: got %s", body)
	}
	h.stopping.Store(true)
	if code, _ := get("/readyz"); code != 503 {
		t.Errorf("stopping: got %d", code)
	}
}

func call(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go srv.Serve(l)
	defer srv.Close()
	resp, err := http.Get("http://" + l.Addr().String() + path)
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

func TestSweeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left, failures, calls atomic.Int64
		left.Store(3*sweepBatch + 5)
		failures.Store(1)
		ctx, stop := context.WithCancel(t.Context())
		s := &Sweeper{Every: time.Second, Log: quiet(), Sweeps: []Sweep{{"things", func(_ context.Context, limit int) (int, error) {
			calls.Add(1)
			if failures.Add(-1) >= 0 {
				return 0, errors.New("away")
			}
			n := min(int64(limit), left.Load())
			left.Add(-n)
			return int(n), nil
		}}}}
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if calls.Load() != 1 {
			t.Errorf("after a failure: %d calls, want to wait for the next tick", calls.Load())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if left.Load() != 0 || calls.Load() != 5 {
			t.Errorf("%d left after %d calls, want all full batches in one tick", left.Load(), calls.Load())
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
