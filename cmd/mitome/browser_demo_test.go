package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

// TestDemo plays with `mitome demo` as a newcomer does: the shop in one window,
// the phone in the other.
func TestDemo(t *testing.T) {
	chrome := browsertest.Start(t)
	for _, tt := range []struct {
		name, language string
		play           func(*visit)
	}{
		{"in English", "en", (*visit).everything},
		{"in Japanese", "ja", (*visit).everything},
		{"with the software passkey", "en", (*visit).withoutAuthenticator},
		{"without a phone", "en", (*visit).unpaired},
		{"what nobody started", "en", (*visit).disowned},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := &visit{t: t, Demo: browsertest.RunDemo(t, "mitome"), language: tt.language, shop: chrome.Browser(t, "shop")}
			v.shop.Language(tt.language)
			v.shop.Size(1280, 900)
			v.shop.Open(v.Shop + "/")
			v.shop.UntilTrue("the page", `document.querySelector('#pair').checkVisibility()`)
			v.shop.Audit("begin")
			v.picture("1-begin")
			tt.play(v)
		})
	}
}

// visit is one newcomer.
type visit struct {
	*browsertest.Demo
	t           *testing.T
	language    string
	shop, phone *browsertest.Browser
}

// everything is a pairing and an order in each mode, and a no.
func (v *visit) everything() {
	v.opensPhone()
	v.phone.Authenticator()
	v.pairs()
	v.orders("till", "poll")
	code := v.text("[data-text=code]")
	v.picture("3-code")
	v.phone.Stage("ask")
	v.phone.Fill("#code", strings.ReplaceAll(code, " ", ""))
	v.approves()
	v.picture("4-receipt")
	v.claims("sub", "acr", "amr", "auth_time")
	v.lines(`POST /bc-authorize`, "shop", "op", "binding_message")
	v.shop.Scheme("dark")
	v.shop.Audit("receipt, dark")
	v.picture("5-dark")
	v.shop.Scheme("light")

	v.orders("call", "ping")
	v.phone.Text(v.text("[data-text=says]"))
	v.picture("6-call")
	v.approves()
	v.claims("sub", "amr", "auth_time")
	v.lines(`POST /ciba/ping`, "op", "shop", "auth_req_id")

	v.orders("pay", "push")
	v.phone.Text("12,400")
	v.approves()
	v.claims("sub", "urn:openid:params:jwt:claim:auth_req_id", "at_hash")
	v.lines(`POST /ciba/push`, "op", "shop", "id_token")
	v.picture("7-pushed")

	v.orders("lock", "poll")
	v.reloads()
	v.phone.Press("#deny")
	v.phone.Stage("denied")
	v.shop.Stage("denied")
	v.picture("8-denied")
}

// withoutAuthenticator is a browser without one, where the demo lends its own.
func (v *visit) withoutAuthenticator() {
	v.opensPhone()
	v.phone.Click("button", "Use the demo’s software passkey")
	v.pairs()
	v.orders("pay", "ping")
	v.approves()
}

// unpaired asks before there is a phone, and is told what to do about it.
func (v *visit) unpaired() {
	v.shop.Press("#go")
	v.shop.Stage("failed")
	v.shop.Text("unknown_user_id")
	v.picture("2-unpaired")
}

// disowned approves more than a user is asked by default, says that she did not
// start the next one, is told why the shop finds nobody, and can soon go on.
func (v *visit) disowned() {
	v.opensPhone()
	v.phone.Authenticator()
	v.pairs()
	for range 5 {
		v.orders("pay", "poll")
		v.approves()
	}
	v.orders("pay", "poll")
	v.phone.Press("#not-me")
	v.phone.Press("#sure-yes")
	v.phone.Stage("not_me")
	v.shop.Stage("denied")
	v.phone.Open(v.Phone + "/")
	v.shop.Press("#go")
	v.shop.Stage("failed")
	v.shop.Text("she did not start a request")
	v.shop.Audit("failed")
	v.shop.UntilTrue("the shop to find her again", `(() => {
		if (document.querySelector('[data-stage=failed]').checkVisibility()) document.querySelector('#go').click();
		return document.querySelector('[data-stage=pending]').checkVisibility();
	})()`)
	v.phone.Press(`main a[href^="/requests/"]`)
	v.phone.Stage("ask")
	v.approves()
}

// opensPhone presses the button that opens the second window.
func (v *visit) opensPhone() {
	v.t.Helper()
	v.shop.Press("#pair")
	v.shop.UntilTrue("a link for whoever sees no window", `document.querySelector('#pair-link').href.startsWith('`+v.Phone+`/pair#')`)
	v.phone = v.shop.Window("phone", v.Phone)
	v.phone.Language(v.language)
}

// pairs pairs the phone: both screens show the same code.
func (v *visit) pairs() {
	v.t.Helper()
	v.phone.Stage("start")
	v.phone.Tap("#claim button[type=submit]")
	v.phone.Stage("match")
	v.shop.UntilTrue("the code", `document.querySelector('#confirm').checkVisibility()`)
	shown := browsertest.Eval[string](v.phone, `document.querySelector('[data-stage=match] [data-text=match]').textContent`)
	if here := v.text("[data-text=match]"); here != shown || len(here) < 6 {
		v.t.Errorf("the shop shows %q, the phone %q", here, shown)
	}
	v.shop.Audit("match")
	v.picture("2-match")
	v.shop.Press("#confirm")
	v.phone.Stage("passkey")
	v.phone.Tap("#make")
	v.phone.Stage("done")
	v.shop.UntilTrue("the phone to be paired", `document.querySelector('[data-pair=completed]').checkVisibility()`)
	v.phone.Tap(`[data-stage=done] a`)
	v.phone.UntilTrue("the phone's first page", `location.pathname === '/' && document.readyState === 'complete'`)
}

// orders asks for something, and waits until the phone shows it by itself.
func (v *visit) orders(what, mode string) {
	v.t.Helper()
	v.shop.UntilTrue("to choose", `(() => { document.querySelector('[name=case][value=`+what+`]').click(); document.querySelector('[name=mode][value=`+mode+`]').click(); return true; })()`)
	v.shop.Press("#go")
	v.shop.Stage("pending")
	v.shop.UntilTrue("the focus to be on the news", `document.activeElement.matches('[data-stage=pending] [data-focus]')`)
	v.shop.UntilTrue("the news for a screen reader", `document.querySelector('#polite').textContent !== ''`)
	v.phone.Press(`main a[href^="/requests/"]`)
	v.phone.Stage("ask")
}

// approves says yes on the phone, sees it arrive, and goes back to wait for more.
func (v *visit) approves() {
	v.t.Helper()
	v.phone.Press("#approve")
	v.phone.Stage("approved")
	v.shop.Stage("approved")
	v.phone.Open(v.Phone + "/")
}

// reloads loads the shop anew, which must not lose the order.
func (v *visit) reloads() {
	v.t.Helper()
	says := v.text("[data-text=says]")
	v.shop.Reload()
	v.shop.Stage("pending")
	if again := v.text("[data-text=says]"); again != says {
		v.t.Errorf("after a reload the till says %q, want %q", again, says)
	}
	v.shop.UntilTrue("its messages", `document.querySelectorAll('#messages li').length > 3`)
	v.shop.UntilTrue("polls that are counted, not repeated", `!!document.querySelector('.times') && document.querySelectorAll('#messages li').length < 12`)
}

func (v *visit) text(css string) string {
	v.t.Helper()
	return browsertest.Eval[string](v.shop, `document.querySelector('`+css+`').textContent`)
}

// claims checks that the receipt names these claims.
func (v *visit) claims(names ...string) {
	v.t.Helper()
	v.shop.Audit("approved")
	for _, n := range names {
		v.shop.UntilTrue("claim "+n, `[...document.querySelectorAll('#claims dt')].some((e) => e.firstChild.textContent === '`+n+`' && e.nextElementSibling.textContent !== '')`)
	}
}

// lines opens a message that has passed, and checks that it says what it must.
func (v *visit) lines(title, from, to, holds string) {
	v.t.Helper()
	find := `[...document.querySelectorAll('#messages details')].find((d) => d.dataset.from === '` + from + `' && d.dataset.to === '` + to + `' && d.querySelector('.label').textContent.includes('` + title + `'))`
	v.shop.UntilTrue(title, `!!`+find)
	v.shop.UntilTrue("what is in it", `(() => { const d = `+find+`; d.open = true; return d.querySelector('pre').checkVisibility() && d.querySelector('pre').textContent.includes('`+holds+`'); })()`)
	v.shop.Audit("a message")
}

// inREADME are the pictures that the README shows.
var inREADME = map[string]string{"3-code-en-1280": "ordering.png", "4-receipt-en-1280": "receipt.png"}

// picture looks whether the page has to be scrolled sideways and, where
// MITOME_TEST_SCREENS names a folder, keeps what it looks like: for the README
// below that, and everything among the test's artifacts (go test -artifacts).
func (v *visit) picture(name string) {
	v.t.Helper()
	docs := os.Getenv("MITOME_TEST_SCREENS")
	for _, width := range []int64{360, 768, 1280} {
		v.shop.Fits(width, 900)
		if docs == "" {
			continue
		}
		png, file := v.shop.Picture(), fmt.Sprintf("%s-%s-%d", name, v.language, width)
		v.keep(filepath.Join(v.t.ArtifactDir(), file+".png"), png)
		if inREADME[file] != "" {
			v.keep(filepath.Join(docs, "demo", inREADME[file]), png)
		}
	}
}

func (v *visit) keep(path string, png []byte) {
	v.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		v.t.Fatal(err)
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		v.t.Fatal(err)
	}
}
