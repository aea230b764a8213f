package demo_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/shop"
)

// world is a demo that runs, with a stand-in for Mitome.
type world struct {
	*demo.Demo
	t *testing.T
}

// Secrets that must never be seen.
const apiKey = "mitome_op_7Q2K5YHRZL4M8XW3C9BVTN6D"

var hookSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of webhooks, 32 bytes!!"))

// prepare makes a demo before mitome.
func prepare(t *testing.T, mitome http.Handler, out io.Writer) *demo.Demo {
	t.Helper()
	place, err := demo.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &demo.Demo{
		Place: place, Folder: t.TempDir(), Out: out, Log: slog.New(slog.DiscardHandler),
		Mitome: demo.Mitome{
			Handler: mitome, Desk: nobody{}, Key: apiKey, Secret: hookSecret,
			Run: func(ctx context.Context) error { <-ctx.Done(); return nil },
		},
	}
}

// run runs a demo before mitome, for as long as the test.
func run(t *testing.T, mitome http.Handler) *world {
	t.Helper()
	out, in := io.Pipe()
	w := &world{t: t, Demo: prepare(t, mitome, in)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		err := w.Run(ctx)
		in.CloseWithError(errors.Join(err, io.EOF))
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("demo: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, w.Place.Shop()) {
		t.Fatalf("got %q, %v; want the URL of the shop", line, err)
	}
	return w
}

// nobody is a desk at which nobody sits.
type nobody struct{}

var errClosed = errors.New("closed")

func (nobody) Offer(context.Context) (shop.Offer, error) { return shop.Offer{}, errClosed }
func (nobody) Pairing(context.Context, string) (shop.Pairing, error) {
	return shop.Pairing{}, errClosed
}
func (nobody) Confirm(context.Context, string) error { return errClosed }
func (nobody) Paired(context.Context) (bool, error)  { return false, nil }

// call calls the demo by one of its names: "GET mitome.localhost/pair". Further
// headers are pairs.
func (w *world) call(what, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	method, rest, _ := strings.Cut(what, " ")
	host, path, _ := strings.Cut(rest, "/")
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://"+w.Place.Listener.Addr().String()+"/"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Host = host
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(said)
}
