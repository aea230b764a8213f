package main_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/show"
	app "github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/apns"
	"github.com/mitome-ciba/mitome/push/apns/apnstest"
	"github.com/mitome-ciba/mitome/push/ece"
	"github.com/mitome-ciba/mitome/push/fcm"
	"github.com/mitome-ciba/mitome/push/fcm/fcmtest"
)

// nativeVector is the vector of docs/native-apps.md.
type nativeVector struct {
	PrivateKey string `json:"private_key"`
	P256DH     string `json:"p256dh"`
	Auth       string `json:"auth"`
	M          string `json:"m"`
	Plaintext  string `json:"plaintext"`
}

// nativePage is docs/native-apps.md.
func nativePage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/native-apps.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// example is a block of the page by its name.
func example(t *testing.T, name string) string {
	t.Helper()
	m := regexp.MustCompile("(?ms)^```json " + name + "\n(.*?)^```$").FindStringSubmatch(nativePage(t))
	if m == nil {
		t.Fatalf("the page has no block %s", name)
	}
	return m[1]
}

// sample is the request of the vector.
func sample() approval.Request {
	at := time.Date(2026, 3, 1, 3, 2, 0, 0, time.UTC)
	return approval.Request{
		ID: "K7QWERTYUIOPASDFGHJKLZXCVB", OP: "corp", ClientID: "shop", ClientName: "Corner Books", BindingMessage: "Order 88-1047",
		State: approval.Pending, CreatedAt: at.Add(-2 * time.Minute), ExpiresAt: at, Code: approval.Code{Source: approval.CodeUserCode},
	}
}

// TestNativeAppsVector: the page's message is read by the library, is what Mitome
// would say, and is sealed as Mitome seals. Where it is not, the test prints one
// that is.
func TestNativeAppsVector(t *testing.T) {
	words, err := show.Load()
	if err != nil {
		t.Fatal(err)
	}
	text, err := (&show.Shower{Catalogue: words}).Asks(sample(), "en", "DEVICEDEVICEDEVICEDEVICEDE.abcdefgh.bm90LWEtY2FwYWJpbGl0eQ")
	if err != nil {
		t.Fatal(err)
	}
	var v nativeVector
	if err := json.Unmarshal([]byte(example(t, "vector")), &v); err != nil {
		t.Fatal(err)
	}
	kept := append(unbase(t, v.PrivateKey), unbase(t, v.Auth)...)
	key, err := app.LoadPushKey(kept)
	if err == nil && (key.P256DH() != v.P256DH || key.Auth() != v.Auth || v.Plaintext != string(text)) {
		err = app.ErrNotice
	}
	var said *app.Notice
	if err == nil {
		said, err = key.Open(v.M)
	}
	if err != nil || len(unbase(t, v.M)) != ece.Size {
		t.Fatalf("the page's vector is not good (%v); this is:\n%s", err, freshVector(t, text))
	}
	var want map[string]any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if said.Key != want["key"] || said.Body != want["body"] || said.Capability != want["capability"] || !said.Code {
		t.Errorf("the library reads %v", said)
	}
	for field := range want {
		if !strings.Contains(nativePage(t), "`"+field+"`") {
			t.Errorf("the page does not say what %s is", field)
		}
	}
}

func unbase(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func freshVector(t *testing.T, text []byte) string {
	t.Helper()
	key, err := app.NewPushKey()
	if err != nil {
		t.Fatal(err)
	}
	m, err := ece.Seal(push.DeviceKey{P256DH: unbase(t, key.P256DH()), Auth: unbase(t, key.Auth())}, text, ece.Size)
	if err != nil {
		t.Fatal(err)
	}
	base := base64.RawURLEncoding.EncodeToString
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(nativeVector{base(key.Keep()[:32]), key.P256DH(), key.Auth(), base(m), string(text)}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestNativeAppsPayloads: what the page says arrives is what is sent.
func TestNativeAppsPayloads(t *testing.T) {
	var body []byte
	google, mux := fcmtest.New(t), http.NewServeMux()
	mux.HandleFunc("/token", google.Token)
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) { body = message(t, r); io.WriteString(w, `{"name": "x"}`) })
	atGoogle := httptest.NewServer(mux)
	t.Cleanup(atGoogle.Close)
	atApple := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { body = message(t, r) }))
	atApple.EnableHTTP2 = true
	atApple.StartTLS()
	t.Cleanup(atApple.Close)
	android, err := fcm.Open(t.Context(), fcm.Options{
		Credentials: google.Credentials(atGoogle.URL), Client: atGoogle.Client(), Endpoint: atGoogle.URL + "/v1", Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	iphone, err := apns.Open(apns.Options{
		Key: apnstest.New(t).P8(), KeyID: apnstest.KeyID, TeamID: apnstest.TeamID, Topic: apnstest.Topic,
		Client: atApple.Client(), Endpoint: atApple.URL, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	sealed := []byte("sealed")
	for _, tt := range []struct {
		block  string
		sender push.Sender
		target push.Target
		kind   push.Kind
		sealed []byte
	}{
		{"fcm", android, "a:b", push.Show, sealed}, {"fcm-keyless", android, "a:b", push.Show, nil},
		{"apns", iphone, "production:ab", push.Show, sealed}, {"apns-keyless", iphone, "production:ab", push.Show, nil},
		{"apns-clear", iphone, "production:ab", push.Clear, sealed},
	} {
		m := push.Message{Kind: tt.kind, Key: "K1", Generic: show.PushRequest, Sealed: tt.sealed, TTL: 90 * time.Second}
		if err := tt.sender.Send(t.Context(), push.Address{Channel: tt.sender.Channel(), Target: tt.target}, m); err != nil {
			t.Fatal(err)
		}
		said := strings.NewReplacer("<m>", base64.RawURLEncoding.EncodeToString(sealed), "<key>", "K1", "<target>", string(tt.target)).
			Replace(example(t, tt.block))
		var got, want any
		if err := json.Unmarshal([]byte(said), &want); err != nil {
			t.Errorf("%s: %v", tt.block, err)
		}
		if err := json.Unmarshal(body, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the page says\n%s, sent is\n%s", tt.block, said, body)
		}
	}
}

// message is the body of r, of FCM's without the envelope that Google takes off.
func message(t *testing.T, r *http.Request) []byte {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	var envelope struct{ Message json.RawMessage }
	if json.Unmarshal(body, &envelope) == nil && envelope.Message != nil {
		return envelope.Message
	}
	return body
}

// TestNativeAppsWords: the page's table of loc-keys has each title that is sent to
// a device without a key, with Mitome's own words for it.
func TestNativeAppsWords(t *testing.T) {
	words, err := show.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"push.request", "push.test", "push.devices"} {
		text, err := words.Text("en", key)
		if err != nil || !strings.Contains(nativePage(t), "| `"+key+"` | "+text+" |") {
			t.Errorf("the page has another word for %s than %q, %v", key, text, err)
		}
	}
}
