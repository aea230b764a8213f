package deliver_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/device/notice"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/ece"
	"github.com/mitome-ciba/mitome/push/ece/ecetest"
	"github.com/mitome-ciba/mitome/push/webpush"
	"github.com/mitome-ciba/mitome/push/webpush/webpushtest"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
)

// What nobody between Mitome and the device may read. Of these the device is
// shown the first two, and the others never by a push.
const (
	clientName = "Blumenhaus Müller"
	message    = "Order BX-77314 from table nine"
	userName   = "Tanaka Aiko"
	userCode   = "483920"
	amount     = "8125.40"
	authReqID  = "1c266114-a1be-4252-8ad1-04986c5b9ac1"
)

var unspeakable = []string{clientName, "Blumenhaus", message, "BX-77314", userName, "Tanaka", userCode, amount, authReqID}

// tap is a sender that takes everything and keeps every byte.
type tap struct {
	channel push.Channel
	seen    *bytes.Buffer
	sealed  *[][]byte
}

func (s tap) Channel() push.Channel    { return s.channel }
func (s tap) Check(push.Address) error { return nil }

func (s tap) Send(_ context.Context, _ push.Address, m push.Message) error {
	fmt.Fprintf(s.seen, "%s %s %s %s %v %+v\n", m.Kind, m.Key, m.Generic, m.Sealed, m.TTL, m)
	*s.sealed = append(*s.sealed, m.Sealed)
	return nil
}

// line is a user with a device on every channel, and what carries out the jobs.
type line struct {
	*world
	user     device.User
	device   device.Device
	service  *webpushtest.Service
	browser  *webpushtest.Subscription
	native   ecetest.Device
	shower   *show.Shower
	keys     *seal.Ring
	seen     bytes.Buffer // by all channels but Web Push, which keeps its own
	sealed   [][]byte     // by the same
	handlers map[string]func(outbox.Job) string
}

func newLine(t *testing.T) *line {
	l := &line{world: newWorld(t), service: webpushtest.New(t), native: ecetest.New(), keys: seal.New()}
	people := devicetest.Stores{Users: l.DB, Devices: l.DB, Enrollments: l.DB, Ceremonies: l.DB}
	s := session.Session{ID: "s1", CreatedAt: l.clock, ExpiresAt: l.clock.Add(time.Hour)}
	if err := l.CreateSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	l.user = people.NewUser(t, "corp", userName)
	l.device = people.NewDevice(t, l.user, "s1", l.clock)
	l.browser = l.service.Subscribe("")
	sub := l.browser.Address()
	sub.Locale = "en"
	l.add(sub)
	for _, c := range []push.Channel{push.FCM, push.APNs} {
		l.add(push.Address{ID: push.AddressID(rand.Text()), Channel: c, Target: "token", Key: l.native.Key(), Locale: "ja"})
	}
	l.add(push.Address{ID: push.AddressID(rand.Text()), Channel: push.FCM, Target: "of an app without a key"})
	l.wire()
	l.untried()
	return l
}

// untried ends the tests that new addresses have by themselves, unsent.
func (l *line) untried() {
	l.t.Helper()
	jobs, err := l.ClaimJobs(l.t.Context(), 10, outbox.DefaultLease)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, j := range jobs {
		if err := l.FinishJob(l.t.Context(), j, outbox.Done, ""); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *line) add(a push.Address) {
	l.t.Helper()
	if _, err := l.AddAddress(l.t.Context(), device.NewAddress{Device: l.device.ID, Address: a, Most: 5}, devicetest.Admin); err != nil {
		l.t.Fatal(err)
	}
}

// wire joins the parts as cmd/mitome does.
func (l *line) wire() {
	l.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		l.t.Fatal(err)
	}
	near := push.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	web := &webpush.Sender{Client: near.Client(5 * time.Second), Guard: near, VAPID: key, Subject: "mailto:ops@example.org", Now: time.Now}
	senders := []push.Sender{web}
	for _, c := range []push.Channel{push.WebSocket, push.FCM, push.APNs} {
		senders = append(senders, tap{c, &l.seen, &l.sealed})
	}
	dispatcher, err := push.NewDispatcher(nil, senders...)
	if err != nil {
		l.t.Fatal(err)
	}
	words, err := show.Load()
	if err != nil {
		l.t.Fatal(err)
	}
	l.shower = &show.Shower{Catalogue: words, Connections: map[string]show.Connection{}}
	sealed := func(k push.DeviceKey, text []byte) ([]byte, error) { return ece.Seal(k, text, ece.Size) }
	p := &deliver.Push{
		Requests: l.DB, Addresses: l.DB, Notices: l.shower, Seal: sealed, Send: dispatcher.Send, Backoff: outbox.Backoff, Now: l.now,
		Capability: (&approval.Service{Codes: l.keys}).Capability,
	}
	n := &notice.Teller{Addresses: l.DB, Says: l.shower.Says, Seal: sealed, Send: dispatcher.Send, Backoff: outbox.Backoff, Now: l.now}
	told := func(j outbox.Job) notice.Job {
		return notice.Job{Changed: device.DeviceID(j.Subject), Address: push.AddressID(j.Target), Attempts: j.Attempts, Created: j.Created}
	}
	ctx := l.t.Context()
	l.handlers = map[string]func(outbox.Job) string{
		deliver.KindNotify: func(j outbox.Job) string { return fmt.Sprint(p.Notify(ctx, job(j))) },
		deliver.KindClear:  func(j outbox.Job) string { return fmt.Sprint(p.Clear(ctx, job(j))) },
		notice.Kind:        func(j outbox.Job) string { return fmt.Sprint(n.Tell(ctx, told(j))) },
		notice.KindTest:    func(j outbox.Job) string { return fmt.Sprint(n.Test(ctx, told(j))) },
	}
}

// work carries out every job that is due; all must be taken at once.
func (l *line) work(want int) {
	l.t.Helper()
	jobs, err := l.ClaimJobs(l.t.Context(), 100, time.Minute)
	if err != nil || len(jobs) != want {
		l.t.Fatalf("claimed %d jobs, %v; want %d", len(jobs), err, want)
	}
	for _, j := range jobs {
		if res := l.handlers[j.Kind](j); res != fmt.Sprint(deliver.Result{Outcome: deliver.Done}) {
			l.t.Errorf("%s: got %s, want it done", j.Kind, res)
		}
		if err := l.FinishJob(l.t.Context(), j, outbox.Done, ""); err != nil {
			l.t.Fatal(err)
		}
	}
}

// ask has an OP ask for a payment by a code.
func (l *line) ask() approval.Request {
	l.t.Helper()
	rules, err := policy.New(policy.Rules{}, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	svc := &approval.Service{
		Store: l.DB, People: &device.Service{Users: l.DB, Devices: l.DB}, Codes: l.keys, Policy: rules, Now: l.now,
	}
	details := `[{"type":"payment_initiation","instructedAmount":{"currency":"EUR","amount":"` + amount + `"}}]`
	r, err := svc.Accept(l.t.Context(), approval.Ask{
		ID: approval.NewRequestID(), OP: "corp", Ref: authReqID, Body: []byte(authReqID), Handle: authReqID,
		Subject: device.Subject{OP: "corp", Sub: l.user.Subject}, ClientID: "shop", ClientName: clientName, BindingMessage: message,
		Context:  map[string]json.RawMessage{"authorization_details": json.RawMessage(details)},
		UserCode: userCode, ExpiresAt: l.clock.Add(5 * time.Minute),
	}, device.Mitome)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// everything has one message of each kind go to each address.
func (l *line) everything() approval.Request {
	l.t.Helper()
	const addresses = 5 // the socket's too
	r := l.ask()
	l.work(addresses)
	d, err := l.Device(l.t.Context(), l.device.ID)
	if err != nil {
		l.t.Fatal(err)
	}
	var clear []approval.Effect
	for _, a := range d.Addresses {
		clear = append(clear, approval.Clear{Address: a.ID})
	}
	ended := r
	ended.State = approval.Withdrawn
	if err := l.UpdateRequest(l.t.Context(), approval.Change{Next: ended, Effects: clear, By: device.Mitome}); err != nil {
		l.t.Fatal(err)
	}
	l.work(addresses)
	if _, err := l.TestAddresses(l.t.Context(), l.device.ID); err != nil {
		l.t.Fatal(err)
	}
	l.work(addresses)
	people := devicetest.Stores{Users: l.DB, Devices: l.DB, Enrollments: l.DB, Ceremonies: l.DB}
	s := session.Session{ID: "s2", CreatedAt: l.clock, ExpiresAt: l.clock.Add(time.Hour)}
	if err := l.CreateSession(l.t.Context(), s); err != nil {
		l.t.Fatal(err)
	}
	people.NewDevice(l.t, l.user, "s2", l.clock)
	l.work(addresses)
	return r
}

// TestNobodyBetweenReads captures every byte that reaches a sender or a push
// service. None of what a request says stands in them, and all that is sealed is
// of one length, which would otherwise tell what it is.
func TestNobodyBetweenReads(t *testing.T) {
	l := newLine(t)
	l.everything()
	seen := append(l.service.Seen(), l.seen.Bytes()...)
	for _, word := range unspeakable {
		if bytes.Contains(seen, []byte(word)) {
			t.Errorf("%q went out in clear", word)
		}
	}
	sizes := map[int]int{}
	for _, b := range l.sealed {
		sizes[len(b)]++
	}
	for _, p := range l.service.Pushes() {
		sizes[len(p.Body)]++
	}
	// Of each of the four kinds: three sealed, two to who brought no key.
	if want := map[int]int{ece.Size: 4 * 3, 0: 4 * 2}; !cmp.Equal(sizes, want) {
		t.Errorf("messages by length: %v, want %v", sizes, want)
	}
}

// TestTheDeviceReads decrypts what the browser got, and finds exactly what it is
// to show.
func TestTheDeviceReads(t *testing.T) {
	l := newLine(t)
	r := l.everything()
	var got []show.Notice
	for _, p := range l.service.Pushes() {
		var n show.Notice
		if err := json.Unmarshal(p.Plaintext, &n); err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
		for _, word := range []string{userName, userCode, amount, authReqID} {
			if bytes.Contains(p.Plaintext, []byte(word)) {
				t.Errorf("%q is in a push, though sealed", word)
			}
		}
	}
	if len(got) != 4 {
		t.Fatalf("the browser got %+v", got)
	}
	id := string(r.ID)
	capability, err := (&approval.Service{Codes: l.keys}).Capability(r.ID, l.device.ID)
	if err != nil || bytes.Contains(slices.Concat(l.service.Seen(), l.seen.Bytes()), []byte(capability)) {
		t.Errorf("the capability went out in clear, or there is none: %v", err)
	}
	asks := clientName + " asks for your approval"
	want := []show.Notice{
		{Version: 1, Kind: "show", Key: id, URL: "/requests/" + id, Title: asks, Short: asks, Capability: string(capability),
			Body:      message + "\nYou will be asked for the code that the other screen shows.",
			ExpiresAt: r.ExpiresAt.UTC().Truncate(time.Second), Code: true, Deny: "Deny", Open: "Open"},
		{Version: 1, Kind: "clear", Key: id, URL: "/", Title: "This request is over"},
		{Version: 1, Kind: "test", Key: "test", URL: "/", Title: "This device can receive requests"},
		{Version: 1, Kind: "device", Key: got[3].Key, URL: "/devices", Title: "Your devices have changed"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if pushes := l.service.Pushes(); pushes[0].Topic != pushes[1].Topic {
		t.Error("the end of a request does not take the place of its beginning")
	}
	found := false
	for _, b := range l.sealed {
		text, err := l.native.Open(b)
		found = found || err == nil && strings.Contains(string(text), clientName+"から")
	}
	if !found {
		t.Error("no native app was told in its language who asks")
	}
}

// TestUntoldIsWoken: what cannot be said hinders no push; the operator hears why.
func TestUntoldIsWoken(t *testing.T) {
	l := newLine(t)
	bad := push.Address{ID: "bad", Channel: push.FCM, Target: "bad", Key: push.DeviceKey{P256DH: []byte("no point"), Auth: make([]byte, 16)}}
	l.add(bad)
	r := l.ask()
	j := outbox.Job{Kind: deliver.KindNotify, Subject: string(r.ID), Target: "bad", Attempts: 1, Created: l.clock}
	if got := l.handlers[j.Kind](j); !strings.Contains(got, "sent without its text") || !strings.HasPrefix(got, "{done") {
		t.Errorf("got %s", got)
	}
	if len(l.sealed) != 1 || l.sealed[0] != nil {
		t.Errorf("sent %d messages, want one without a text", len(l.sealed))
	}
}
