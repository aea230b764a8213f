package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
)

// chromium starts a headless Chromium for one test and returns its context.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := os.Getenv("MITOME_TEST_CHROMIUM")
	if path == "" {
		t.Fatal("MITOME_TEST_CHROMIUM is not set; it must name a Chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en"),
	)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// browser is one browser that stands for a phone: a profile of its own, and an
// authenticator in software that verifies its user at once.
type browser struct {
	t   *testing.T
	ctx context.Context
	g   *gateway
	id  webauthn.AuthenticatorID
}

// browser opens a new profile of chrome on the gateway. What goes wrong on any
// of its pages fails the test: an exception, a failed load, a violated policy.
func (g *gateway) browser(chrome context.Context, t *testing.T) *browser {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chrome, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, g: g}
	// Without a deadline of its own: the tab lives as long as the context that
	// first uses it.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	added, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.id = added.AuthenticatorID
	return b
}

// do runs steps, each in time.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
		b.t.Fatalf("%v\non %s", err, page)
	}
}

// open goes to a page of Mitome.
func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.g.devices + path))
}

// stage waits for the page to be at a stage.
func (b *browser) stage(name string) {
	b.t.Helper()
	b.sees(`[data-stage="` + name + `"]`)
}

func (b *browser) sees(css string) { b.t.Helper(); b.do(chromedp.WaitVisible(chromedp.CSS(css))) }
func (b *browser) press(css string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(css), chromedp.NodeVisible))
}

// types replaces what stands in a field.
func (b *browser) types(css, text string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.querySelector("`+css+`").value = "", true`)); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.SendKeys(chromedp.CSS(css), text, chromedp.NodeVisible))
}

// idle waits until the page has its answer to the last press.
func (b *browser) idle() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	const answered = `!document.querySelector("#approve").disabled && !document.querySelector("#approve").ariaBusy && !document.querySelector("#approve[aria-disabled=true]") || !document.querySelector('[data-stage="locked"]').hidden`
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](answered)); err != nil {
		b.t.Fatalf("the page is still busy: %v", err)
	}
}

// pairs pairs the browser by an administrator's link, and returns its device.
func (b *browser) pairs(user string) {
	b.t.Helper()
	first := exec.CommandContext(b.t.Context(), b.g.binary, "--json", "pair", "--yes", user)
	first.Env = append(os.Environ(), "MITOME_CONFIG="+b.g.config)
	first.Stderr = os.Stderr
	out, err := first.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		b.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	var offer struct{ Link string }
	if err := json.Unmarshal(lines.Bytes(), &offer); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Navigate(offer.Link))
	b.stage("start")
	if at, _ := chromedp.Run(b.ctx, chromedp.Location()); strings.Contains(at, "#") {
		b.t.Error("the secret stayed in the address bar")
	}
	b.press(`#claim button[type=submit]`)
	b.stage("passkey")
	b.press(`#make`)
	b.stage("done")
	for lines.Scan() {
	}
	if err := first.Wait(); err != nil {
		b.t.Fatalf("mitome pair: %v", err)
	}
}

// asked waits on the home page for a request to appear by itself, and opens it.
func (b *browser) asked() {
	b.t.Helper()
	b.press(`main a[href^="/requests/"]`)
	b.stage("ask")
}

// testSelfService is a user whom nobody has told Mitome of: she signs in at
// Keycloak on one screen, pairs her phone with it, and approves there.
func testSelfService(t *testing.T, s *stage) {
	chrome := chromium(t)
	g := newGateway(t, s, opening{Settings: "    signin: {client_id: mitome, internal_url: " + s.kc.URL + "}"})
	desk, phone := g.browser(chrome, t), g.browser(chrome, t)
	desk.open("/signin/corp")
	desk.types("#username", "alice")
	desk.types("#password", keycloaktest.Password)
	desk.press("#kc-login")
	desk.stage("offer")
	desk.do(chromedp.WaitVisible(chromedp.CSS("#qr")))
	link, err := chromedp.Run(desk.ctx, chromedp.Poll[string](`document.querySelector("#here").href.includes("#") ? document.querySelector("#here").href : ""`))
	if err != nil {
		t.Fatal(err)
	}
	phone.do(chromedp.Navigate(link))
	phone.press(`#claim button[type=submit]`)
	phone.stage("match")
	shown := func(b *browser, css string) string {
		text, err := chromedp.Run(b.ctx, chromedp.TextContent(chromedp.CSS(css), chromedp.NodeVisible))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	check(t, "the code on both screens", shown(phone, `[data-stage=match] [data-text=match]`), shown(desk, `#compare [data-text=match]`))
	desk.press("#same")
	phone.press("#make")
	phone.stage("done")
	desk.stage("done")

	phone.open("/")
	id := g.realm.Shop.MustAsk(t, "alice")
	phone.asked()
	phone.press("#approve")
	phone.stage("approved")
	if a := g.realm.Shop.Wait(t, id, patience); a.IDToken == "" {
		t.Errorf("client: got %q, want tokens", a.Error)
	}
}

// testBrowser is what a person with a browser does, with a real Keycloak behind.
func testBrowser(t *testing.T, s *stage) {
	chrome := chromium(t)
	g := newGateway(t, s, opening{Settings: "    rules: {binding_message: type}"})
	g.run(t, "user", "add", "corp", g.realm.Alice, "--name", "alice")
	phone, other := g.browser(chrome, t), g.browser(chrome, t)
	phone.pairs("alice")
	other.pairs("alice")
	for _, tt := range []struct {
		name string
		ask  []string // further parameters of the client's request
		do   func(t *testing.T, phone, other *browser)
		want string // what the client gets
	}{
		{"approve", nil, browserApprove, "tokens"},
		{"deny", nil, browserDeny, "access_denied"},
		{"I did not start this", nil, browserNotMe, "access_denied"},
		{"a code", []string{"binding_message", "W4SCT-77"}, browserCode, "tokens"},
		{"wrong codes", []string{"binding_message", "W4SCT-77"}, browserWrongCodes, "access_denied"},
		{"another device decides", nil, browserElsewhere, "tokens"},
		{"reload", nil, browserReload, "tokens"},
		{"approve pressed twice", nil, browserTwice, "tokens"},
		{"revoked while open", nil, browserRevoked, "tokens"}, // by the other device
	} {
		t.Run(tt.name, func(t *testing.T) {
			phone.t, other.t = t, t
			phone.open("/")
			other.open("/")
			id := g.realm.Shop.MustAsk(t, "alice", tt.ask...)
			tt.do(t, phone, other)
			a := g.realm.Shop.Wait(t, id, patience)
			got := a.Error
			if a.IDToken != "" {
				got = "tokens"
			}
			check(t, "client", got, tt.want)
		})
	}
}

func browserApprove(_ *testing.T, phone, other *browser) {
	phone.asked()
	other.sees(`main a[href^="/requests/"]`)
	phone.press("#approve")
	phone.stage("approved")
	other.do(chromedp.WaitNotPresent(chromedp.CSS(`main a[href^="/requests/"]`)))
}

func browserDeny(_ *testing.T, phone, _ *browser) {
	phone.asked()
	phone.press("#deny")
	phone.stage("denied")
}

func browserNotMe(_ *testing.T, phone, _ *browser) {
	phone.asked()
	phone.press("#not-me")
	phone.press("#sure-yes")
	phone.stage("not_me")
}

func browserCode(t *testing.T, phone, _ *browser) {
	phone.asked()
	if text, err := chromedp.Run(phone.ctx, chromedp.Evaluate[string](`document.documentElement.outerHTML`)); err != nil || strings.Contains(text, "W4SCT") {
		t.Errorf("the page holds the code that is to be typed (%v)", err)
	}
	phone.types("#code", "W4SCT-78")
	phone.press("#approve")
	phone.sees(`[data-when="wrong"]`)
	phone.types("#code", "w4sct 77")
	phone.press("#approve")
	phone.stage("approved")
}

func browserWrongCodes(_ *testing.T, phone, _ *browser) {
	phone.asked()
	for range 5 {
		phone.types("#code", "WRONG-1")
		phone.press("#approve")
		phone.idle()
	}
	phone.stage("locked")
}

func browserElsewhere(_ *testing.T, phone, other *browser) {
	phone.asked()
	other.asked()
	phone.press("#approve")
	phone.stage("approved")
	other.stage("approved_elsewhere")
}

func browserReload(_ *testing.T, phone, _ *browser) {
	phone.asked()
	phone.do(chromedp.Reload())
	phone.stage("ask")
	phone.press("#approve")
	phone.stage("approved")
	phone.do(chromedp.Reload())
	phone.stage("approved")
}

func browserTwice(_ *testing.T, phone, _ *browser) {
	phone.asked()
	phone.do(chromedp.DoubleClick(chromedp.CSS("#approve"), chromedp.NodeVisible))
	phone.stage("approved")
}

// browserRevoked comes last: the phone is no device after it.
func browserRevoked(t *testing.T, phone, other *browser) {
	phone.asked()
	var devices []struct{ ID string }
	phone.g.json(t, &devices, "user", "device", "list", "alice")
	phone.g.run(t, "user", "device", "revoke", devices[0].ID)
	phone.stage("gone") // by itself: its socket was closed
	other.asked()
	other.press("#approve")
	other.stage("approved")
}
