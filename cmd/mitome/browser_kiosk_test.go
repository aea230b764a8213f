package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

// TestKiosk buys things at the demo's kiosk, which knows nobody: it is shown the
// code on a phone, and that phone alone is asked.
func TestKiosk(t *testing.T) {
	chrome := browsertest.Start(t)
	for _, tt := range []struct {
		language string
		price    string // as the phone must show it
	}{{"en", "820 JPY"}, {"ja", "820円"}} {
		t.Run(tt.language, func(t *testing.T) {
			t.Parallel()
			c := &customer{t: t, Demo: browsertest.RunDemo(t, "mitome"), chrome: chrome, language: tt.language, price: tt.price}
			c.phone, c.tablet = c.paired("phone"), c.paired("tablet")
			c.tablet.Open(c.Demo.Phone + "/")
			c.kiosk = c.browser("kiosk")
			c.kiosk.Open(c.Demo.Kiosk + "/")
			c.kiosk.Stage("order")
			c.fits()

			code := c.types()
			c.typesAgain(code)
			c.photographs()
			c.photographsAWall()
			c.denies()
		})
	}
}

// customer stands before the kiosk, with one of her two devices in her hand.
type customer struct {
	*browsertest.Demo
	t        *testing.T
	chrome   *browsertest.Chrome
	language string
	price    string

	kiosk, phone, tablet *browsertest.Browser
}

func (c *customer) browser(name string) *browsertest.Browser {
	b := c.chrome.Browser(c.t, name)
	b.Language(c.language)
	return b
}

// paired is a browser that is a device of the demo's user, by an administrator's
// offer, so that it need not wait.
func (c *customer) paired(name string) *browsertest.Browser {
	c.t.Helper()
	desk, b := c.browser("desk"), c.browser(name)
	desk.Open(c.Shop + "/")
	offer := browsertest.Eval[struct{ ID, Link string }](desk, `fetch('/pairings', {method: 'POST'}).then((r) => r.json())`)
	b.Open(offer.Link)
	b.Stage("start")
	b.Press("#claim button[type=submit]")
	b.Stage("match")
	if status := browsertest.Eval[int](desk, `fetch('/pairings/`+offer.ID+`/confirm', {method: 'POST'}).then((r) => r.status)`); status != 204 {
		c.t.Fatalf("confirm: got %d, want 204", status)
	}
	b.Stage("passkey")
	b.Press("#make")
	b.Stage("done")
	return b
}

// shows unlocks the phone's code, and returns its digits.
func (c *customer) shows() string {
	c.t.Helper()
	c.phone.Open(c.Demo.Phone + "/code")
	c.phone.Stage("locked")
	c.phone.Press("#unlock-code")
	c.phone.Stage("shown")
	c.phone.UntilTrue("the code", `document.querySelector('#code-qr').complete && document.querySelector('#code-digits').textContent.length === 24`)
	return browsertest.Eval[string](c.phone, `document.querySelector('#code-digits').textContent`)
}

// asked waits until the phone shows the order by itself, and makes sure that the
// other device of the same person knows nothing of it.
func (c *customer) asked() {
	c.t.Helper()
	c.kiosk.Stage("pending")
	c.kiosk.UntilTrue("the focus to be on the news", `document.activeElement.matches('[data-stage=pending] [data-focus]')`)
	c.phone.Stage("ask")
	c.phone.Text(c.price)
	_, id, _ := strings.Cut(c.phone.At(), "/requests/")
	c.tablet.Reload()
	c.tablet.UntilTrue("that nothing waits", `document.querySelector('#nothing')?.checkVisibility()`)
	if status := browsertest.Eval[int](c.tablet, `fetch('/v1/requests/`+id+`').then((r) => r.status)`); id == "" || status != 404 {
		c.t.Errorf("the tablet is shown request %q with %d, want 404", id, status)
	}
}

// types has the digits typed at the kiosk, and pays.
func (c *customer) types() (code string) {
	c.t.Helper()
	code = c.shows()
	c.kiosk.Fill("#code", code)
	c.kiosk.Press("#go")
	c.asked()
	c.phone.Press("#approve")
	c.phone.Stage("approved")
	c.kiosk.Stage("approved")
	c.fits()
	return code
}

// typesAgain shows the same code once more.
func (c *customer) typesAgain(code string) {
	c.t.Helper()
	c.next("approved")
	c.kiosk.Fill("#code", code)
	c.kiosk.Press("#go")
	c.refused("expired_login_hint_token", "#code")
	c.kiosk.Audit("spent")
	c.fits()
}

// photographs gives the kiosk a picture of the whole of the phone's page, and pays.
func (c *customer) photographs() {
	c.t.Helper()
	c.shows()
	c.kiosk.Choose("#picture", c.keep("phone.png", c.phone.Picture()))
	if typed := browsertest.Eval[string](c.kiosk, `document.querySelector('#code').value`); typed != "" {
		c.t.Errorf("beside the picture the kiosk keeps %q", typed)
	}
	c.kiosk.Press("#go")
	c.asked()
	c.phone.Press("#approve")
	c.phone.Stage("approved")
	c.kiosk.Stage("approved")
	c.next("approved")
}

// photographsAWall gives the kiosk a picture without a code.
func (c *customer) photographsAWall() {
	c.t.Helper()
	c.kiosk.Choose("#picture", c.keep("kiosk.png", c.kiosk.Picture()))
	c.kiosk.Press("#go")
	c.refused("picture_none", "#picture")
}

// denies has the phone say no.
func (c *customer) denies() {
	c.t.Helper()
	code := c.shows()
	c.kiosk.Fill("#code", code)
	c.kiosk.Press("#go")
	c.asked()
	c.phone.Press("#deny")
	c.phone.Stage("denied")
	c.kiosk.Stage("denied")
	c.next("denied")
}

// next makes the kiosk ready for the next customer.
func (c *customer) next(stage string) {
	c.t.Helper()
	c.kiosk.Press(`[data-stage=` + stage + `] [data-again]`)
	c.kiosk.Stage("order")
}

// refused waits until the kiosk says why, with the focus on the field that it is
// about.
func (c *customer) refused(why, field string) {
	c.t.Helper()
	c.kiosk.UntilTrue("why not: "+why, `document.querySelector('[data-why=`+why+`]').checkVisibility()`)
	c.kiosk.UntilTrue("the focus to be on "+field, `document.activeElement.matches('`+field+`[aria-invalid=true]')`)
	c.kiosk.UntilTrue("the news for a screen reader", `document.querySelector('#polite').textContent !== ''`)
}

// fits looks whether the kiosk's page has to be scrolled sideways.
func (c *customer) fits() {
	c.t.Helper()
	for _, width := range []int64{160, 1280, 360} {
		c.kiosk.Fits(width, 800)
	}
}

// keep writes a file for the kiosk to choose.
func (c *customer) keep(name string, png []byte) string {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), name)
	if err := os.WriteFile(path, png, 0o644); err != nil {
		c.t.Fatal(err)
	}
	return path
}
