package op_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/op"
)

const secret = "bearer-9c1f7b"

// call is a report to url with a secret in every place that it may have.
func call(url string) op.Call {
	return op.Call{
		URL:    url + "/cb?state=" + secret,
		Header: http.Header{"Authorization": {"Bearer " + secret}, "Content-Type": {"application/json"}},
		Body:   []byte(`{"handle":"` + secret + `"}`),
	}
}

func poster(t *testing.T, base *http.Client) *op.Poster {
	t.Helper()
	p, err := op.NewPoster(base)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// closed is an address where nothing listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestPostSaysWhetherItLeft(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	unknown := httptest.NewUnstartedServer(http.NotFoundHandler()) // nobody trusts its certificate
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0)
	unknown.StartTLS()
	defer unknown.Close()
	server := func(h http.HandlerFunc) string {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return srv.URL
	}
	tests := []struct {
		name string
		url  string
		want error
	}{
		{"nothing listens", "http://" + closed(t), op.ErrNotSent},
		{"no such host", "http://op.invalid", op.ErrNotSent},
		{"no TLS there", strings.Replace(plain.URL, "http:", "https:", 1), op.ErrNotSent},
		{"untrusted certificate", unknown.URL, op.ErrNotSent},
		{"not a URL", "http://%zz", op.ErrNotSent},
		{"hangs up at once", server(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), op.ErrUnsure},
		{"answers nonsense", server(func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			io.WriteString(conn, r.Header.Get("Authorization")+" "+r.URL.String()+"\r\n\r\n")
		}), op.ErrUnsure},
		{"answers", server(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := poster(t, nil).Post(t.Context(), call(tt.url))
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil && a.Status != http.StatusTeapot {
				t.Errorf("got status %d, want %d", a.Status, http.StatusTeapot)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the secret stands in the error: %v", err)
			}
		})
	}
}

// A connection that was kept alive and died is what net/http would send a
// request over anew by itself.
func TestPostNeverSendsTwice(t *testing.T) {
	for _, tls := range []bool{false, true} {
		var calls atomic.Int32
		var connections sync.Map
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if r.Method == http.MethodHead {
				return
			}
			if r.ProtoMajor != 1 {
				t.Errorf("sent over %s, want HTTP/1.1", r.Proto)
			}
			if _, used := connections.LoadOrStore(r.RemoteAddr, true); used {
				t.Error("sent on a connection that had served before: if it is dead, nobody knows what arrived")
			}
			if calls.Add(1) > 1 {
				panic(http.ErrAbortHandler)
			}
		}))
		if srv.EnableHTTP2 = tls; tls {
			srv.StartTLS()
		} else {
			srv.Start()
		}
		t.Cleanup(srv.Close)
		// The same client has a connection to the OP kept alive, from fetching keys.
		client := srv.Client()
		resp, err := client.Head(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		p := poster(t, client)
		if _, err := p.Post(t.Context(), call(srv.URL)); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Post(t.Context(), call(srv.URL)); !errors.Is(err, op.ErrUnsure) {
			t.Errorf("got %v, want %v", err, op.ErrUnsure)
		}
		if n := calls.Load(); n != 2 {
			t.Errorf("tls %v: two posts arrived %d times", tls, n)
		}
	}
}

func TestPostReadsNoEndlessAnswer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		for r.Context().Err() == nil {
			w.Write(make([]byte, 4096))
		}
	}))
	defer srv.Close()
	a, err := poster(t, nil).Post(t.Context(), call(srv.URL))
	if err != nil || a.Status != http.StatusBadRequest || len(a.Body) != 16<<10 || a.Cut {
		t.Errorf("got status %d, %d bytes, cut %v, err %v; want 400 and 16 KiB", a.Status, len(a.Body), a.Cut, err)
	}
}

func TestPostTellsOfAnAnswerThatBrokeOff(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":`)
	}))
	defer srv.Close()
	a, err := poster(t, nil).Post(t.Context(), call(srv.URL))
	if err != nil || !a.Cut || string(a.Body) != `{"error":` {
		t.Errorf("got %q, cut %v, err %v; want what came, and that it was cut", a.Body, a.Cut, err)
	}
}

func TestPostEndsWithItsContextBeforeItConnects(t *testing.T) {
	dialing := make(chan struct{})
	base := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialing)
		<-ctx.Done()
		return nil, ctx.Err()
	}}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := poster(t, base).Post(ctx, call("http://op.example"))
		done <- err
	}()
	<-dialing
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, op.ErrNotSent) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v because of %v", err, op.ErrNotSent, context.Canceled)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Post outlives its context")
	}
}

func TestNewPosterWantsATransportThatItKnows(t *testing.T) {
	if _, err := op.NewPoster(&http.Client{Transport: retrier{}}); err == nil {
		t.Error("got no error for a round tripper that may repeat what it likes")
	}
}

type retrier struct{ http.RoundTripper }

func TestAnswerErr(t *testing.T) {
	for status, want := range map[int]error{
		200: nil, 201: nil, 204: nil,
		301: op.ErrRefused, 307: op.ErrRefused,
		400: op.ErrRefused, 401: op.ErrRefused, 403: op.ErrRefused, 404: op.ErrRefused, 409: op.ErrRefused, 410: op.ErrRefused,
		408: op.ErrUnsure, 425: op.ErrUnsure, 429: op.ErrUnsure,
		500: op.ErrUnsure, 502: op.ErrUnsure, 503: op.ErrUnsure, 504: op.ErrUnsure,
	} {
		if err := (op.Answer{Status: status}).Err(); !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("%d: got %v, want %v", status, err, want)
		}
	}
}
