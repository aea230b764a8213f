package main_test

import (
	"context"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

// TestShowCode is the page with which a phone says at a till who stands there:
// nothing without the passkey, nothing while nobody sees it, and another code each
// half minute.
func TestShowCode(t *testing.T) {
	chrome := browsertest.Start(t)
	for _, language := range []string{"en", "ja"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			c := &customer{t: t, Demo: browsertest.RunDemo(t, "mitome"), chrome: chrome, language: language}
			c.phone = c.paired("phone")
			p := c.phone
			p.Open(c.Demo.Phone + "/")
			p.Press(`a[href="/code"]`)
			p.Stage("locked")
			c.noCode("before the passkey")
			p.Verified(false)
			p.Press("#unlock-code")
			p.Said("cancelled")
			c.noCode("without the passkey")
			p.Verified(true)

			c.shows()
			c.later("0") // from now on the page's clock stands, and no code goes by itself
			first := c.code()
			p.HasQR("#code-qr", strings.ReplaceAll(first, " ", ""))
			p.UntilTrue("digits for ears", `document.querySelector('[data-text=spoken]').textContent.replace(/\D/g, '') === `+
				`document.querySelector('#code-digits').textContent.replace(/\D/g, '')`)
			for _, width := range []int64{160, 1280, 360} {
				p.Fits(width, 800)
				p.Audit("shown")
			}
			p.Dark(true)
			p.HasQR("#code-qr", strings.ReplaceAll(first, " ", "")) // on white all the same
			p.Dark(false)

			c.asksOtherwise()
			c.hidden(true)
			c.noCode("while nobody sees it")
			c.hidden(false)
			second := c.another(first)
			p.UntilTrue("that it stays", `location.pathname === '/code'`) // for what did not come by the code
			c.later("31_000")
			third := c.another(second)
			p.Press("#lock-code")
			p.Stage("locked")
			c.noCode("put away")

			p.Press("#unlock-code")
			p.Stage("shown")
			c.another(third)
			c.later("301_000")
			c.hidden(true)
			c.hidden(false)
			p.Said("over")
			c.noCode("when the time is over")
		})
	}
}

// asksOtherwise has a shop ask the same person by her name, and waits until her
// phone could know.
func (c *customer) asksOtherwise() {
	c.t.Helper()
	desk := c.browser("desk")
	desk.Open(c.Shop + "/")
	status := browsertest.Eval[int](desk, `fetch('/orders', {method: 'POST', headers: {'Content-Type': 'application/json'},
		body: JSON.stringify({case: 'till', mode: 'poll'})}).then((r) => r.status)`)
	if status/100 != 2 {
		c.t.Fatalf("order: got %d", status)
	}
	ask := `fetch('/v1/requests').then((r) => r.json()).then((l) => l.requests.length)`
	c.phone.Until("the other request", func(context.Context) bool { return browsertest.Eval[int](c.phone, ask) == 1 })
}

// code is what the phone shows.
func (c *customer) code() string {
	c.t.Helper()
	return browsertest.Eval[string](c.phone, `document.querySelector('#code-digits').textContent`)
}

// another waits for a code that is not before.
func (c *customer) another(before string) string {
	c.t.Helper()
	c.phone.UntilTrue("another code", `(() => { const d = document.querySelector('#code-digits').textContent;
		return d.length === 24 && d !== '`+before+`' && document.querySelector('#code-qr').complete; })()`)
	return c.code()
}

// noCode makes sure that there is no code in the page, to be seen or not.
func (c *customer) noCode(when string) {
	c.t.Helper()
	c.phone.UntilTrue("no code "+when, `!/\d{4}/.test(document.querySelector('main').textContent) && !document.querySelector('#code-qr').src`)
}

// hidden has the page believe that nobody sees it, or that somebody does.
func (c *customer) hidden(yes bool) {
	c.t.Helper()
	word := "false"
	if yes {
		word = "true"
	}
	browsertest.Eval[bool](c.phone, `Object.defineProperty(document, 'hidden', {value: `+word+`, configurable: true}),
		document.dispatchEvent(new Event('visibilitychange'))`)
}

// later sets the page's clock on by so many milliseconds, and stops it there.
func (c *customer) later(ms string) {
	c.t.Helper()
	browsertest.Eval[bool](c.phone, `(() => { const at = Date.now() + `+ms+`; Date.now = () => at; return true; })()`)
}
