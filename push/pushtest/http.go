package pushtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"code.dny.dev/ssrf"

	"github.com/mitome-ciba/mitome/push"
)

// HTTP is what Run must know of a sender that calls its service by HTTP.
type HTTP struct {
	HTTP2 bool // the service speaks HTTP/2 over TLS

	// Path is where messages go; what comes elsewhere (tokens, say) is answered
	// by Other and not counted.
	Path  string // a prefix
	Other http.Handler

	// Sent checks one message as it came, and everything in it: there must be
	// nothing else on the wire.
	Sent func(t *testing.T, r *http.Request, body []byte, m push.Message)

	// The service's own answers, by what they must come to.
	Taken  http.HandlerFunc
	Gone   map[string]http.HandlerFunc
	Later  map[string]http.HandlerFunc // with a Retry-After of [RetryAfter] where the service sends one
	Broken map[string]http.HandlerFunc

	// Limit is the largest Sealed that fits; one byte more must fail unsent.
	Limit int
	// Private is an address whose target is in a private network, as far as the
	// channel takes targets that name a host; zero where it takes none.
	Private push.Address
}

// RetryAfter is what a case's service answers where it asks for a wait.
const RetryAfter = 7 * time.Second

// Service is where the fake service is.
type Service struct {
	URL    string
	Client *http.Client // reaches it through the guard, which lets loopback pass

	fake *fake
}

// fake is a push service that counts what comes.
type fake struct {
	mu     sync.Mutex
	got    []*http.Request
	bodies [][]byte
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.got)
}

// service starts a fake service that answers messages by h.
func (c Case) service(t *testing.T, h http.HandlerFunc) Service {
	t.Helper()
	if c.NoHTTP {
		return Service{}
	}
	if h == nil {
		h = c.HTTP.Taken
	}
	f := &fake{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, c.HTTP.Path) {
			c.HTTP.Other.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.got, f.bodies = append(f.got, r), append(f.bodies, body)
		f.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		h(w, r)
	}))
	client := push.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}.Client(10 * time.Second)
	if c.HTTP.HTTP2 {
		srv.EnableHTTP2 = true
		srv.StartTLS()
		client.Transport.(*http.Transport).TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	} else {
		srv.Start()
	}
	t.Cleanup(func() { client.CloseIdleConnections(); srv.Close() })
	return Service{URL: srv.URL, Client: client, fake: f}
}

func runHTTP(t *testing.T, c Case) {
	t.Run("taken", func(t *testing.T) {
		for _, kind := range []push.Kind{push.Show, push.Clear, push.Test} {
			m := Message()
			m.Kind = kind
			svc := send(t, c, nil, m, nil)
			svc.fake.mu.Lock()
			c.HTTP.Sent(t, svc.fake.got[0], svc.fake.bodies[0], m)
			svc.fake.mu.Unlock()
		}
	})
	for want, answers := range map[error]map[string]http.HandlerFunc{
		push.ErrGone: c.HTTP.Gone, push.ErrLater: c.HTTP.Later, push.ErrBroken: c.HTTP.Broken,
	} {
		for name, h := range answers {
			t.Run(name, func(t *testing.T) { send(t, c, h, Message(), want) })
		}
	}
	t.Run("redirect", func(t *testing.T) { runRedirect(t, c) })
	t.Run("hangs", func(t *testing.T) { runHang(t, c) })
	t.Run("refused", func(t *testing.T) { runRefused(t, c) })
	t.Run("oversize", func(t *testing.T) { runOversize(t, c) })
	t.Run("private", func(t *testing.T) { runPrivate(t, c) })
	t.Run("parallel", func(t *testing.T) { runParallel(t, c) })
}

// send makes one Send at a service that answers by h, and checks that it made
// exactly one request and came to want.
func send(t *testing.T, c Case, h http.HandlerFunc, m push.Message, want error) Service {
	t.Helper()
	svc := c.service(t, h)
	err := c.Sender(t, svc).Send(t.Context(), c.Address(svc), m)
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	if want != nil {
		oneOf(t, err)
	}
	if n := svc.fake.count(); n != 1 {
		t.Fatalf("%d requests, want exactly one a Send", n)
	}
	if wait := push.RetryAfter(err); wait != 0 && wait != RetryAfter {
		t.Errorf("Retry-After: got %v, want %v", wait, RetryAfter)
	}
	return svc
}

// runRedirect: whoever answers a redirect must not get our credentials sent
// elsewhere.
func runRedirect(t *testing.T, c Case) {
	var elsewhere fake
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere.mu.Lock()
		defer elsewhere.mu.Unlock()
		elsewhere.got = append(elsewhere.got, r)
	}))
	defer other.Close()
	svc := c.service(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	err := c.Sender(t, svc).Send(t.Context(), c.Address(svc), Message())
	if err == nil || errors.Is(err, push.ErrGone) {
		t.Errorf("got %v, want an error that costs nobody the address", err)
	}
	oneOf(t, err)
	if elsewhere.count() != 0 {
		t.Error("the redirect was followed")
	}
}

// runHang: a service that never answers costs no more than the context allows.
// Repeating is safe, because Key collapses what arrives twice.
func runHang(t *testing.T, c Case) {
	svc := c.service(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := c.Sender(t, svc).Send(ctx, c.Address(svc), Message())
	if !errors.Is(err, push.ErrLater) {
		t.Errorf("got %v, want ErrLater", err)
	}
	oneOf(t, err)

	// Nor more than the message's own time: what it is about is over then.
	m, began := Message(), time.Now()
	m.TTL = 200 * time.Millisecond
	if err := c.Sender(t, svc).Send(t.Context(), c.Address(svc), m); !errors.Is(err, push.ErrLater) {
		t.Errorf("got %v, want ErrLater", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v, want no more than the message's TTL", took)
	}
}

// runRefused: nothing listens.
func runRefused(t *testing.T, c Case) {
	gone := httptest.NewServer(http.NotFoundHandler())
	svc := c.service(t, nil)
	svc.URL = gone.URL
	gone.Close()
	err := c.Sender(t, svc).Send(t.Context(), c.Address(svc), Message())
	if !errors.Is(err, push.ErrLater) {
		t.Errorf("got %v, want ErrLater", err)
	}
	oneOf(t, err)
}

func runOversize(t *testing.T, c Case) {
	m := Message()
	m.Sealed = bytes.Repeat([]byte{'x'}, c.HTTP.Limit)
	send(t, c, nil, m, nil)
	m.Sealed = append(m.Sealed, 'x')
	svc := c.service(t, nil)
	err := c.Sender(t, svc).Send(t.Context(), c.Address(svc), m)
	if !errors.Is(err, push.ErrUnfit) {
		t.Errorf("got %v, want ErrUnfit", err)
	}
	oneOf(t, err)
	if svc.fake.count() != 0 {
		t.Error("it was sent all the same")
	}
}

// runPrivate: the guard refuses at dial time, whatever Check thinks.
func runPrivate(t *testing.T, c Case) {
	if c.HTTP.Private.Target == "" {
		return
	}
	svc := c.service(t, nil)
	guarded := svc
	guarded.Client = push.Guard{}.Client(5 * time.Second)
	err := c.Sender(t, guarded).Send(t.Context(), c.HTTP.Private, Message())
	if !errors.Is(err, ssrf.ErrProhibitedIP) && !errors.Is(err, push.ErrGone) {
		t.Errorf("got %v, want a refusal", err)
	}
	noLeak(t, err)
}

// runParallel lets the race detector see many sends on one sender.
func runParallel(t *testing.T, c Case) {
	svc := c.service(t, nil)
	s := c.Sender(t, svc)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := s.Send(t.Context(), c.Address(svc), Message()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := svc.fake.count(); n != 20 {
		t.Errorf("%d requests, want 20", n)
	}
}
