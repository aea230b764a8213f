package push_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"code.dny.dev/ssrf"

	"github.com/mitome-ciba/mitome/push"
)

// TestGuardRefuses dials each address by the guarded transport. None of them
// answers, so an error alone says nothing: it must be the guard's.
func TestGuardRefuses(t *testing.T) {
	for _, host := range []string{
		"127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
		"[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[fd00::1]", "[fe80::1]", "[2002:7f00:1::]",
		"localhost", // judged by what the name means, not by how it is written
	} {
		t.Run(host, func(t *testing.T) {
			_, err := push.Guard{}.Client(5 * time.Second).Get("http://" + host + ":8443/")
			if !errors.Is(err, ssrf.ErrProhibitedIP) {
				t.Errorf("got %v, want a refusal by the guard", err)
			}
		})
	}
}

func TestGuardAllows(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer srv.Close()
	for _, prefix := range []string{"127.0.0.0/8", "::ffff:127.0.0.0/104"} {
		t.Run(prefix, func(t *testing.T) {
			c := push.Guard{Allow: []netip.Prefix{netip.MustParsePrefix(prefix)}}.Client(5 * time.Second)
			defer c.CloseIdleConnections()
			resp, err := c.Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusFound {
				t.Errorf("got %d, want the redirect itself: it must not be followed", resp.StatusCode)
			}
		})
	}
}

func TestGuardPermits(t *testing.T) {
	lab := push.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	for address, want := range map[string][2]bool{ // without, and with a network of one's own
		"93.184.215.14": {true, true}, "2606:4700::1111": {true, true}, "::ffff:93.184.215.14": {true, true},
		"127.0.0.1": {}, "169.254.169.254": {}, "::1": {}, "fd00::1": {}, "::ffff:127.0.0.1": {}, "64:ff9b::7f00:1": {},
		"10.1.2.3": {false, true}, "::ffff:10.1.2.3": {false, true}, "10.2.0.1": {},
	} {
		a := netip.MustParseAddr(address)
		if got := [2]bool{push.Guard{}.Permits(a), lab.Permits(a)}; got != want {
			t.Errorf("%s: got %v, want %v", a, got, want)
		}
	}
}

func TestDeviceKeyPrintsNothing(t *testing.T) {
	k := push.DeviceKey{P256DH: []byte("hunter2"), Auth: []byte("hunter2")}
	a := push.Address{Key: k}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k)
	out := fmt.Sprintf("%v %+v %#v %s %x %q %v %+v %#v", k, k, k, k, k, k, a, a, a) + log.String()
	if strings.Contains(out, "hunter2") || strings.Contains(out, "104 117") || strings.Contains(out, "0x68") || !strings.Contains(log.String(), "[secret]") {
		t.Error(out)
	}
}

// TestGuardUsesNoProxy: a proxy of the environment would dial in our place.
func TestGuardUsesNoProxy(t *testing.T) {
	if (push.Guard{}).Transport().Proxy != nil {
		t.Error("transport has a proxy")
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	tests := []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"7", 7 * time.Second},
		{" 7 ", 7 * time.Second},
		{"-7", 0},
		{"soon", 0},
		{"99999999", time.Hour},
		{"99999999999999999999999", 0},
		{now.Add(time.Minute).Format(http.TimeFormat), time.Minute},
		{now.Add(-time.Minute).Format(http.TimeFormat), 0},
		{now.AddDate(1, 0, 0).Format(http.TimeFormat), time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.header, func(t *testing.T) {
			got := push.ParseRetryAfter(http.Header{"Retry-After": {tt.header}}, now)
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLater(t *testing.T) {
	err := fmt.Errorf("send: %w", push.Later(9*time.Second, net.ErrClosed))
	if !errors.Is(err, push.ErrLater) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want ErrLater and its cause", err)
	}
	if got := push.RetryAfter(err); got != 9*time.Second {
		t.Errorf("got %v, want 9s", got)
	}
	for _, err := range []error{nil, push.ErrLater, push.ErrGone, push.Later(-time.Second, nil)} {
		if got := push.RetryAfter(err); got != 0 {
			t.Errorf("RetryAfter(%v): got %v, want 0", err, got)
		}
	}
}

// sender is a channel whose every send waits for a word.
type sender struct {
	channel push.Channel
	now     atomic.Int32
	peak    atomic.Int32
	goOn    chan struct{}
}

func (s *sender) Channel() push.Channel { return s.channel }

func (s *sender) Check(a push.Address) error {
	if strings.HasPrefix(string(a.Target), "bad") {
		return errors.New("bad target")
	}
	return nil
}

func (s *sender) Send(context.Context, push.Address, push.Message) error {
	n := s.now.Add(1)
	for {
		peak := s.peak.Load()
		if n <= peak || s.peak.CompareAndSwap(peak, n) {
			break
		}
	}
	<-s.goOn
	s.now.Add(-1)
	return nil
}

func TestDispatcherBoundsEachChannelByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &sender{channel: "slow", goOn: make(chan struct{})}
		quick := &sender{channel: "quick", goOn: make(chan struct{})}
		close(quick.goOn)
		d, err := push.NewDispatcher(map[push.Channel]int{"slow": 3}, slow, quick)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 10)
		for range 10 {
			go func() { done <- d.Send(t.Context(), push.Address{Channel: "slow"}, push.Message{}) }()
		}
		synctest.Wait()
		if got := slow.peak.Load(); got != 3 {
			t.Errorf("%d sends at once, want 3", got)
		}
		if err := d.Send(t.Context(), push.Address{Channel: "quick"}, push.Message{}); err != nil {
			t.Errorf("the other channel: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Send(ctx, push.Address{Channel: "slow"}, push.Message{}); !errors.Is(err, push.ErrLater) {
			t.Errorf("no slot in time: got %v, want ErrLater", err)
		}
		close(slow.goOn)
		for range 10 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestDispatcherKnowsItsChannels(t *testing.T) {
	one := &sender{channel: "one", goOn: make(chan struct{})}
	d, err := push.NewDispatcher(nil, one)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Send(t.Context(), push.Address{Channel: "two"}, push.Message{}); !errors.Is(err, push.ErrChannel) {
		t.Errorf("Send: got %v, want ErrChannel", err)
	}
	if err := d.Check(push.Address{Channel: "two"}); !errors.Is(err, push.ErrChannel) {
		t.Errorf("Check: got %v, want ErrChannel", err)
	}
	if d.Check(push.Address{Channel: "one", Target: "bad"}) == nil || d.Check(push.Address{Channel: "one"}) != nil {
		t.Error("Check does not ask the sender")
	}
	for name, f := range map[string]func() (*push.Dispatcher, error){
		"twice":     func() (*push.Dispatcher, error) { return push.NewDispatcher(nil, one, one) },
		"no room":   func() (*push.Dispatcher, error) { return push.NewDispatcher(map[push.Channel]int{"one": 0}, one) },
		"no sender": func() (*push.Dispatcher, error) { return push.NewDispatcher(map[push.Channel]int{"x": 1}, one) },
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
