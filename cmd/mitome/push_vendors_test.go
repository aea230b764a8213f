package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mitome-ciba/mitome/push/apns/apnstest"
	"github.com/mitome-ciba/mitome/push/fcm/fcmtest"
	"github.com/mitome-ciba/mitome/push/webpush/webpushtest"
)

// pushServices are the services of all vendors, as one Mitome reaches them.
type pushServices struct {
	web           *webpushtest.Service
	google, apple *vendor
	ca            string // file that holds the certificate of apple
	config        string // the section push of a configuration
}

// newPushServices starts them; dir is where the operator keeps his keys.
func newPushServices(t *testing.T, dir string) *pushServices {
	t.Helper()
	google, apple := fcmtest.New(t), apnstest.New(t)
	toGoogle, toApple := http.NewServeMux(), http.NewServeMux()
	toGoogle.HandleFunc("/token", google.Token)
	toGoogle.HandleFunc("/v1/", google.Send)
	toApple.HandleFunc("/3/device/", apple.Device)
	s := &pushServices{
		web: webpushtest.New(t), google: newVendor(t, toGoogle, false), apple: newVendor(t, toApple, true),
		ca: filepath.Join(dir, "ca.pem"),
	}
	for path, text := range map[string][]byte{
		s.ca:                           pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.apple.server.Certificate().Raw}),
		filepath.Join(dir, "fcm.json"): google.Credentials(s.google.server.URL),
		filepath.Join(dir, "apns.p8"):  apple.P8(),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.config = fmt.Sprintf(`push:
  webpush: {subject: "mailto:operator@mitome.example", allow_private: ["127.0.0.0/8"]}
  fcm: {credentials_file: %q, endpoint: %q}
  apns: {key_file: %q, key_id: %s, team_id: %s, topic: %s, endpoint: %q}
`, filepath.Join(dir, "fcm.json"), s.google.server.URL+"/v1",
		filepath.Join(dir, "apns.p8"), apnstest.KeyID, apnstest.TeamID, apnstest.Topic, s.apple.server.URL)
	return s
}

// seen is every byte that reached any of them, refused or taken.
func (s *pushServices) seen() []byte {
	return slices.Concat(s.web.Seen(), s.google.seen(), s.apple.seen())
}

// vendor stands before the fake of one vendor: it writes down what comes, and
// answers in its place where a test wants that.
type vendor struct {
	server *httptest.Server
	behind http.Handler

	mu     sync.Mutex
	raw    bytes.Buffer
	took   []vendorCall
	answer func(http.ResponseWriter, *http.Request) bool
}

// vendorCall is one message that the vendor took.
type vendorCall struct {
	path   string
	header http.Header
	body   []byte
}

func newVendor(t *testing.T, behind http.Handler, h2 bool) *vendor {
	v := &vendor{behind: behind}
	v.server = httptest.NewUnstartedServer(v)
	if v.server.EnableHTTP2 = h2; h2 {
		v.server.StartTLS()
	} else {
		v.server.Start()
	}
	t.Cleanup(v.server.Close)
	return v
}

// ServeHTTP implements http.Handler. What is written down is read after HTTP/2
// took its packing off, because a name that is packed is no less told.
func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever sent it has hung up
	}
	v.mu.Lock()
	fmt.Fprintf(&v.raw, "%s %s\r\nHost: %s\r\n", r.Method, r.URL, r.Host)
	_ = r.Header.Write(&v.raw) // a buffer takes everything
	v.raw.Write(append(body, '\n'))
	answer := v.answer
	v.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	if answer != nil && answer(w, r) {
		return
	}
	said := httptest.NewRecorder()
	v.behind.ServeHTTP(said, r)
	v.mu.Lock()
	if said.Code == http.StatusOK {
		v.took = append(v.took, vendorCall{r.URL.Path, r.Header.Clone(), body})
	}
	v.mu.Unlock()
	for name, values := range said.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(said.Code)
	_, _ = said.Body.WriteTo(w) // whoever hung up does not miss it
}

// answers has f answer in the fake's place wherever it returns true. Nil: the
// fake answers by itself again.
func (v *vendor) answers(f func(http.ResponseWriter, *http.Request) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answer = f
}

func (v *vendor) seen() []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return bytes.Clone(v.raw.Bytes())
}

func (v *vendor) calls() []vendorCall {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.took)
}

// pushed is a message as it came to a device: what its channel said of it, and
// what it says itself.
type pushed struct {
	kind      string // as far as the channel tells: show or clear, or "" where it does not
	topic     string // by which a service replaces repeats; "" on a channel that has none
	plaintext []byte // nil: it was not sealed
	clear     map[string]any
}

// messages are those that d's service took for it, in the order in which they came.
func (d *appPhone) messages() (all []pushed) {
	d.w.t.Helper()
	switch d.channel {
	case "webpush":
		for _, p := range d.w.services.web.Pushes() {
			if p.Endpoint == d.target {
				all = append(all, pushed{topic: p.Topic, plaintext: p.Plaintext})
			}
		}
	case "fcm":
		for _, c := range d.w.services.google.calls() {
			if m, err := fcmtest.Read(c.body); err == nil && m.Message.Token == d.target {
				p := d.open(m.Message.Data["m"])
				p.kind = map[string]string{"high": "show", "normal": "clear"}[m.Message.Android.Priority]
				p.clear = map[string]any{}
				for name, value := range m.Message.Data {
					p.clear[name] = value
				}
				all = append(all, p)
			}
		}
	case "apns":
		for _, c := range d.w.services.apple.calls() {
			if _, token, _ := strings.Cut(d.target, ":"); c.path == "/3/device/"+token {
				all = append(all, d.openAPNs(c))
			}
		}
	}
	return all
}

func (d *appPhone) openAPNs(c vendorCall) pushed {
	d.w.t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(c.body, &doc); err != nil {
		d.w.t.Fatal(err)
	}
	sealed, _ := doc["m"].(string)
	p := d.open(sealed)
	p.kind = map[string]string{"alert": "show", "background": "clear"}[c.header.Get("apns-push-type")]
	p.topic, p.clear = c.header.Get("apns-collapse-id"), doc
	return p
}

// open decrypts what stands in base64url in a message, as the app does.
func (d *appPhone) open(text string) (p pushed) {
	d.w.t.Helper()
	if text == "" {
		return p
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		p.plaintext, err = d.key.Open(sealed)
	}
	if err != nil {
		d.w.t.Errorf("%s: the device cannot read what came: %v", d.name, err)
	}
	return p
}
