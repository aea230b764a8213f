package webpush_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/pushtest"
	"github.com/mitome-ciba/mitome/push/webpush"
	"github.com/mitome-ciba/mitome/push/webpush/webpushtest"
)

const subject = "mailto:ops@mitome.example"

// loopback is what the tests' services need, and a product never has by itself.
var loopback = push.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func answer(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func hangUp(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }

func address(target string) push.Address {
	return push.Address{Channel: push.WebPush, Target: push.Target(target)}
}

func TestConformance(t *testing.T) {
	key := newKey(t)
	pushtest.Run(t, pushtest.Case{
		Sender: func(_ *testing.T, svc pushtest.Service) push.Sender {
			return &webpush.Sender{Client: svc.Client, Guard: loopback, VAPID: key, Subject: subject, Now: time.Now}
		},
		Address: func(svc pushtest.Service) push.Address { return address(svc.URL + "/wpush/v2/" + pushtest.Secret) },
		Bad: map[string]push.Address{
			"no URL":                  address(pushtest.Secret),
			"no host":                 address("https:///" + pushtest.Secret),
			"http to a name":          address("http://push.example/" + pushtest.Secret),
			"http to a public host":   address("http://93.184.215.14/" + pushtest.Secret),
			"http to a private one":   address("http://10.0.0.1/" + pushtest.Secret),
			"a private host":          address("https://10.0.0.1/" + pushtest.Secret),
			"metadata":                address("https://169.254.169.254/" + pushtest.Secret),
			"metadata in IPv6":        address("https://[::ffff:169.254.169.254]/" + pushtest.Secret),
			"this machine in IPv6":    address("https://[::1]/" + pushtest.Secret),
			"other scheme":            address("file:///etc/passwd#" + pushtest.Secret),
			"user in the URL":         address("https://u:p@push.example/" + pushtest.Secret),
			"fragment":                address("https://push.example/#" + pushtest.Secret),
			"space":                   address("https://push.example/a b" + pushtest.Secret),
			"not ASCII":               address("https://push.example/é" + pushtest.Secret),
			"longer than any service": address("https://push.example/" + strings.Repeat("x", 2048)),
		},
		HTTP: pushtest.HTTP{
			HTTP2: true, Path: "/wpush/",
			Sent:  func(t *testing.T, r *http.Request, body []byte, m push.Message) { sent(t, r, body, m) },
			Taken: answer(201, "Location", "/message/1"),
			Gone:  map[string]http.HandlerFunc{"404": answer(404), "410": answer(410)},
			Later: map[string]http.HandlerFunc{
				"429": answer(429, "Retry-After", "7"), "429 without a wait": answer(429),
				"500": answer(500), "502": answer(502), "503": answer(503, "Retry-After", "7"), "hangs up": hangUp,
			},
			Broken:  map[string]http.HandlerFunc{"401": answer(401), "403": answer(403)},
			Limit:   4096,
			Private: address("https://10.0.0.1/" + pushtest.Secret),
		},
	})
}

// sent is all that may stand on the wire.
func sent(t *testing.T, r *http.Request, body []byte, m push.Message) {
	t.Helper()
	if !bytes.Equal(body, m.Sealed) || r.Method != http.MethodPost {
		t.Errorf("%s with %q, want the sealed bytes and nothing else", r.Method, body)
	}
	token, err := webpushtest.Verify(r, "https://"+r.Host, time.Now())
	if err != nil || token.Subject != subject {
		t.Errorf("token %+v: %v", token, err)
	}
	want := map[string]string{
		"Ttl": "90", "Urgency": "high", "Topic": webpush.Topic(m.Key), "Content-Encoding": "aes128gcm",
		"Content-Type": "application/octet-stream",
	}
	for name, value := range want {
		if got := r.Header.Values(name); !slices.Equal(got, []string{value}) {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
	for name := range r.Header {
		transport := []string{"Authorization", "Accept-Encoding", "Content-Length", "User-Agent"}
		if _, ok := want[name]; !ok && !slices.Contains(transport, name) {
			t.Errorf("header %s has no business there", name)
		}
	}
	for name, values := range r.Header {
		if strings.Contains(strings.Join(values, " "), m.Key) || strings.Contains(strings.Join(values, " "), m.Generic) {
			t.Errorf("%s tells the service what it is about", name)
		}
	}
}
