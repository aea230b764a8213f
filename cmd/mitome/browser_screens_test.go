package main_test

import (
	"os"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
)

// TestScreens takes a picture of each page in each language and width, into the
// folder that MITOME_TEST_SCREENS names. Without one the pictures are thrown
// away, and what is checked is that no page has to be scrolled sideways.
func TestScreens(t *testing.T) {
	chrome := browsertest.Start(t)
	dir := os.Getenv("MITOME_TEST_SCREENS")
	if dir == "" {
		dir = t.TempDir()
	}
	album := browsertest.NewAlbum(t, dir)
	t.Run("languages", func(t *testing.T) {
		for _, language := range []string{"en", "ja"} {
			t.Run(language, func(t *testing.T) {
				t.Parallel()
				s := &sitting{people: newPeople(t, chrome), album: album, language: language}
				s.plain()
				s.pairing()
				s.notifying()
				s.answering()
				s.paying()
				s.missing()
				s.tending()
			})
		}
	})
	album.Write(t)
}

// sitting is one language's turn.
type sitting struct {
	*people
	album    *browsertest.Album
	language string
	phone    *browsertest.Browser
}

func (s *sitting) opens(name string) *browsertest.Browser {
	b := s.browser(name)
	b.Language(s.language)
	b.May(s.URL, "prompt")
	return b
}

func (s *sitting) picture(b *browsertest.Browser, page, what string) {
	s.t.Helper()
	s.album.Picture(b, s.language, page, what)
}

// plain are the pages that anybody sees.
func (s *sitting) plain() {
	b := s.opens("stranger")
	for _, p := range []struct{ path, name, what string }{
		{"/", "01-welcome", "Welcome"}, {"/signin", "02-signin", "Sign in to pair"}, {"/pair", "04-pair", "Pair: without a camera"},
		{"/unlock", "20-unlock", "Unlock"}, {"/nothing", "21-error", "Not there"},
	} {
		b.Open(s.URL + p.path)
		b.UntilTrue("the page", `document.readyState === 'complete' && !!document.querySelector('h1')?.checkVisibility()`)
		s.picture(b, p.name, p.what)
	}
}

// pairing is both screens of a pairing.
func (s *sitting) pairing() {
	desk := s.opens("desk")
	s.phone = s.opens("phone")
	desk.Open(s.URL + "/signin/corp")
	desk.Type("User", "aiko")
	desk.Click("button", "Sign in")
	desk.Stage("offer")
	desk.UntilTrue("the code", `document.querySelector('#qr').complete && !!document.querySelector('#here').href`)
	s.picture(desk, "03-offer", "Pair: the first screen")
	desk.Press(".desk-code summary")
	s.picture(desk, "03b-offer-typed", "Pair: the first screen, for a phone without a camera")
	desk.Press(".desk-code summary")
	s.phone.Open(browsertest.Eval[string](desk, "document.querySelector('#here').href"))
	s.phone.Stage("start")
	s.picture(s.phone, "05-pair-name", "Pair: the phone")
	s.phone.Press("#claim button")
	s.phone.Stage("match")
	s.picture(s.phone, "06-pair-match", "Pair: the phone shows the code")
	desk.UntilTrue("the code", `document.querySelector('#same').checkVisibility()`)
	s.picture(desk, "07-offer-match", "Pair: the first screen asks")
	desk.Press("#same")
	s.phone.Stage("passkey")
	s.picture(s.phone, "08-passkey", "Pair: the passkey")
	s.phone.Press("#make")
	s.phone.Stage("done")
	s.phone.Said("ask")
	s.picture(s.phone, "09-paired", "Paired")
	desk.Stage("done")
	s.picture(desk, "10-offer-done", "Paired, on the first screen")
}

// notifying is what the first page says of notifications.
func (s *sitting) notifying() {
	s.phone.Open(s.URL + "/")
	s.phone.UntilTrue("nothing", `document.querySelector('#nothing').checkVisibility()`)
	s.phone.Said("ask")
	s.picture(s.phone, "11-home-empty", "Nothing waits")
	old := s.opens("old phone")
	old.Before(`delete window.PushManager`)
	s.Mitome.Mitome("user", "add", "vault", "ken")
	s.admitTo(old, "vault", "ken")
	old.Open(s.URL + "/")
	old.Said("missing")
	s.picture(old, "11c-home-not-notified", "A browser that cannot notify")
	s.subscribe(s.phone)
	s.phone.Reload()
	s.phone.Said("ask")
	s.phone.May(s.URL, "granted")
	s.phone.Press("#push-ask")
	s.phone.Said("on")
	s.phone.Press("#push-test")
	s.phone.Said("sent")
	s.picture(s.phone, "11b-home-notified", "Notified, and tried")
	s.phone.May(s.URL, "denied")
	s.phone.Reload()
	s.phone.Said("blocked")
	s.picture(s.phone, "11d-home-blocked", "Notifications are blocked")
	s.phone.May(s.URL, "granted")
}

// answering is a request and its ends.
func (s *sitting) answering() {
	s.phone.Open(s.URL + "/")
	s.phone.Said("on")
	q := s.Ask("corp", "aiko", "binding_message", "Order 88-1047", "scope", "openid profile offline_access")
	s.phone.UntilTrue("a request", `!!document.querySelector('#waiting a')`)
	s.picture(s.phone, "12-home", "A request waits")
	s.asked(s.phone)
	s.picture(s.phone, "13-request", "A request")
	s.phone.Press("#not-me")
	s.picture(s.phone, "14-request-not-me", "I did not start this")
	s.phone.Press("#sure-no")
	s.phone.Press("#approve")
	s.phone.Stage("approved")
	s.picture(s.phone, "16-approved", "Approved")
	q.Told("SUCCEED")
	s.phone.Open(s.URL + "/")
	s.Ask("corp", "aiko")
	s.asked(s.phone)
	s.phone.Press("#deny")
	s.phone.Stage("denied")
	s.picture(s.phone, "17-denied", "Denied")
	s.disowning()

	s.pairFor("vault")
	s.phone.Open(s.URL + "/")
	s.Ask("vault", "aiko", "binding_message", "W4SCT-77")
	s.asked(s.phone)
	s.phone.Fill("#code", "W4SCT-78")
	s.phone.Press("#approve")
	s.phone.Said("wrong")
	s.picture(s.phone, "15-request-code", "A code to type, and a wrong one")
	for range 4 {
		s.phone.Said("wrong")
		s.phone.Fill("#code", "W4SCT-79")
		s.phone.Press("#approve")
		s.phone.UntilTrue("the answer", `!document.querySelector('#approve.busy')`)
	}
	s.phone.Stage("locked")
	s.picture(s.phone, "15b-locked", "Too many wrong codes")
}

// disowning is what follows from "I did not start this", with and without the passkey.
func (s *sitting) disowning() {
	for _, end := range []struct {
		verified          bool
		stage, page, what string
	}{
		{false, "not_me_only", "14c-not-me-only", "I did not start this, not confirmed"},
		{true, "not_me", "14b-not-me", "I did not start this, confirmed"},
	} {
		s.phone.Open(s.URL + "/")
		s.Ask("corp", "aiko")
		s.asked(s.phone)
		s.phone.Verified(end.verified)
		s.phone.Press("#not-me")
		s.phone.Press("#sure-yes")
		s.phone.Stage(end.stage)
		s.picture(s.phone, end.page, end.what)
	}
}

// payment is what a bank asks: RFC 9396's example, and where it was started.
var payment = []string{
	"binding_message", "Order 88-1047",
	"authorization_details", `[{"type": "payment_initiation", "instructedAmount": {"currency": "JPY", "amount": "12400"},
		"creditorName": "Corner Books Ltd.", "debtorAccount": {"iban": "DE40100100103307118608"}, "batch": true}]`,
	"request_context", `{"city": "Osaka", "device_type": "Shop terminal"}`,
}

// paying is a payment, by day and by night, and answered by another device.
func (s *sitting) paying() {
	tablet := s.opens("tablet by the sofa")
	s.admit(tablet)
	tablet.Open(s.URL + "/")
	s.phone.Open(s.URL + "/")
	s.Ask("corp", "aiko", payment...)
	s.asked(s.phone)
	s.asked(tablet)
	s.picture(s.phone, "13b-payment", "A payment")
	s.phone.Dark(true)
	s.picture(s.phone, "13c-payment-dark", "A payment, at night")
	s.phone.Dark(false)
	tablet.Press("#approve")
	tablet.Stage("approved")
	s.phone.Stage("approved_elsewhere")
	s.picture(s.phone, "16b-approved-elsewhere", "Approved on another device")
	s.phone.Open(s.URL + "/")
	s.phone.UntilTrue("what was answered", `!!document.querySelector('.verdict')`)
	s.picture(s.phone, "12b-home-answered", "Answered lately")
}

// admit pairs a second phone of the same user, by an administrator's link.
func (s *sitting) admit(b *browsertest.Browser) { s.admitTo(b, "corp", "aiko") }

func (s *sitting) admitTo(b *browsertest.Browser, connection, user string) {
	offer := s.Pair("--op", connection, user)
	b.Open(offer.Link)
	b.Stage("start")
	b.Press("#claim button")
	b.Stage("passkey")
	b.Press("#make")
	b.Stage("done")
	offer.Completed()
}

// missing is what a person meets when something is not there: the network, time.
func (s *sitting) missing() {
	s.Ask("corp", "aiko")
	s.asked(s.phone)
	s.phone.Offline(true)
	s.phone.UntilTrue("the word", `document.querySelector('.offline')?.checkVisibility()`)
	s.phone.Press("#approve")
	s.phone.Said("offline")
	s.picture(s.phone, "17c-offline", "Without a network")
	s.phone.Offline(false)
	s.phone.Press("#deny")
	s.phone.Stage("denied")
	s.pairFor("brief")
	s.phone.Open(s.URL + "/")
	s.Ask("brief", "aiko")
	s.asked(s.phone)
	s.phone.Stage("expired")
	s.picture(s.phone, "17b-expired", "Expired")
}

// pairFor pairs the phone with a user of another connection, too.
func (s *sitting) pairFor(connection string) {
	s.Mitome.Mitome("user", "add", connection, "aiko")
	offer := s.Pair("--op", connection, "aiko")
	s.phone.Open(offer.Link)
	s.phone.Stage("start")
	s.phone.Press("#claim button")
	s.phone.Stage("passkey")
	s.phone.Press("#make")
	s.phone.Stage("done")
	offer.Completed()
}

// tending is My devices, with one that has to wait.
func (s *sitting) tending() {
	desk, young := s.opens("desk again"), s.opens("tablet")
	desk.Open(s.URL + "/signin/corp")
	desk.Type("User", "aiko")
	desk.Click("button", "Sign in")
	desk.UntilTrue("the code", `!!document.querySelector('#here')?.href`)
	young.Open(browsertest.Eval[string](desk, "document.querySelector('#here').href"))
	young.Stage("start")
	young.Press("#claim button")
	young.Stage("match")
	desk.UntilTrue("the code", `document.querySelector('#same').checkVisibility()`)
	desk.Press("#same")
	young.Stage("passkey")
	young.Press("#make")
	young.Stage("cooling")
	s.picture(young, "18-cooling", "Paired, and has to wait")
	s.phone.Open(s.URL + "/devices")
	s.phone.Stage("list")
	s.picture(s.phone, "19-devices", "My devices")
	s.phone.Open(s.URL + "/code-word")
	s.phone.Stage("list")
	s.picture(s.phone, "19c-code-word", "My code word")
	s.phone.Open(s.URL + "/devices")
	s.phone.Stage("list")
	s.phone.Press("[data-act=lost]")
	s.phone.UntilTrue("the question", `document.querySelector('#ask-lost').open`)
	s.picture(s.phone, "19b-lost", "A lost device")
	s.stopping()
}

// stopping is where everything is stopped. Nothing is asked after it.
func (s *sitting) stopping() {
	s.phone.Open(s.URL + "/lock")
	s.phone.Stage("list")
	s.picture(s.phone, "22-lock", "Stop everything")
	s.phone.Press("[data-act=lock]")
	s.phone.UntilTrue("the question", `document.querySelector('#ask-lock').open`)
	s.picture(s.phone, "22b-lock-sure", "Stop everything, asked")
	s.phone.Press("#ask-lock button[value=yes]")
	s.phone.UntilTrue("the stop", `!!document.querySelector('[data-locked]')`)
	s.picture(s.phone, "22c-locked", "Everything is stopped")
}
