package main_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
	"github.com/mitome-ciba/mitome/cmd/mitome/firefoxtest"
)

// TestFirefox is Web Push with nothing of ours at the far end: Mitome's pages and
// its worker in a real Firefox, which subscribes, decrypts what Mitome sends, and
// shows it while no page is open.
func TestFirefox(t *testing.T) {
	service := firefoxtest.NewService(t)
	m := browsertest.Run(t, "mitome", browsertest.Connection{Name: "corp", Title: "Example Bank"})
	f := firefoxtest.Start(t, service)
	passkey := f.Passkey(m.URL)
	pairFirefox(m, f, passkey)

	f.Press("Send me a test")
	f.Alert("This device can receive requests", "")
	resubscribe(t, m, f, service)
	f.Open("about:blank")
	q := m.Ask("corp", "aiko", "binding_message", "Order 88-1047")
	asks := f.Alert("Corner Books asks for your approval", "Order 88-1047")
	asks.Press("deny")
	q.Told("UNAUTHORIZED")
	asks.Gone()

	q = m.Ask("corp", "aiko", "binding_message", "Order 88-1048")
	asks = f.Alert("Corner Books", "Order 88-1048")
	asks.Click()
	f.Turn("/requests/" + newestRequest(t, m))
	f.Stage("ask")
	f.Press("Approve")
	passkey.Use()
	f.Stage("approved")
	q.Told("SUCCEED")

	f.Open("about:blank")
	m.Ask("corp", "aiko", "binding_message", "Order 88-1049")
	asks = f.Alert("Corner Books", "Order 88-1049")
	m.Mitome("request", "withdraw", newestRequest(t, m))
	asks.Gone()

	q = m.Ask("corp", "aiko", "binding_message", "Order 88-1050")
	asks = f.Alert("Corner Books", "Order 88-1050")
	f.ForgetCookies() // what is in the notification is enough for a no
	asks.Press("deny")
	q.Told("UNAUTHORIZED")
	asks.Gone()

	for _, ack := range service.Acks() {
		if ack.Code != firefoxtest.Decrypted {
			t.Errorf("Firefox acknowledges with %d", ack.Code)
		}
	}
	for _, secret := range []string{"Corner Books", "88-10", "aiko", newestRequest(t, m)} {
		if bytes.Contains(service.Seen(), []byte(secret)) {
			t.Errorf("the push service sees %q", secret)
		}
	}
}

// pairFirefox pairs the browser on Mitome's own pages, which have it subscribe by
// themselves, since it may show notifications already.
func pairFirefox(m *browsertest.Mitome, f *firefoxtest.Firefox, passkey *firefoxtest.Passkey) {
	m.Mitome("user", "add", "corp", "aiko")
	offer := m.Pair("--op", "corp", "aiko")
	f.Open(offer.Link)
	f.Stage("start")
	f.Fill("name", "Firefox")
	f.Press("Continue")
	f.Stage("passkey")
	f.Press("Make the passkey")
	passkey.Create()
	f.Stage("done")
	offer.Completed()
	f.Said("on")
}

// newestRequest is the id of the request that was taken last.
func newestRequest(t *testing.T, m *browsertest.Mitome) string {
	t.Helper()
	var all []struct{ ID string }
	if err := json.Unmarshal([]byte(m.Mitome("request", "list", "--limit", "1", "--json")), &all); err != nil || len(all) == 0 {
		t.Fatalf("no request: %v", err)
	}
	return all[0].ID
}

// resubscribe: the browser is subscribed with a key that is not Mitome's, as after
// mitome keys vapid replace. The page at its next start finds out, and the browser
// hears again.
func resubscribe(t *testing.T, m *browsertest.Mitome, f *firefoxtest.Firefox, service *firefoxtest.Service) {
	t.Helper()
	other, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := base64.RawURLEncoding.EncodeToString(other.PublicKey().Bytes())
	firefoxtest.Eval[bool](f, `(async () => {
		const { pushManager } = await navigator.serviceWorker.ready;
		await (await pushManager.getSubscription()).unsubscribe();
		await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: '`+key+`' });
		return true;
	})()`)
	if keys := slices.Collect(maps.Values(service.Subscriptions())); !slices.Equal(keys, []string{key}) {
		t.Fatalf("Firefox is subscribed with %v, want %s", keys, key)
	}
	f.Open(m.URL + "/")
	f.Said("on")
	channels := service.Subscriptions()
	if len(channels) != 1 || slices.Contains(slices.Collect(maps.Values(channels)), key) {
		t.Fatalf("Firefox is subscribed with %v, want Mitome's key alone", channels)
	}
	browsertest.Await(t, "a test at the new address", func() bool {
		return slices.ContainsFunc(service.Acks(), func(a firefoxtest.Ack) bool { return channels[a.Channel] != "" })
	})
}
