package webpush_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"code.dny.dev/ssrf"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/ece"
	"github.com/mitome-ciba/mitome/push/webpush"
	"github.com/mitome-ciba/mitome/push/webpush/webpushtest"
)

// world is a sender, and a service at which browsers subscribe to its key.
type world struct {
	*webpush.Sender
	service *webpushtest.Service
	public  string
	clock   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{service: webpushtest.New(t), clock: time.Now()}
	client := loopback.Client(10 * time.Second)
	t.Cleanup(client.CloseIdleConnections)
	w.Sender = &webpush.Sender{
		Client: client, Guard: loopback, VAPID: newKey(t), Subject: subject,
		Now: func() time.Time { return w.clock },
	}
	var err error
	if w.public, err = webpush.PublicKey(w.VAPID); err != nil {
		t.Fatal(err)
	}
	return w
}

func message(t *testing.T, a push.Address, text string) push.Message {
	t.Helper()
	sealed, err := ece.Seal(a.Key, []byte(text), 0)
	if err != nil {
		t.Fatal(err)
	}
	return push.Message{Kind: push.Show, Key: "request-17", Sealed: sealed, TTL: 90*time.Second + 900*time.Millisecond}
}

func TestBrowserReadsWhatWasSealed(t *testing.T) {
	w := newWorld(t)
	const text = `{"title":"Example Shop asks","body":"Pay 42 EUR"}`
	a := w.service.Subscribe(w.public).Address()
	if err := w.Send(t.Context(), a, message(t, a, text)); err != nil {
		t.Fatal(err)
	}
	got := w.service.Pushes()
	if len(got) != 1 || string(got[0].Plaintext) != text {
		t.Fatalf("the browser reads %q", got)
	}
	if p := got[0]; p.TTL != 90*time.Second || p.Urgency != "high" || p.Topic != webpush.Topic("request-17") ||
		p.Token.Public != w.public || p.Token.Subject != subject || len(p.Body) != ece.Size {
		t.Errorf("got %+v", p)
	}
	for _, secret := range []string{"Example Shop", "42 EUR", "request-17"} {
		if strings.Contains(string(w.service.Seen()), secret) {
			t.Errorf("the service sees %q", secret)
		}
	}
}

// TestWithoutBody: what could not be sealed goes out as a bare knock, never in
// clear.
func TestWithoutBody(t *testing.T) {
	w := newWorld(t)
	a := w.service.Subscribe(w.public).Address()
	m := push.Message{Kind: push.Clear, Key: "k", Generic: "push.generic", TTL: -time.Second}
	if err := w.Send(t.Context(), a, m); err != nil {
		t.Fatal(err)
	}
	got := w.service.Pushes()
	if len(got) != 1 || len(got[0].Body) != 0 || got[0].TTL != 0 || strings.Contains(string(w.service.Seen()), "generic") {
		t.Errorf("got %+v", got)
	}
}

func TestTopic(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range []string{"a", "b", strings.Repeat("k", 1000)} {
		topic := webpush.Topic(key)
		if len(topic) != 22 || topic != webpush.Topic(key) || seen[topic] {
			t.Errorf("topic of %.5s is %q", key, topic)
		}
		seen[topic] = true
	}
}

func TestAnswers(t *testing.T) {
	for code, want := range map[int]error{
		200: nil, 201: nil, 202: nil, 204: nil,
		301: push.ErrUnfit, 307: push.ErrUnfit, 400: push.ErrUnfit, 405: push.ErrUnfit, 413: push.ErrUnfit,
		401: push.ErrBroken, 403: push.ErrBroken, 404: push.ErrGone, 410: push.ErrGone,
		408: push.ErrLater, 429: push.ErrLater, 500: push.ErrLater, 504: push.ErrLater,
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			w := newWorld(t)
			w.service.Answer(func(rw http.ResponseWriter, _ *http.Request) bool {
				rw.Header().Set("Location", w.service.URL+"/elsewhere")
				rw.WriteHeader(code)
				return true
			})
			a := w.service.Subscribe(w.public).Address()
			if err := w.Send(t.Context(), a, message(t, a, "x")); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		})
	}
}

func TestSubscriptionEnds(t *testing.T) {
	w := newWorld(t)
	sub := w.service.Subscribe(w.public)
	other := w.service.Subscribe("B" + strings.Repeat("A", 86)).Address() // to another server's key
	if err := w.Send(t.Context(), other, message(t, other, "x")); !errors.Is(err, push.ErrBroken) {
		t.Errorf("bound to another key: got %v, want ErrBroken", err)
	}
	w.service.Unsubscribe(sub)
	a := sub.Address()
	if err := w.Send(t.Context(), a, message(t, a, "x")); !errors.Is(err, push.ErrGone) {
		t.Errorf("unsubscribed: got %v, want ErrGone", err)
	}
}

// TestKeyWasReplaced: an address of the time of the old key is dead once the
// service refuses us there, and no other is.
func TestKeyWasReplaced(t *testing.T) {
	for _, tt := range []struct {
		name string
		code int
		old  bool // the address was said before the key was replaced
		want error
	}{
		{"old, bound to the old key", 403, true, push.ErrGone},
		{"old, and the service says it otherwise", 400, true, push.ErrGone}, // Apple's VapidPkHashMismatch
		{"old, at a service that does not care", 201, true, nil},
		{"old, and the service is away", 503, true, push.ErrLater},
		{"new", 403, false, push.ErrBroken},
		{"new, and unfit", 400, false, push.ErrUnfit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.VAPIDSince = w.clock
			a := w.service.Subscribe("").Address()
			a.Since = w.clock
			if tt.old {
				a.Since = w.clock.Add(-time.Second)
			}
			w.service.Answer(func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(tt.code); return true })
			err := w.Send(t.Context(), a, message(t, a, "x"))
			if !errors.Is(err, tt.want) || tt.want == push.ErrGone && errors.Is(err, push.ErrBroken) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestOneTokenAnOrigin: signed once, renewed in time, and another for another
// service, which could use it elsewhere otherwise.
func TestOneTokenAnOrigin(t *testing.T) {
	w := newWorld(t)
	a := w.service.Subscribe(w.public).Address()
	expires := func() time.Time {
		t.Helper()
		if err := w.Send(t.Context(), a, message(t, a, "x")); err != nil {
			t.Fatal(err)
		}
		got := w.service.Pushes()
		return got[len(got)-1].Token.Expires
	}
	first := expires()
	w.clock = w.clock.Add(5 * time.Hour)
	if second := expires(); !second.Equal(first) {
		t.Error("signed anew within half its life")
	}
	w.clock = w.clock.Add(2 * time.Hour)
	if third := expires(); !third.After(first) {
		t.Error("not renewed after half its life")
	}
	b := newWorld(t)
	b.Sender = w.Sender
	other := b.service.Subscribe(w.public).Address()
	if err := b.Send(t.Context(), other, message(t, other, "x")); err != nil { // the service checks aud
		t.Error(err)
	}
}

// TestManyOrigins: what users bring does not fill the memory.
func TestManyOrigins(t *testing.T) {
	w := newWorld(t)
	if n := w.Origins(t, 1000); n > 256 {
		t.Errorf("%d tokens are kept", n)
	}
}

func TestAudience(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://push.example/x": "https://push.example", "https://push.example:443/x": "https://push.example",
		"https://Push.Example:8443/x": "https://push.example:8443", "http://127.0.0.1:80/x": "http://127.0.0.1",
		"https://[2606:4700::1111]:443/x": "https://[2606:4700::1111]",
	} {
		if got := webpush.OriginOf(t, endpoint); got != want {
			t.Errorf("%s: got %s, want %s", endpoint, got, want)
		}
	}
}

func TestPublicKey(t *testing.T) {
	key := newKey(t)
	text, err := webpush.PublicKey(key)
	if err != nil || len(text) != 87 {
		t.Fatalf("got %q, %v", text, err)
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), b); err != nil || !got.Equal(&key.PublicKey) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestNameThatLeadsInside: the name is fine, where it leads is not.
func TestNameThatLeadsInside(t *testing.T) {
	w := newWorld(t)
	w.Sender = &webpush.Sender{
		Client: push.Guard{}.Client(5 * time.Second), VAPID: w.VAPID, Subject: subject, Now: time.Now,
	}
	a := w.service.Subscribe(w.public).Address()
	a.Target = push.Target(strings.Replace(string(a.Target), "http://127.0.0.1", "https://localhost", 1))
	if err := w.Check(a); err != nil {
		t.Errorf("Check: %v", err)
	}
	if err := w.Send(t.Context(), a, message(t, a, "x")); !errors.Is(err, push.ErrLater) || !errors.Is(err, ssrf.ErrProhibitedIP) {
		t.Errorf("got %v, want the guard's refusal", err)
	}
	if len(w.service.Seen()) != 0 {
		t.Error("it was called all the same")
	}
}
