package browsertest

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// May says whether the browser's person lets a site show notifications: granted,
// denied, or prompt if she was not asked yet.
func (b *Browser) May(site, setting string) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, Patience)
	defer stop()
	c := chromedp.FromContext(ctx)
	if _, err := cdp.Call(ctx, c.Browser, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: "notifications"}, Setting: browser.PermissionSetting(setting),
		Origin: site, BrowserContextID: c.BrowserContextID,
	}); err != nil {
		b.fail("notifications %s: %v", setting, err)
	}
}

// Before runs a script in each page that is opened from now on, before its own.
func (b *Browser) Before(script string) {
	b.t.Helper()
	Call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// Subscribes has the browser subscribe at a push service of the test's choice:
// Chromium's own is somewhere else. Keys are those of the subscriber, base64url.
func (b *Browser) Subscribes(endpoint, p256dh, auth string) {
	b.t.Helper()
	said, err := json.Marshal(map[string]any{"endpoint": endpoint, "keys": map[string]string{"p256dh": p256dh, "auth": auth}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Before(`(() => {
		let current = null;
		PushManager.prototype.getSubscription = async () => current;
		PushManager.prototype.subscribe = async (options) => {
			window.subscribedWith = Array.from(new Uint8Array(options.applicationServerKey)).length;
			current = { options, toJSON: () => (` + string(said) + `), unsubscribe: async () => { current = null; return true; } };
			return current;
		};
	})()`)
}

// Worker is the service worker of a site in a browser.
type Worker struct {
	b    *Browser
	site string
	at   *Browser // the worker, as something to evaluate in
}

// Notice is a notification as it is shown.
type Notice struct {
	Title, Body, Tag string
	Actions          []string // their ids, first to last
	Labels           []string
	Sticks           bool
}

// Worker waits for the service worker of a site, and attaches to it.
func (b *Browser) Worker(site string) *Worker {
	b.t.Helper()
	Call(b, serviceworker.Enable, struct{}{})
	b.UntilTrue("the service worker", `!!navigator.serviceWorker.controller`)
	own := chromedp.FromContext(b.ctx).BrowserContextID
	var found target.ID
	b.Until("the service worker's target", func(ctx context.Context) bool {
		all, err := chromedp.Targets(ctx)
		for _, info := range all {
			if info.Type == "service_worker" && info.BrowserContextID == own && strings.HasPrefix(info.URL, site) {
				found = info.TargetID
			}
		}
		return err == nil && found != ""
	})
	at := &Browser{name: b.name + "'s worker", t: b.t, axe: b.axe, audited: map[string]bool{}}
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithTargetID(found), chromedp.WithListener(at.hear))
	at.ctx = ctx
	b.t.Cleanup(stop)
	b.t.Cleanup(at.check)
	if err := chromedp.Do(ctx); err != nil { // not by a call with a deadline: the target would end with it
		b.t.Fatal(err)
	}
	w := &Worker{b: b, site: site, at: at}
	w.Run(`(() => {
		self.pushes = 0;
		const wait = ExtendableEvent.prototype.waitUntil;
		ExtendableEvent.prototype.waitUntil = function (work) {
			wait.call(this, work);
			if (this.type === 'push') work.finally(() => { self.pushes++; });
		};
		return true;
	})()`)
	return w
}

// Push delivers pushes at once, as the browser does when it has decrypted them,
// and waits until the worker is done with all. Empty data is a push without any.
// It must not look meanwhile: to Chromium, what is being shown is not there yet,
// and a look makes it forget what is not there.
func (w *Worker) Push(data ...string) {
	w.b.t.Helper()
	var id serviceworker.RegistrationID
	w.b.Until("the registration", func(context.Context) bool {
		w.b.mu.Lock()
		defer w.b.mu.Unlock()
		id = w.b.workers[w.site+"/"]
		return id != ""
	})
	before := Eval[int](w.at, "self.pushes")
	for _, d := range data {
		Call(w.b, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: w.site, RegistrationID: id, Data: d})
	}
	w.b.Until("the worker to be done with a push", func(context.Context) bool {
		return Eval[int](w.at, "self.pushes") == before+len(data)
	})
}

// Shown is what is shown of a site.
func (w *Worker) Shown() []Notice {
	w.b.t.Helper()
	return Eval[[]Notice](w.at, `registration.getNotifications().then((all) => all.map((n) => ({
		Title: n.title, Body: n.body, Tag: n.tag, Sticks: n.requireInteraction,
		Actions: n.actions.map((a) => a.action), Labels: n.actions.map((a) => a.title),
	})))`)
}

// Shows waits until as many notifications are shown, and returns them.
func (w *Worker) Shows(n int) []Notice {
	w.b.t.Helper()
	var all []Notice
	w.b.Until("notifications", func(context.Context) bool {
		all = w.Shown()
		return len(all) == n
	})
	return all
}

// Press presses an action of the notification with this tag, or with an empty
// action the notification itself, and waits until the worker is done with it. It
// returns the address of the window that the worker asked for, if it did: a
// headless browser opens none, and no page can make a click that is genuine.
func (w *Worker) Press(tag, action string) string {
	w.b.t.Helper()
	args, err := json.Marshal(map[string]string{"tag": tag, "action": action})
	if err != nil {
		w.b.t.Fatal(err)
	}
	return Eval[string](w.at, `(async ({ tag, action }) => {
		let opened = '', done;
		clients.openWindow = async (url) => { opened = url; return null; };
		const [notification] = await registration.getNotifications({ tag });
		const click = new NotificationEvent('notificationclick', { notification, action });
		click.waitUntil = (work) => { done = work; };
		dispatchEvent(click);
		await done;
		return opened;
	})(`+string(args)+`)`)
}

// Run is what a function of the worker comes to.
func (w *Worker) Run(expression string) bool { w.b.t.Helper(); return Eval[bool](w.at, expression) }

// Offline takes the network away from the worker, or gives it back, and waits
// until that is so.
func (w *Worker) Offline(on bool) {
	w.b.t.Helper()
	Call(w.at, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: on, DownloadThroughput: -1, UploadThroughput: -1}},
	})
	w.b.Until("the worker's network", func(context.Context) bool {
		return w.Run(`fetch('/sw.js').then(() => true, () => false)`) != on
	})
}

// Calls counts the worker's calls, as those of a page are counted.
func (w *Worker) Calls(suffix string) int { return w.at.Calls(suffix) }
