package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what ought to happen soon.
const patience = 30 * time.Second

// move puts one file in the place of another, as a renewal does.
func move(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

// TestCertificateRenewed walks a certificate through what happens to files: the
// pair in use is the newest that was whole.
func TestCertificateRenewed(t *testing.T) {
	var out bytes.Buffer
	now := time.Now()
	certFile, keyFile, _ := selfSigned(t)
	newCert, newKey, _ := selfSigned(t)
	c := &certificate{certFile: certFile, keyFile: keyFile, log: slog.New(slog.NewTextHandler(&out, nil)), now: func() time.Time { return now }}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		t.Helper()
		cert, err := c.current(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(cert.Leaf.Raw)
	}
	pairs := func(what string, same bool, before string) string {
		t.Helper()
		now = now.Add(lookEvery)
		got := serial()
		if (got == before) != same {
			t.Errorf("%s: the one before is used: %v, want %v", what, got == before, same)
		}
		return got
	}
	first := pairs("nothing happened", true, serial())
	move(t, newCert, certFile)
	pairs("the certificate alone is new", true, first)
	pairs("and a second later", true, first)
	if n := strings.Count(out.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d alarms, want 1 for one content:\n%s", n, &out)
	}
	move(t, newKey, keyFile)
	if serial() != first {
		t.Error("the files are read for each handshake")
	}
	second := pairs("the key is new as well", false, first)
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	pairs("the key is gone", true, second)
	move(t, newKey, keyFile)
	pairs("the key is back", true, second)
	move(t, newCert, keyFile)
	pairs("the key is none", true, second)
	key, err := os.ReadFile(newKey)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), strings.Split(string(key), "\n")[1]) {
		t.Error("a key stands in the log")
	}
}

func TestCertificateThatCannotStart(t *testing.T) {
	certFile, keyFile, _ := selfSigned(t)
	if _, _, err := (Listener{CertFile: certFile, KeyFile: keyFile + "x"}).server(t.Context(), quiet()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no key: got %v, want ErrNotExist", err)
	}
	if _, _, err := (Listener{CertFile: certFile, KeyFile: certFile}).server(t.Context(), quiet()); err == nil {
		t.Error("a certificate was taken for its key")
	}
}

// TestRenewalWithoutRestart: a node that runs shows the new certificate, and a
// connection that was made before goes on.
func TestRenewalWithoutRestart(t *testing.T) {
	certFile, keyFile, pool := selfSigned(t)
	newCert, newKey, newPool := selfSigned(t)
	path := socket(t)
	ctx, stop := context.WithCancel(t.Context())
	s := &Server{Health: &Health{}, Log: quiet(), Grace: time.Second, Listeners: []Listener{{
		Name: "devices", Address: "unix:" + path, CertFile: certFile, KeyFile: keyFile, Handler: http.NotFoundHandler(),
	}}}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	get := func(roots *x509.CertPool, keep bool) (*http.Client, error) {
		client := over(path)
		tr := client.Transport.(*http.Transport)
		tr.DisableKeepAlives, tr.TLSClientConfig = !keep, &tls.Config{RootCAs: roots, ServerName: "localhost"}
		resp, err := client.Get("https://localhost/")
		if err == nil {
			io.Copy(io.Discard, resp.Body) // else the connection is not kept
			resp.Body.Close()
		}
		return client, err
	}
	old, err := get(pool, true)
	for notYet(err) {
		old, err = get(pool, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	move(t, newKey, keyFile)
	move(t, newCert, certFile)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		if _, err = get(newPool, false); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new certificate is not shown: %v", err)
		}
	}
	if resp, err := old.Get("https://localhost/"); err != nil {
		t.Errorf("the connection made before ended: %v", err)
	} else {
		resp.Body.Close()
	}
	old.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
