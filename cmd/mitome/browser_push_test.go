package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
	"github.com/mitome-ciba/mitome/push/webpush/webpushtest"
)

// TestNotified is what people see of Mitome while none of its pages is open.
func TestNotified(t *testing.T) {
	chrome := browsertest.Start(t)
	for _, tt := range []struct {
		name string
		do   func(*people)
	}{
		{"asked, denied, cleared by push", answerByPush},
		{"seen on the page, or pushed", seenOrPushed},
		{"deny from the notification", denyNotice},
		{"open from the notification", openNotice},
		{"a clear closes it", clearNotice},
		{"a push without data", pushWithoutData},
		{"deny that did not get through", denyInVain},
		{"what is old, odd or from elsewhere", oddPushes},
		{"the button", switchOn},
		{"two devices, and an address that changes", moveAddress},
		{"the server's key was replaced", replaceKey},
		{"blocked, missing", notNotified},
		{"answered on the page, and signed out", silenced},
		{"a push service that fails", pushedInVain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.do(newPeople(t, chrome))
		})
	}
}

// answerByPush goes all the way: what Mitome sends is decrypted, delivered to the
// worker, shown, and answered there; and the other device hears of the end.
func answerByPush(p *people) {
	phone, worker, sub := p.subscribed("Pixel")
	tablet, other, otherSub := p.subscribed("Tablet")
	phone.Click("button", "Send me a test")
	text, said := sub.pushed("test")
	worker.Push(text)
	if n := worker.Shows(1)[0]; n.Title != said.Title || n.Title == "" || n.Tag != "test" {
		p.t.Errorf("the test shows %+v", n)
	}
	worker.Press("test", "")
	phone.Open("about:blank")
	tablet.Open("about:blank")
	q := p.Ask("corp", "aiko", "binding_message", "Order 88-1047")
	text, said = sub.pushed("show")
	worker.Push(text)
	n := worker.Shows(1)[0]
	if !strings.Contains(n.Title, "Corner Books") || !strings.Contains(n.Body, "Order 88-1047") || !slices.Equal(n.Actions, []string{"deny", "open"}) {
		p.t.Errorf("it shows %+v", n)
	}
	text, _ = otherSub.pushed("show")
	other.Push(text)
	other.Shows(1)
	phone.ClearCookies() // what the push brought denies without a session
	worker.Press(said.Key, "deny")
	q.Told("UNAUTHORIZED")
	worker.Shows(0)
	text, _ = otherSub.pushed("clear")
	other.Push(text)
	other.Shows(0)
	for _, secret := range []string{"Corner Books", "88-1047", said.Key} {
		if bytes.Contains(slices.Concat(sub.service.Seen(), otherSub.service.Seen()), []byte(secret)) {
			p.t.Errorf("the push service sees %q", secret)
		}
	}
}

func denyNotice(p *people) {
	phone, worker := p.notified()
	q := p.Ask("corp", "aiko", "binding_message", "Order 88-1047")
	id := newest(phone)
	phone.Open("about:blank")
	worker.Push(says("show", id))
	worker.Push(says("show", id)) // twice is once
	n := worker.Shows(1)[0]
	if n.Title != "Corner Books asks for your approval" || n.Body != "Order 88-1047" || n.Tag != id || !n.Sticks {
		p.t.Errorf("it shows %+v", n)
	}
	if !slices.Equal(n.Actions, []string{"deny", "open"}) || !slices.Equal(n.Labels, []string{"Deny", "Open"}) {
		p.t.Errorf("its actions are %v, %v", n.Actions, n.Labels)
	}
	if opened := worker.Press(id, "deny"); opened != "" {
		p.t.Errorf("Deny opened %s", opened)
	}
	q.Told("UNAUTHORIZED")
	worker.Shows(0)
	phone.Open(p.URL + "/requests/" + id)
	phone.Stage("denied")
}

func openNotice(p *people) {
	phone, worker := p.notified()
	p.Ask("corp", "aiko")
	id := newest(phone)
	want := p.URL + "/requests/" + id
	worker.Push(says("show", id))
	worker.Shows(1)
	if opened := worker.Press(id, "open"); opened != "" { // the first page is open, and goes there
		p.t.Errorf("a second window is opened on %s", opened)
	}
	phone.Stage("ask")
	if phone.At() != want {
		p.t.Errorf("it led to %s", phone.At())
	}
	worker.Shows(0)

	browsertest.Eval[bool](phone, `(window.before = true)`)
	worker.Push(says("show", id))
	worker.Shows(1)
	// Its page is open, and stays as it is.
	if opened := worker.Press(id, ""); opened != "" || !browsertest.Eval[bool](phone, `window.before`) {
		p.t.Errorf("the page that was open is not used: %s", opened)
	}

	phone.Open(p.URL + "/devices") // where somebody may be typing
	phone.Stage("list")
	worker.Push(says("show", id))
	worker.Shows(1)
	if opened := worker.Press(id, ""); opened != want {
		p.t.Errorf("it opens %q, want %s", opened, want)
	}
	phone.Open("about:blank")
	worker.Push(says("show", id))
	worker.Shows(1)
	if opened := worker.Press(id, "open"); opened != want {
		p.t.Errorf("it opens %q, want %s", opened, want)
	}
}

func clearNotice(p *people) {
	_, worker := p.notified()
	// Pushes that come together are shown one after another. While Chromium shows
	// one, a look at those that are shown makes it forget the new one.
	worker.Run(`(self.looks = 0, self.showing = 0, Object.assign(registration, {
		async showNotification(...said) {
			self.showing++;
			await new Promise((done) => setTimeout(done, 50));
			await ServiceWorkerRegistration.prototype.showNotification.apply(this, said);
			self.showing--;
		},
		getNotifications(...which) {
			if (self.showing) self.looks++;
			return ServiceWorkerRegistration.prototype.getNotifications.apply(this, which);
		},
	}), true)`)
	worker.Push(says("show", "r1"), says("show", "r2"), says("show", "r3"), says("show", "r4"))
	if worker.Shows(4); !worker.Run(`self.looks === 0`) {
		p.t.Error("the worker looks at what is shown while it shows something")
	}
	worker.Push(says("clear", "r3"), says("clear", "r1", "body", nil), says("clear", "r4"))
	if left := worker.Shows(1)[0].Tag; left != "r2" {
		p.t.Errorf("%s is left, want r2", left)
	}
	// Where a browser may end the subscription of who shows nothing, the end is
	// shown; and it does not stay.
	worker.Run(`(Notification.maxActions !== 0 && Object.defineProperty(Notification, 'maxActions', { value: 0 }),
		self.ends = [], registration.showNotification = (title, options) => {
			self.ends.push(title);
			return ServiceWorkerRegistration.prototype.showNotification.call(registration, title, options);
		}, true)`)
	worker.Push(says("clear", "r2", "title", "This request is over"))
	worker.Shows(0)
	if !worker.Run(`self.ends.length === 1 && self.ends[0] === 'This request is over'`) {
		p.t.Error("the end was not shown")
	}
}

func pushWithoutData(p *people) {
	phone, worker := p.notified()
	q := p.Ask("corp", "aiko", "binding_message", "Order 88-1047")
	id := newest(phone)
	worker.Push("")
	n := worker.Shows(1)[0]
	if n.Title != "A request is waiting" || n.Tag != id || strings.Contains(n.Body, "88-1047") || !slices.Equal(n.Labels, []string{"Deny", "Open"}) {
		p.t.Errorf("it shows %+v", n)
	}
	worker.Press(id, "deny")
	q.Told("UNAUTHORIZED")
	worker.Push(says("show", "gone"))
	worker.Shows(1)
	worker.Push("") // nothing waits any more
	worker.Shows(0)
	phone.ClearCookies()
	worker.Push("")
	if n := worker.Shows(1)[0]; n.Title != "A request is waiting" || len(n.Actions) != 0 {
		p.t.Errorf("without a session it shows %+v", n)
	}
	if opened := worker.Press("unsaid", ""); opened != "" || phone.At() != p.URL+"/" {
		p.t.Errorf("it leads to %s, %s", opened, phone.At())
	}
}

// denyInVain: who pressed Deny believes that it is done, so what was not done
// comes back.
func denyInVain(p *people) {
	phone, worker := p.notified()
	q := p.Ask("corp", "aiko")
	id := newest(phone)
	worker.Push(says("show", id, "capability", "that.is.none"))
	worker.Shows(1)
	phone.ClearCookies()
	worker.Press(id, "deny")
	n := worker.Shows(1)[0]
	if n.Body != "Not denied. Open it to answer." || !slices.Contains(n.Actions, "deny") {
		p.t.Errorf("without a session it shows %+v", n)
	}
	phone.Open(p.URL + "/unlock")
	phone.Stage("unlock")
	phone.Press("#open")
	phone.UntilTrue("the first page", `location.pathname === '/' && !!document.querySelector('#waiting a')`)
	worker.Offline(true)
	worker.Press(id, "deny")
	n = worker.Shows(1)[0]
	if !strings.HasPrefix(n.Body, "Not denied: there is no connection.") || !slices.Contains(n.Actions, "deny") {
		p.t.Errorf("without a network it shows %+v", n)
	}
	worker.Offline(false)
	worker.Press(id, "deny")
	q.Told("UNAUTHORIZED")
	worker.Push(says("show", id)) // a push that was late
	worker.Shows(1)
	worker.Press(id, "deny")
	if n := worker.Shows(1)[0]; n.Title != "This request is over" || len(n.Actions) != 0 {
		p.t.Errorf("it shows %+v", n)
	}
}

func oddPushes(p *people) {
	phone, worker := p.notified()
	phone.Open("about:blank")
	worker.Push(says("show", "old", "expires_at", "2001-01-01T00:00:00Z"))
	worker.Push(says("device", "d2", "url", "/devices", "title", "A device was added", "body", nil, "expires_at", nil, "deny", nil, "open", nil))
	n := worker.Shows(1)[0]
	if n.Tag != "d2" || len(n.Actions) != 0 {
		p.t.Errorf("it shows %+v", n)
	}
	if opened := worker.Press("d2", ""); opened != p.URL+"/devices" {
		p.t.Errorf("it opens %s", opened)
	}
	for _, url := range []string{"https://evil.example/", "//evil.example/x", "javascript:alert(1)", "http://["} {
		worker.Push(says("test", "test", "url", url))
		worker.Shows(1)
		if opened := worker.Press("test", ""); opened != p.URL+"/" {
			p.t.Errorf("%s leads to %s", url, opened)
		}
	}
	for _, data := range []string{"not JSON", "null", "[]", says("show", "r9", "v", 2)} {
		worker.Push(data) // nothing waits, so nothing is shown
	}
	worker.Push(says("test", "test"))
	worker.Shows(1)
}

func switchOn(p *people) {
	phone := p.browser("Pixel")
	p.subscribe(phone)
	phone.May(p.URL, "prompt")
	p.pair(phone, "corp", "aiko", "Pixel")
	phone.Said("ask")
	phone.Audit("paired, may be notified")
	if n := phone.Calls("/addresses"); n != 0 {
		p.t.Errorf("%d addresses before anybody wanted it", n)
	}
	phone.May(p.URL, "granted") // as the person says to the browser's question
	phone.Click("button", "Notify me on this device")
	phone.Said("on")
	phone.Audit("paired, notified")
	if n := phone.Calls("/addresses"); n != 1 {
		p.t.Errorf("%d addresses, want 1", n)
	}
	if n := browsertest.Eval[int](phone, `window.subscribedWith`); n != 65 {
		p.t.Errorf("the server's key has %d bytes, want 65", n)
	}
	phone.Click("button", "Send me a test")
	phone.Said("sent")
	phone.Open(p.URL + "/")
	phone.Said("on")
	phone.Audit("home, notified")
}

// moveAddress: a browser has one address for all that it stands for, and a push
// service may give it another while no page is open.
func moveAddress(p *people) {
	phone, worker, _ := p.subscribed("Pixel")
	p.pair(phone, "vault", "ken", "Pixel")
	phone.Said("on")
	phone.Open(p.URL + "/")
	phone.Said("on")
	if n := phone.Calls("/addresses"); n != 3 { // one device, then two, then nothing new
		p.t.Errorf("%d addresses were told, want 3", n)
	}
	phone.Open("about:blank")
	moved := webpushtest.New(p.t).Subscribe("")
	key, text := moved.Device.Key(), base64.RawURLEncoding.EncodeToString
	said, _ := json.Marshal(map[string]any{"endpoint": moved.Endpoint, "keys": map[string]string{"p256dh": text(key.P256DH), "auth": text(key.Auth)}})
	if !worker.Run(`(async () => {
		const change = new ExtendableEvent('pushsubscriptionchange');
		change.newSubscription = { toJSON: () => (` + string(said) + `) };
		let done;
		change.waitUntil = (work) => { done = work; };
		dispatchEvent(change);
		return done.then(() => true);
	})()`) {
		p.t.Error("the new address was not told")
	}
	if n := worker.Calls("/addresses"); n != 2 {
		p.t.Errorf("%d devices have the new address, want 2", n)
	}
}

func notNotified(p *people) {
	phone := p.paired("corp", "aiko", "Pixel")
	phone.May(p.URL, "denied")
	phone.Open(p.URL + "/")
	phone.Said("blocked")
	phone.Audit("home, blocked")
	phone.May(p.URL, "prompt")
	phone.Before(`delete window.PushManager`)
	phone.Open(p.URL + "/")
	phone.Said("missing")
	phone.Text("Add to Home Screen")
	phone.Audit("home, cannot be notified")
	phone.SeesNot("button", "Notify me on this device")
}

func silenced(p *people) {
	phone, worker := p.notified()
	q := p.Ask("corp", "aiko")
	id := newest(phone)
	worker.Push(says("show", id))
	worker.Shows(1)
	p.asked(phone)
	phone.Click("button", "Approve")
	phone.Stage("approved")
	q.Told("SUCCEED")
	worker.Shows(0)
	worker.Push(says("show", "r2"))
	worker.Shows(1)
	phone.Open(p.URL + "/devices")
	phone.Stage("list")
	browsertest.Eval[bool](phone, `navigator.serviceWorker.ready.then((r) => r.pushManager.subscribe({ applicationServerKey: new Uint8Array(65) })).then(() => true)`)
	phone.Press("#signout")
	phone.Press("#ask-signout button[value=yes]")
	phone.Said("signedout")
	worker.Shows(0)
	if !browsertest.Eval[bool](phone, `navigator.serviceWorker.ready.then((r) => r.pushManager.getSubscription()).then((s) => s === null)`) {
		p.t.Error("a browser that is signed out is subscribed")
	}
}

// pushedInVain: a page that is open hears of a request, and one that is opened
// finds it, whatever the push service does.
func pushedInVain(p *people) {
	phone, _, sub := p.subscribed("Pixel")
	tablet, _, other := p.subscribed("Tablet")
	for _, s := range []subscription{sub, other} {
		s.service.Answer(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		})
	}
	tablet.Open("about:blank")
	q := p.Ask("corp", "aiko", "binding_message", "Order 88-1047")
	id := newest(phone)
	tablet.Open(p.URL + "/")
	if found := newest(tablet); found != id {
		p.t.Errorf("the page that was opened finds %s, want %s", found, id)
	}
	p.asked(tablet)
	tablet.Click("button", "Approve")
	tablet.Stage("approved")
	q.Told("SUCCEED")
	phone.UntilTrue("the request to leave the other page", `!document.querySelector('#waiting a')`)
}
