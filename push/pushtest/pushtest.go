// Package pushtest says, as tests, what every push sender must do. A sender's
// own test hands Run a Case: how to open the sender, what a good and a bad
// address look like, and its service's words.
package pushtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/push"
)

// Case is one sender under test. A sender whose service is not reached by HTTP
// says NoHTTP and gives Listen; the others give the fields of HTTP.
type Case struct {
	NoHTTP bool

	// Sender opens the sender. Service is the address of the fake service, with
	// the client that reaches it; it is zero with NoHTTP.
	Sender func(t *testing.T, service Service) push.Sender
	// Address is a good one, at service. Its target holds [Secret], so that a
	// leak of it is found.
	Address func(service Service) push.Address
	// Bad are addresses that Check must refuse. Those of another channel, and
	// with an empty target, need not be among them.
	Bad map[string]push.Address

	// Listen connects a device at a and calls got with each message that it
	// sees, until the test ends. It returns once the device can be reached.
	// Needed with NoHTTP only.
	Listen func(t *testing.T, a push.Address, got func(push.Kind, string))

	HTTP HTTP
}

// Secret stands in every target of a case. It must not be seen in an error. It is
// hex, because some vendors' tokens are.
const Secret = "5ec2e7a1b2c3d4e5f6"

// Message is what Run sends.
func Message() push.Message {
	return push.Message{
		Kind: push.Show, Key: "K7REQUESTKEY", Generic: "push.generic",
		Sealed: []byte("sealed-body-of-the-message"), TTL: 90 * time.Second,
	}
}

// sentinels are what an attempt may come to.
var sentinels = []error{push.ErrGone, push.ErrLater, push.ErrBroken, push.ErrAbsent, push.ErrUnfit}

// Run checks the sender of c.
func Run(t *testing.T, c Case) {
	t.Run("check", func(t *testing.T) { runCheck(t, c) })
	t.Run("context", func(t *testing.T) { runContext(t, c) })
	if c.NoHTTP {
		t.Run("delivery", func(t *testing.T) { runDelivery(t, c) })
		t.Run("absent", func(t *testing.T) { runAbsent(t, c) })
		return
	}
	runHTTP(t, c)
}

func runCheck(t *testing.T, c Case) {
	svc := c.service(t, nil)
	s := c.Sender(t, svc)
	if s.Channel() == "" {
		t.Error("the channel has no name")
	}
	good := c.Address(svc)
	if good.Channel != s.Channel() || !strings.Contains(string(good.Target), Secret) {
		t.Fatalf("the case's own address is wrong: channel %q", good.Channel)
	}
	if err := s.Check(good); err != nil {
		t.Errorf("good address: %v", err)
	}
	bad := map[string]push.Address{
		"other channel": {Channel: s.Channel() + "x", Target: good.Target},
		"no channel":    {Target: good.Target},
		"empty target":  {Channel: s.Channel()},
		"long target":   {Channel: s.Channel(), Target: good.Target + push.Target(strings.Repeat("x", 1<<16))},
		"control":       {Channel: s.Channel(), Target: good.Target + "\r\nX: y"},
	}
	for name, a := range c.Bad {
		bad[name] = a
	}
	for name, a := range bad {
		err := s.Check(a)
		if err == nil {
			t.Errorf("%s: Check took it", name)
		}
		noLeak(t, err)
		if err := s.Send(t.Context(), a, Message()); err == nil || errors.Is(err, push.ErrBroken) {
			t.Errorf("%s: Send: got %v, want a refusal that blames the address", name, err)
		} else {
			oneOf(t, err)
		}
	}
}

// runContext: a cancelled call ends at once and sends nothing.
func runContext(t *testing.T, c Case) {
	svc := c.service(t, nil)
	s := c.Sender(t, svc)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Send(ctx, c.Address(svc), Message()) }()
	select {
	case err := <-ended:
		if !errors.Is(err, push.ErrLater) {
			t.Errorf("got %v, want ErrLater", err)
		}
		oneOf(t, err)
	case <-time.After(time.Second):
		t.Fatal("a cancelled Send did not return")
	}
	if svc.fake != nil && svc.fake.count() != 0 {
		t.Error("a cancelled Send sent something")
	}
}

// runDelivery: what is sent is seen once, as it was sent.
func runDelivery(t *testing.T, c Case) {
	s := c.Sender(t, Service{})
	a := c.Address(Service{})
	type seen struct {
		kind push.Kind
		key  string
	}
	got := make(chan seen, 16)
	c.Listen(t, a, func(kind push.Kind, key string) { got <- seen{kind, key} })
	for _, kind := range []push.Kind{push.Show, push.Clear, push.Test, push.Devices} {
		m := Message()
		m.Kind = kind
		if err := s.Send(t.Context(), a, m); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if one := <-got; one != (seen{kind, m.Key}) {
			t.Errorf("got %v, want %s %s", one, kind, m.Key)
		}
	}
	select {
	case extra := <-got:
		t.Errorf("%v came besides", extra)
	default:
	}
	m := Message()
	m.Key = strings.Repeat("k", 1<<16)
	if err := s.Send(t.Context(), a, m); !errors.Is(err, push.ErrUnfit) {
		t.Errorf("oversize: got %v, want ErrUnfit", err)
	}
}

// runAbsent: nobody there is told apart from an address that is dead.
func runAbsent(t *testing.T, c Case) {
	s := c.Sender(t, Service{})
	err := s.Send(t.Context(), c.Address(Service{}), Message())
	if !errors.Is(err, push.ErrAbsent) {
		t.Errorf("got %v, want ErrAbsent", err)
	}
	oneOf(t, err)
}

// oneOf checks that err wraps exactly one of the sentinels, and leaks nothing.
func oneOf(t *testing.T, err error) {
	t.Helper()
	n := 0
	for _, s := range sentinels {
		if errors.Is(err, s) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%v wraps %d of the sentinels, want 1", err, n)
	}
	noLeak(t, err)
}

func noLeak(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), Secret) {
		t.Errorf("the target is in the error: %v", strings.ReplaceAll(err.Error(), Secret, "…"))
	}
}
