package main_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	app "github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
	"github.com/mitome-ciba/mitome/push/apns/apnstest"
	"github.com/mitome-ciba/mitome/push/fcm/fcmtest"
)

// TestNativeApps plays apps as docs/native-apps.md tells them to be: what the
// vendor brings is decrypted with a key that was kept, by a part of the app that
// has no session, and Deny is pressed there.
func TestNativeApps(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t, "sqlite")
	android, iphone := w.device("Android"), w.device("iPhone")
	for _, d := range []*appPhone{android, iphone} {
		key, err := app.NewPushKey()
		if err != nil {
			t.Fatal(err)
		}
		d.channel, d.target = "fcm", "app:0123456789abcdef"
		if d == iphone {
			d.channel, d.target = "apns", "production:0123456789abcdef"
		}
		if err := d.Reach(d.channel, d.target, key); err != nil {
			t.Fatal(err)
		}
		deniesBy(t, d, key.Keep())
	}
}

// deniesBy has the OP ask, and d's extension, which has no more than the key and
// the name of the server, say no.
func deniesBy(t *testing.T, d *appPhone, kept []byte) {
	t.Helper()
	w := d.w
	id := w.ask(order)
	key, err := app.LoadPushKey(kept)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := softkey.Open(filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	extension, err := app.Open(keys, w.url)
	if err != nil {
		t.Fatal(err)
	}
	defer extension.Close()
	var said *app.Notice
	await(t, d.name+" to be asked", patience, func() bool {
		said = d.noticed(key, "show", id)
		return said != nil
	})
	if said.Deny != "Deny" || said.Open != "Open" || !said.Code || !strings.Contains(said.Body, "Order 88-1047") || extension.Paired() {
		t.Errorf("%s shows %v", d.name, said)
	}
	if state, err := extension.DenyByCapability(id, said.Capability); err != nil || state != "denied" {
		t.Errorf("%s: got %q, %v", d.name, state, err)
	}
	w.told(id, "denied")
	await(t, d.name+" to be cleared", patience, func() bool { return d.noticed(key, "clear", id) != nil })
	if r, err := d.Show(id); err != nil || r.DecidedOn != d.name {
		t.Errorf("decided on %+v, %v; want %s", r, err, d.name)
	}
}

// noticed is the message of a kind about a request among those that came to d, as
// the app reads it; nil if there is none.
func (d *appPhone) noticed(key *app.PushKey, kind, id string) *app.Notice {
	d.w.t.Helper()
	for _, m := range d.sealed() {
		n, err := key.Open(m)
		if err != nil {
			d.w.t.Fatal(err)
		}
		if n.Kind == kind && n.Key == id {
			return n
		}
	}
	return nil
}

// sealed is what stands under "m" in each message that came to d.
func (d *appPhone) sealed() (all []string) {
	d.w.t.Helper()
	for _, c := range d.w.services.google.calls() {
		if m, err := fcmtest.Read(c.body); err == nil && m.Message.Token == d.target {
			all = append(all, m.Message.Data["m"])
		}
	}
	_, token, _ := strings.Cut(d.target, ":")
	for _, c := range d.w.services.apple.calls() {
		var doc struct{ M string }
		if err := json.Unmarshal(c.body, &doc); err != nil {
			d.w.t.Fatal(err)
		}
		if c.path == "/3/device/"+token {
			all = append(all, doc.M)
		}
	}
	return all
}

// TestOtherEnvironment: an app that registers its token for the wrong one of
// Apple's environments is reached all the same, and one that is in neither is
// forgotten.
func TestOtherEnvironment(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t, "sqlite")
	iphone := w.device("iPhone")
	iphone.reachedBy("apns", "en", true)
	iphone.heard("test", "test") // that it works
	var refused atomic.Int32
	w.services.apple.answers(func(rw http.ResponseWriter, r *http.Request) bool {
		if refused.Add(1) > 1 {
			return false
		}
		apnstest.Fail(http.StatusBadRequest, "BadDeviceToken")(rw, r)
		return true
	})
	first := w.ask(order)
	iphone.heard("show", first)
	if n := refused.Load(); n != 2 {
		t.Errorf("Apple was called %d times, want once in each environment", n)
	}
	w.services.apple.answers(func(rw http.ResponseWriter, r *http.Request) bool {
		refused.Add(1)
		apnstest.Fail(http.StatusBadRequest, "BadDeviceToken")(rw, r)
		return true
	})
	second := w.ask(order)
	await(t, "Apple to be asked in both environments", patience, func() bool { return refused.Load() == 4 })
	await(t, "the address to be forgotten", patience, func() bool {
		for _, d := range w.request(second).Deliveries {
			if d.Channel == "apns" && d.Outcome == "gone" {
				return true
			}
		}
		return false
	})
	w.services.apple.answers(nil)
	third := w.ask(order)
	for _, d := range w.request(third).Deliveries {
		if d.Channel == "apns" {
			t.Errorf("it is sent to an address that is gone: %+v", d)
		}
	}
	if iphone.count("show", third) != 0 {
		t.Error("a device that is nowhere was reached")
	}
}
