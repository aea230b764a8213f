package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/show"
)

// TestChannels: a user with one device of each channel gets one request on all
// four, and what is decided on one leaves the other three.
func TestChannels(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			testChannels(t, newPushWorld(t, database))
		})
	}
}

func testChannels(t *testing.T, w *pushWorld) {
	all := w.devices("Page", "Browser", "Android", "iPhone")
	page, browser, android, iphone := all[0], all[1], all[2], all[3]
	page.opens()
	browser.reachedBy("webpush", "en", true)
	android.reachedBy("fcm", "en", true)
	iphone.reachedBy("apns", "ja", true)
	devices := all[1:]
	secrets := []string{pushUser, pushUserName}

	first := w.ask(order)
	page.sees(first, patience)
	for _, d := range devices {
		secrets = append(secrets, d.asked(first, d != iphone))
	}
	_, how := w.delivery(first, page)
	check(t, "the page", how.Outcome, "done")
	if _, err := page.Approve(first, order["user_code"].(string)); err != nil {
		t.Fatal(err)
	}
	w.told(first, "approved")
	if got, want := w.op.delivered(first), (map[string]int{"websocket": 1, "webpush": 1, "fcm": 1, "apns": 1}); !maps.Equal(got, want) {
		t.Errorf("the OP is told that it was delivered to %v, want %v", got, want)
	}
	for _, d := range devices {
		d.cleared(first)
	}

	second := w.ask(order)
	for _, d := range devices {
		secrets = append(secrets, d.asked(second, d != iphone))
	}
	page.sees(second, patience)
	if _, err := android.Deny(second, false); err != nil {
		t.Fatal(err)
	}
	w.told(second, "denied")
	page.seesNoMore(second)
	for _, d := range devices {
		d.cleared(second)
		for _, id := range []string{first, second} {
			if n := d.count("show", id); n != 1 {
				t.Errorf("%s was asked %d times, want once", d.name, n)
			}
		}
	}
	secrets = append(secrets, first, second, w.op.authReqID(1), w.op.authReqID(2), w.op.key)
	for _, said := range []string{"client_id", "client_name", "binding_message", "user_code"} {
		secrets = append(secrets, order[said].(string))
	}
	unread(t, w.services.seen(), append(secrets, orderAmount))
	testKeyless(t, w)
}

// order is a request of which a push service must read nothing.
var order = map[string]any{
	"client_id": "till-0417", "client_name": "Corner Books", "binding_message": "Order 88-1047 for 1250.75 EUR",
	"user_code": "73510684", "scope": "openid payments", "expires_in": 300,
	"authorization_details": []any{map[string]any{
		"type": "payment_initiation", "instructedAmount": map[string]any{"currency": "EUR", "amount": orderAmount},
	}},
}

const orderAmount = "1250.75"

// asked waits until d was asked, and checks that it can show just what it should.
// It returns the capability to deny, which is nobody else's.
func (d *appPhone) asked(id string, english bool) (capability string) {
	d.w.t.Helper()
	said := d.heard("show", id)
	r, how := d.w.delivery(id, d)
	check(d.w.t, d.name, how.Outcome, "done")
	want := show.Notice{
		Version: 1, Kind: "show", Key: id, URL: "/requests/" + id,
		Title: "Corner Books asks for your approval",
		Body:  "Order 88-1047 for 1250.75 EUR\nYou will be asked for the code that the other screen shows.",
		Short: "Corner Books asks for your approval", Code: true,
		Deny: "Deny", Open: "Open", ExpiresAt: r.ExpiresAt.Truncate(time.Second), Capability: said.Capability,
	}
	if !english {
		want.Title, want.Short = "Corner Booksから承認の依頼があります", "Corner Booksから承認の依頼があります"
		want.Body = "Order 88-1047 for 1250.75 EUR\nもう一方の画面に出ているコードの入力が必要です。"
		want.Deny, want.Open = "拒否する", "開く"
	}
	if said != want || said.Capability == "" {
		got, _ := json.Marshal(said)
		wanted, _ := json.Marshal(want)
		d.w.t.Errorf("%s shows\n%s, want\n%s", d.name, got, wanted)
	}
	return said.Capability
}

// cleared waits until d was told that a request is over, under the name by which
// the push service replaces what it still holds.
func (d *appPhone) cleared(id string) {
	d.w.t.Helper()
	said := d.heard("clear", id)
	if said.Title == "" || said.Body != "" || said.Capability != "" {
		d.w.t.Errorf("%s: a clear says %q, %q", d.name, said.Title, said.Body)
	}
	topics := map[string]bool{}
	for _, m := range d.messages() {
		if n, _ := m.notice(); n.Key == id {
			topics[m.topic] = true
			if m.kind != "" && m.kind != n.Kind {
				d.w.t.Errorf("%s: a %s was sent as a %s", d.name, n.Kind, m.kind)
			}
		}
	}
	if len(topics) != 1 {
		d.w.t.Errorf("%s: a request has the topics %v, want one", d.name, topics)
	}
}

// heard waits for a message of a kind about a request, and returns what it says.
func (d *appPhone) heard(kind, id string) (said show.Notice) {
	d.w.t.Helper()
	await(d.w.t, d.name+" to get a "+kind, patience, func() bool {
		for _, m := range d.messages() {
			if n, err := m.notice(); err != nil {
				d.w.t.Fatalf("%s: %v in %s", d.name, err, m.plaintext)
			} else if n.Kind == kind && n.Key == id {
				said = n
				return true
			}
		}
		return false
	})
	return said
}

// count is how many messages of a kind came about a request.
func (d *appPhone) count(kind, id string) (n int) {
	d.w.t.Helper()
	for _, m := range d.messages() {
		if said, _ := m.notice(); said.Kind == kind && said.Key == id {
			n++
		}
	}
	return n
}

// notice reads what a message says; one that says nothing is the zero Notice.
func (m pushed) notice() (n show.Notice, err error) {
	if m.plaintext == nil {
		return n, nil
	}
	dec := json.NewDecoder(bytes.NewReader(m.plaintext))
	dec.DisallowUnknownFields()
	err = dec.Decode(&n)
	return n, err
}

// unread fails if a secret stands in what push services saw, in any of the ways
// in which bytes are written down.
func unread(t *testing.T, seen []byte, secrets []string) {
	t.Helper()
	if len(seen) == 0 {
		t.Fatal("no push service saw anything")
	}
	for _, secret := range secrets {
		for way, text := range spellings(secret) {
			if bytes.Contains(seen, []byte(text)) {
				t.Errorf("a push service reads %q (%s)", secret, way)
				break
			}
		}
	}
}

// spellings are the forms in which a text may hide in a message.
func spellings(s string) map[string]string {
	if len(s) < 5 {
		panic("too short a secret: chance alone would find it")
	}
	all := map[string]string{
		"as it is": s, "in a path": url.PathEscape(s), "in a query": url.QueryEscape(s),
		"in JSON": strings.Trim(strconv.QuoteToASCII(s), `"`), "in hex": hex.EncodeToString([]byte(s)),
		"in capital hex": strings.ToUpper(hex.EncodeToString([]byte(s))),
	}
	// In base64 it depends on where the text begins: of each form the characters
	// that no neighbour changes.
	for shift := range 3 {
		padded := append(make([]byte, shift), s...)
		whole := padded[:len(padded)/3*3] // what is left over shares a character with the next
		skip := (shift*8 + 5) / 6
		for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			all["in "+name+" from "+strconv.Itoa(shift)] = enc.EncodeToString(whole)[skip:]
		}
	}
	return all
}

// TestSpellings: what unread looks for is found wherever it begins.
func TestSpellings(t *testing.T) {
	const secret = "Corner Books"
	for before := range 4 {
		text := strings.Repeat("x", before) + secret + "yz"
		for way, seen := range map[string]string{
			"base64": base64.StdEncoding.EncodeToString([]byte(text)), "hex": hex.EncodeToString([]byte(text)),
			"query": url.QueryEscape(text), "itself": text,
		} {
			found := false
			for _, form := range spellings(secret) {
				found = found || strings.Contains(seen, form)
			}
			if !found {
				t.Errorf("%s after %d bytes is not found", way, before)
			}
		}
	}
}

// testKeyless: a device that brought no key is woken, and told nothing but an id
// and a title that says nothing.
func testKeyless(t *testing.T, w *pushWorld) {
	all := w.devices("Old Android", "Old iPhone")
	android, iphone := all[0], all[1]
	android.reachedBy("fcm", "en", false)
	iphone.reachedBy("apns", "en", false)
	id := w.ask(order)
	for _, d := range all {
		var got map[string]any
		await(t, d.name+" to be woken", patience, func() bool {
			for _, m := range d.messages() {
				if m.clear["k"] == id {
					got = m.clear
				}
			}
			return got != nil
		})
		title := got["g"]
		if aps, ok := got["aps"].(map[string]any); ok {
			title = aps["alert"].(map[string]any)["title-loc-key"]
		}
		if got["t"] != "show" || title != "push.request" || len(got) != 3 {
			t.Errorf("%s is told %v", d.name, got)
		}
	}
	unread(t, w.services.seen(), []string{pushUser, pushUserName, "Corner Books", "88-1047", orderAmount, "73510684", w.op.authReqID(3)})
}
