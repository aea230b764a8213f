package apns_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/apns"
	"github.com/mitome-ciba/mitome/push/apns/apnstest"
	"github.com/mitome-ciba/mitome/push/pushtest"
)

func address() push.Address {
	return push.Address{Channel: push.APNs, Target: "production:" + pushtest.Secret}
}

func open(t *testing.T, s *apnstest.Service, url string, client *http.Client) *apns.Sender {
	t.Helper()
	sender, err := apns.Open(options(s, url, client))
	if err != nil {
		t.Fatal(err)
	}
	return sender
}

func options(s *apnstest.Service, url string, client *http.Client) apns.Options {
	return apns.Options{
		Key: s.P8(), KeyID: apnstest.KeyID, TeamID: apnstest.TeamID, Topic: apnstest.Topic,
		Client: client, Endpoint: url, Now: time.Now,
	}
}

func TestSender(t *testing.T) {
	apple := apnstest.New(t)
	fail := apnstest.Fail
	broken := map[string]http.HandlerFunc{"403 unknown": fail(403, "SomethingNew"), "404": fail(404, "TopicDisallowed")}
	for _, reason := range []string{
		"ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken", "Forbidden", "DeviceTokenNotForTopic", "BadTopic",
	} {
		broken[reason] = fail(403, reason)
	}
	pushtest.Run(t, pushtest.Case{
		Sender:  func(t *testing.T, s pushtest.Service) push.Sender { return open(t, apple, s.URL, s.Client) },
		Address: func(pushtest.Service) push.Address { return address() },
		Bad: map[string]push.Address{
			"no world":    {Channel: push.APNs, Target: pushtest.Secret},
			"other world": {Channel: push.APNs, Target: "staging:" + pushtest.Secret},
			"a path":      {Channel: push.APNs, Target: "sandbox:../" + pushtest.Secret},
		},
		HTTP: pushtest.HTTP{
			HTTP2: true, Path: "/3/device/", Other: http.NotFoundHandler(), Sent: sent, Taken: apple.Device, Limit: limit,
			Gone: map[string]http.HandlerFunc{
				"bad token":    fail(400, "BadDeviceToken"),
				"unregistered": apnstest.Gone("Unregistered", time.Now()),
				"expired":      apnstest.Gone("ExpiredToken", time.Now()),
			},
			Later: map[string]http.HandlerFunc{
				"429 device":    fail(429, "TooManyRequests", "Retry-After", "7"),
				"429 tokens":    fail(429, "TooManyProviderTokenUpdates"),
				"500":           fail(500, "InternalServerError"),
				"503":           fail(503, "ServiceUnavailable", "Retry-After", "7"),
				"shutdown":      fail(503, "Shutdown"),
				"a proxy":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); fmt.Fprint(w, "<html>") },
				"other words":   fail(418, "no device "+pushtest.Secret),
				"410 of nobody": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) },
				"reset":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			},
			Broken: broken,
		},
	})
}

// limit is the largest body that fits beside what an alert says besides. It holds
// for pushtest's message; TestSender finds one byte more or less.
const limit = 2919

// sent compares all that came, so that nothing can come along unseen.
func sent(t *testing.T, r *http.Request, body []byte, m push.Message) {
	hash := sha256.Sum256([]byte(m.Key))
	want := map[string]string{
		"Apns-Topic": apnstest.Topic, "Apns-Push-Type": "alert", "Apns-Priority": "10",
		"Apns-Collapse-Id": base64.RawURLEncoding.EncodeToString(hash[:])[:22],
	}
	aps := map[string]any{
		"alert":           map[string]any{"title-loc-key": m.Generic, "loc-key": "push.look"},
		"mutable-content": 1.0, "category": "MITOME_REQUEST", "thread-id": "mitome",
		"sound": "default", "interruption-level": "time-sensitive",
	}
	switch m.Kind {
	case push.Clear:
		want["Apns-Push-Type"], want["Apns-Priority"] = "background", "5"
		aps = map[string]any{"content-available": 1.0}
	case push.Test:
		delete(aps, "category")
		aps["alert"] = map[string]any{"title-loc-key": m.Generic}
	}
	for name, value := range want {
		if got := r.Header.Get(name); got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
	expires, err := strconv.ParseInt(r.Header.Get("Apns-Expiration"), 10, 64)
	if left := time.Until(time.Unix(expires, 0)); err != nil || left < m.TTL-10*time.Second || left > m.TTL {
		t.Errorf("expires in %v, want %v", left, m.TTL)
	}
	var got map[string]any
	whole := map[string]any{"aps": aps, "m": base64.RawURLEncoding.EncodeToString(m.Sealed)}
	if err := json.Unmarshal(body, &got); err != nil || !reflect.DeepEqual(got, whole) {
		t.Errorf("got %s, %v, want %v", body, err, whole)
	}
}

// fake is Apple's on one server, with answers of its own.
func fake(t *testing.T, h http.HandlerFunc) (string, *http.Client) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL, srv.Client()
}

// TestGone: a device that registered a token again after Apple saw it die keeps
// its address.
func TestGone(t *testing.T) {
	apple, died := apnstest.New(t), time.Now()
	url, client := fake(t, apnstest.Gone("Unregistered", died))
	s := open(t, apple, url, client)
	for name, tt := range map[string]struct {
		since time.Time
		want  error
	}{
		"registered before": {died.Add(-time.Hour), push.ErrGone},
		"registered after":  {died.Add(time.Minute), push.ErrLater},
		"nobody knows when": {time.Time{}, push.ErrGone},
	} {
		a := address()
		a.Since = tt.since
		if err := s.Send(t.Context(), a, pushtest.Message()); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

// TestUnfit: what is wrong with a message costs nobody an address.
func TestUnfit(t *testing.T) {
	apple := apnstest.New(t)
	for name, h := range map[string]http.HandlerFunc{
		"413": apnstest.Fail(413, "PayloadTooLarge"), "404": apnstest.Fail(404, "BadPath"), "400": apnstest.Fail(400, "BadCollapseId"),
	} {
		url, client := fake(t, h)
		if err := open(t, apple, url, client).Send(t.Context(), address(), pushtest.Message()); !errors.Is(err, push.ErrUnfit) {
			t.Errorf("%s: got %v, want ErrUnfit", name, err)
		}
	}
}

// TestCredentials: whatever is wrong with the key, no address is to blame.
func TestCredentials(t *testing.T) {
	apple := apnstest.New(t)
	url, client := fake(t, apple.Device)
	for name, spoil := range map[string]func(*apns.Options){
		"another's key": func(o *apns.Options) { o.Key = apnstest.New(t).P8() },
		"other key id":  func(o *apns.Options) { o.KeyID = "0000000000" },
		"other team":    func(o *apns.Options) { o.TeamID = "0000000000" },
		"another's app": func(o *apns.Options) { o.Topic = "org.example.other" },
	} {
		o := options(apple, url, client)
		spoil(&o)
		s, err := apns.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), address(), pushtest.Message()); !errors.Is(err, push.ErrBroken) || errors.Is(err, push.ErrGone) {
			t.Errorf("%s: got %v, want ErrBroken", name, err)
		}
		if err := s.Probe(t.Context()); !errors.Is(err, push.ErrBroken) {
			t.Errorf("%s: the probe got %v, want ErrBroken", name, err)
		}
	}
}

// TestWorlds: each world is called where it is, with one provider token.
func TestWorlds(t *testing.T) {
	apple := apnstest.New(t)
	var hosts []string
	_, client := fake(t, apple.Device)
	client.Transport = record{client.Transport, &hosts}
	s := open(t, apple, "", client)
	for _, world := range []push.Target{"production:", "sandbox:", "production:"} {
		a := push.Address{Channel: push.APNs, Target: world + pushtest.Secret}
		if err := s.Send(t.Context(), a, pushtest.Message()); !errors.Is(err, push.ErrLater) {
			t.Fatal(err)
		}
	}
	want := []string{"api.push.apple.com", "api.sandbox.push.apple.com", "api.push.apple.com"}
	if !reflect.DeepEqual(hosts, want) {
		t.Errorf("called %v, want %v", hosts, want)
	}
}

// record notes where a call would go, and lets none go there.
type record struct {
	http.RoundTripper
	hosts *[]string
}

// RoundTrip implements http.RoundTripper.
func (r record) RoundTrip(req *http.Request) (*http.Response, error) {
	*r.hosts = append(*r.hosts, req.URL.Host)
	return nil, errors.New("nobody there")
}

func TestTokenIsShared(t *testing.T) {
	apple := apnstest.New(t)
	url, client := fake(t, apple.Device)
	s := open(t, apple, url, client)
	for _, world := range []push.Target{"production:", "sandbox:"} {
		a := push.Address{Channel: push.APNs, Target: world + pushtest.Secret}
		if err := s.Send(t.Context(), a, pushtest.Message()); err != nil {
			t.Fatal(err)
		}
	}
	if n := apple.Tokens(); n != 1 {
		t.Errorf("%d provider tokens, want 1", n)
	}
}

// TestWithoutKey: a device without a key is told what happened to what, and
// nothing in words.
func TestWithoutKey(t *testing.T) {
	apple := apnstest.New(t)
	var got map[string]any
	url, client := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&got)
	})
	m := pushtest.Message()
	m.Sealed, m.Kind, m.Generic = nil, push.Devices, ""
	if err := open(t, apple, url, client).Send(t.Context(), address(), m); err != nil {
		t.Fatal(err)
	}
	if got["t"] != "device" || got["k"] != m.Key || len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

func TestProbe(t *testing.T) {
	apple := apnstest.New(t)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"good": {apnstest.Fail(400, "BadDeviceToken"), nil},
		"bad":  {apnstest.Fail(403, "InvalidProviderToken"), push.ErrBroken},
		"down": {apnstest.Fail(503, "ServiceUnavailable"), push.ErrLater},
	} {
		url, client := fake(t, tt.answer)
		if err := open(t, apple, url, client).Probe(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

func TestOpen(t *testing.T) {
	good := options(apnstest.New(t), "", &http.Client{})
	for name, spoil := range map[string]func(*apns.Options){
		"no key":     func(o *apns.Options) { o.Key = nil },
		"half a key": func(o *apns.Options) { o.Key = []byte(strings.Replace(string(o.Key), "MI", "", 1)) },
		"key id":     func(o *apns.Options) { o.KeyID = "abc" },
		"team id":    func(o *apns.Options) { o.TeamID = "" },
		"topic":      func(o *apns.Options) { o.Topic = "a b" },
	} {
		o := good
		spoil(&o)
		if _, err := apns.Open(o); err == nil || strings.Contains(err.Error(), "MI") {
			t.Errorf("%s: got %v, want a refusal that quotes no key", name, err)
		}
	}
	s, err := apns.Open(good)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v %#v", s, s); strings.Contains(text, "AuthKey") || strings.Contains(text, "bearer") {
		t.Error("the sender prints its key")
	}
}
