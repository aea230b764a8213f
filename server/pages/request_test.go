package pages_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
)

// in fails unless every one of want stands in body, in that order.
func in(t *testing.T, body string, want ...string) {
	t.Helper()
	rest := body
	for _, w := range want {
		i := strings.Index(rest, w)
		if i < 0 {
			t.Errorf("%q is missing, or not in its place", w)
			return
		}
		rest = rest[i+len(w):]
	}
}

// TestRequestInOrder: who asks, what for, in whose words, what must be done, and
// then the answers, Deny first.
func TestRequestInOrder(t *testing.T) {
	w := newWorld(t)
	w.ask(payment)
	rec := w.get(t, "/requests/R1", "Accept-Language", "en-GB,en;q=0.8")
	body := rec.Body.String()
	if rec.Code != 200 {
		t.Fatalf("got %d, want 200", rec.Code)
	}
	in(t, body, `<html lang="en" data-kind="payment">`, "1:22", "<bdi>Corner Books</bdi>", "asks through Example Bank",
		"Payment", "Payment request: ", "<bdi>12,400 JPY</bdi></h1>",
		"Payee", "Corner Books Ltd.", "Know who you are", `<bdi class="mono">books:lend</bdi>`, "no description", "Message from the service that asks", "<bdi>Pay 12400 JPY order 88-1047</bdi>",
		"Type the code", `id="code"`, "as Example Bank reports", "Osaka", `id="deny"`, `id="approve"`, "I did not start this")
	if strings.Contains(body, "<dd><bdi>12,400 JPY") {
		t.Error("the amount stands among the facts too")
	}
}

func TestRequestInJapanese(t *testing.T) {
	w := newWorld(t)
	w.ask(nil)
	body := w.get(t, "/requests/R1", "Accept-Language", "ja").Body.String()
	in(t, body, `<html lang="ja" data-kind="sign_in">`, "Example Bankを通じた依頼", "ログイン", "ログインの確認", "拒否する", "承認する", "心当たりがない")
	if strings.Contains(body, "Deny") || strings.Contains(body, "Sign-in") {
		t.Error("English on a Japanese page")
	}
}

// TestApproveWaitsToBeRead: where several requests came, Approve does nothing for as
// long as the service says, and says so; Deny is there at once.
func TestApproveWaitsToBeRead(t *testing.T) {
	for lang, why := range map[string]string{"en": "Approve works in a moment", "ja": "まもなく"} {
		w := newWorld(t)
		w.ask(nil)
		const waits = `type="button" aria-disabled="true" aria-describedby="pause">`
		if body := w.get(t, "/requests/R1", "Accept-Language", lang).Body.String(); strings.Contains(body, waits) || strings.Contains(body, "data-pause") {
			t.Errorf("%s: it waits though no other came", lang)
		}
		w.pause = 1500 * time.Millisecond
		in(t, w.get(t, "/requests/R1", "Accept-Language", lang).Body.String(),
			`data-pause="1500"`, `id="deny" type="button">`, `id="approve" `+waits, `<span id="pause">`, why, `id="ready"`)
	}
}

// TestViewHash: the page carries the hash of the very bytes that the device API
// gives to be signed, in the page's own language.
func TestViewHash(t *testing.T) {
	for lang, accept := range map[string]string{"en": "de", "ja": "ja-JP,en;q=0.5"} {
		w := newWorld(t)
		w.ask(payment)
		view, err := w.shower.View(w.requests[0], show.Viewer{Locale: lang})
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(view)
		in(t, w.get(t, "/requests/R1", "Accept-Language", accept).Body.String(), `data-view="`+hex.EncodeToString(sum[:])+`"`)
	}
}

// TestStages: what a page shows of each way in which a request can stand.
func TestStages(t *testing.T) {
	decided := func(s approval.State, by device.DeviceID, reason approval.Reason) func(*approval.Request) {
		return func(r *approval.Request) {
			r.State = s
			r.Decision = &approval.Decision{Reason: reason, Device: by, At: now}
		}
	}
	tests := []struct {
		stage  string
		change func(*approval.Request)
		want   string
	}{
		{"ask", nil, "Deny"},
		{"approved", decided(approval.Approved, "D1", ""), "Go back to the other screen"},
		{"approved_elsewhere", decided(approval.Approved, "D2", ""), "Tablet"},
		{"approved_elsewhere", decided(approval.Approved, "D9", ""), "another device"},
		{"denied", decided(approval.Denied, "D1", approval.ReasonUser), "will not go ahead"},
		{"denied", decided(approval.Denied, "", approval.ReasonUnknownUser), "will not go ahead"},
		{"denied_elsewhere", decided(approval.Denied, "D2", approval.ReasonNotMe), "Tablet"},
		{"not_me_only", decided(approval.Denied, "D1", approval.ReasonNotMe), "can ask you again"},
		{"not_me", func(r *approval.Request) {
			decided(approval.Denied, "D1", approval.ReasonNotMe)(r)
			r.Decision.FrozenUntil = now.Add(time.Minute)
		}, "cannot ask you"},
		{"not_me", decided(approval.Denied, "", approval.ReasonNotMe), "cannot ask you"}, // because of another request
		{"stopped", decided(approval.Denied, "", approval.ReasonLocked), "unlocks you"},
		{"locked", decided(approval.Denied, "D1", approval.ReasonUserCode), "too many wrong codes"},
		{"locked", decided(approval.Denied, "D2", approval.ReasonUserCode), "too many wrong codes"},
		{"weak", decided(approval.Denied, "D1", approval.ReasonACR), "stronger passkey"},
		{"withdrawn", func(r *approval.Request) { r.State = approval.Withdrawn }, "took its request back"},
		{"expired", func(r *approval.Request) { r.State = approval.Expired }, "Time ran out"},
		{"expired", func(r *approval.Request) { r.ExpiresAt = now.Add(-time.Second) }, "Time ran out"}, // before the sweeper came
	}
	for _, tt := range tests {
		t.Run(tt.stage, func(t *testing.T) {
			w := newWorld(t)
			w.ask(tt.change)
			body := w.get(t, "/requests/R1").Body.String()
			in(t, body, `data-stage="`+tt.stage+`"`, tt.want)
			open := tt.stage == "ask"
			for _, part := range []string{`id="approve"`, `id="deny"`, "js/request.js"} {
				if strings.Contains(body, part) != open {
					t.Errorf("%s: got %v, want %v", part, !open, open)
				}
			}
			if !open && strings.Count(body, "data-stage=") != 1 {
				t.Error("more than one end")
			}
		})
	}
}

// TestPlaceOnPage: where it was started stands with what else is said of that, and
// a warning before the answers; what a rule refuses has no Approve.
func TestPlaceOnPage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		barred approval.Far
		want   []string
	}{
		{"warned", "", []string{"as Example Bank reports", `id="place"`, "is in FR; you are in JP.", `id="far"`, "in another country than you", "Osaka", `id="deny"`, `id="approve"`}},
		{"refused", approval.FarRefuse, []string{`id="refused"`, "cannot be approved here", `id="place"`, `id="deny"`}},
		{"without a code", approval.FarCode, []string{`id="refused"`, "no code to type", `id="place"`, `id="deny"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.ask(nil)
			w.where = &approval.Where{Asks: approval.Place{Country: "FR"}, Viewer: approval.Place{Country: "JP"}, Relation: approval.Elsewhere, Barred: tt.barred}
			body := w.get(t, "/requests/R1").Body.String()
			in(t, body, tt.want...)
			if strings.Contains(body, `id="approve"`) != (tt.barred == "") {
				t.Error("whether it has Approve differs from whether it can be approved")
			}
		})
	}
}

// TestHostileWords: what others wrote is text, in its own direction, whatever it
// looks like.
func TestHostileWords(t *testing.T) {
	const evil = `</bdi><script>alert(1)</script><img src=x onerror=alert(2)>" autofocus onfocus="alert(3)`
	w := newWorld(t)
	w.ask(func(r *approval.Request) {
		r.ClientName, r.BindingMessage, r.Scope = evil, evil, []string{evil}
		raw, err := json.Marshal(map[string]string{"type": "payment", evil: evil, "creditorName": evil})
		if err != nil {
			t.Fatal(err)
		}
		r.Context["authorization_details"] = raw
	})
	w.session.Devices[0].Name = evil
	for _, path := range []string{"/requests/R1", "/"} {
		body := w.get(t, path).Body.String()
		for _, part := range []string{"<script>", "<img", `" autofocus`, "</bdi><"} {
			if strings.Contains(strings.ReplaceAll(body, "</bdi></", ""), part) && part != "</bdi><" {
				t.Errorf("%s: %s is markup", path, part)
			}
		}
		in(t, body, "<bdi", "&lt;/bdi&gt;&lt;script&gt;alert(1)")
	}
}

// TestNoHeadlineOfSeveralAmounts: were one of them largest, the others would be
// overlooked.
func TestNoHeadlineOfSeveralAmounts(t *testing.T) {
	w := newWorld(t)
	w.ask(func(r *approval.Request) {
		r.Context["authorization_details"] = json.RawMessage(`[
			{"type":"payment","instructedAmount":{"amount":"1","currency":"JPY"}},
			{"type":"payment","instructedAmount":{"amount":"99999","currency":"JPY"}}]`)
	})
	body := w.get(t, "/requests/R1").Body.String()
	if strings.Contains(body, `class="headline"`) {
		t.Error("one amount of two is the headline")
	}
	in(t, body, "<dd><bdi>1 JPY", "<dd><bdi>99,999 JPY")
}

// TestAccountInFours: an account number is shown as people compare it, and what
// only looks a little like one is left alone.
func TestAccountInFours(t *testing.T) {
	w := newWorld(t)
	w.ask(func(r *approval.Request) {
		r.Context["authorization_details"] = json.RawMessage(`[{"type": "payment_initiation", "creditorName": "DE40 Ltd.",
			"creditorAccount": {"iban": "DE40100100103307118608"}, "remittanceInformationUnstructured": "de40100100103307118608"}]`)
	})
	in(t, w.get(t, "/requests/R1", "Accept-Language", "en").Body.String(),
		"DE40 Ltd.", "DE40 1001 0010 3307 1186 08", "de40100100103307118608")
}

// TestRefused: what a strict connection does not know can be read and denied; there
// is no button for anything else, and no field for a code.
func TestRefused(t *testing.T) {
	for lang, why := range map[string]string{"en": "not known", "ja": "不明な種類"} {
		w := newWorld(t)
		w.shower.Connections["bank"] = show.Connection{Strict: true}
		w.ask(func(r *approval.Request) {
			payment(r)
			r.Context["authorization_details"] = json.RawMessage(`[{"type":"lease","flat":"12"}]`)
		})
		body := w.get(t, "/requests/R1", "Accept-Language", lang).Body.String()
		in(t, body, "lease", "authorization_details[0].flat", `id="refused"`, why, `id="deny"`, `id="not-me"`)
		for _, part := range []string{`id="approve"`, `id="code"`} {
			if strings.Contains(body, part) {
				t.Errorf("%s: the page has %s", lang, part)
			}
		}
	}
}

// TestCardNumber: the page holds its end alone, wherever one looks.
func TestCardNumber(t *testing.T) {
	w := newWorld(t)
	w.ask(func(r *approval.Request) {
		r.Context["authorization_details"] = json.RawMessage(`[{"type":"3ds:payment_authorisation","source_account":"4111 1111 1111 1234",
			"instructed_amount":{"amount":"12400","currency":"JPY"},"beneficiary_name":"Books"}]`)
	})
	for _, path := range []string{"/requests/R1", "/"} {
		if body := w.get(t, path, "Accept-Language", "en").Body.String(); strings.Contains(body, "1111") {
			t.Errorf("%s: %s", path, body)
		}
	}
	in(t, w.get(t, "/requests/R1", "Accept-Language", "en").Body.String(), "Card payment", "12,400 JPY", "Your card", "•••• 1234")
}

// TestNobodyMayAskByPhone: the first page, before there is a device and after, and
// each request say that whoever talks somebody into approving is not to be trusted
// (draft-ietf-oauth-cross-device-security, user education).
func TestNobodyMayAskByPhone(t *testing.T) {
	const calls, started = "Nobody who calls or writes to you may ask you to approve", "do not approve it, no matter who asks you to"
	stranger := newWorld(t)
	stranger.known, stranger.session = false, session.Session{}
	in(t, stranger.get(t, "/").Body.String(), "not paired with anybody", calls)
	w := newWorld(t)
	w.ask(nil)
	in(t, w.get(t, "/").Body.String(), calls)
	in(t, w.get(t, "/requests/R1").Body.String(), started)
}
