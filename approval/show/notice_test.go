package show_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/show"
)

// noticeOf decodes a notice, and checks what holds for all.
func noticeOf(t *testing.T, text []byte, err error) show.Notice {
	t.Helper()
	var n show.Notice
	if err != nil || json.Unmarshal(text, &n) != nil || len(text) > 900 {
		t.Fatalf("got %s of %d bytes, %v", text, len(text), err)
	}
	return n
}

// capability is as long as a true one.
const capability = approval.Secret("AAAAAAAAAAAAAAAAAAAAAAAAAA.aaaaaaaa.AAAAAAAAAAAAAAAAAAAAAA")

func TestAsks(t *testing.T) {
	text, err := shower(t).Asks(request(), "ja", "D1.k1.mac")
	want := show.Notice{
		Version: 1, Kind: "show", Key: "R1", URL: "/requests/R1", Title: "Flower Shopから承認の依頼があります", Body: "Pay 100 EUR to Alice",
		ExpiresAt: time.Date(2026, 3, 1, 3, 2, 0, 0, time.UTC), Deny: "拒否する", Open: "開く",
		Short: "Flower Shop：Pay 100 EUR to Alice", Capability: "D1.k1.mac",
	}
	if diff := cmp.Diff(want, noticeOf(t, text, err)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestAsksWithin: a notice says what fits, never half a text, and no more than
// the connection allows.
func TestAsksWithin(t *testing.T) {
	const (
		asks = "Flower Shop asks for your approval"
		long = "Open it to read the whole message."
		none = "A request is waiting for your answer"
	)
	const flag = "🇯🇵" // one character of 8 bytes
	tests := []struct {
		name        string
		change      func(r *approval.Request)
		detail      show.PushDetail
		title, body string
	}{
		{"as it is", func(*approval.Request) {}, "", asks, "Pay 100 EUR to Alice"},
		{"full", func(*approval.Request) {}, show.PushFull, asks, "Pay 100 EUR to Alice"},
		{"client", func(*approval.Request) {}, show.PushClient, asks, ""},
		{"none", func(*approval.Request) {}, show.PushNone, none, ""},
		{"no message", func(r *approval.Request) { r.BindingMessage = "" }, "", asks, ""},
		{"120 characters", func(r *approval.Request) { r.BindingMessage = strings.Repeat("送", 120) }, "", asks, strings.Repeat("送", 120)},
		{"121 characters", func(r *approval.Request) { r.BindingMessage = strings.Repeat("送", 121) }, "", asks, long},
		{"few characters of many bytes", func(r *approval.Request) { r.BindingMessage = strings.Repeat(flag, 110) }, "", asks, long},
		{"a name of many bytes", func(r *approval.Request) { r.ClientName = strings.Repeat(flag, 100) }, "", none, ""},
		{"a name too long", func(r *approval.Request) { r.ClientName = strings.Repeat("n", 101) }, "", "shop-1 asks for your approval", "Pay 100 EUR to Alice"},
		{"a template", func(r *approval.Request) { r.ClientName = "{{.client}}" }, "", "{{.client}} asks for your approval", "Pay 100 EUR to Alice"},
		{"an invisible character", func(r *approval.Request) { r.BindingMessage = "a\u202eb" }, "", asks, approval.Spelled("a\u202eb")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, r := shower(t), request()
			c := s.Connections["corp"]
			c.Push = tt.detail
			s.Connections["corp"] = c
			tt.change(&r)
			text, err := s.Asks(r, "en", capability)
			if n := noticeOf(t, text, err); n.Title != tt.title || n.Body != tt.body {
				t.Errorf("got %q, %q; want %q, %q", n.Title, n.Body, tt.title, tt.body)
			}
		})
	}
}

// TestAsksForCode: that a code must be typed is said, and nothing of the code.
func TestAsksForCode(t *testing.T) {
	r := request()
	r.Code = approval.Code{Source: approval.CodeUserCode, KeyID: "k1", MAC: []byte("mac-of-the-code")}
	text, err := shower(t).Asks(r, "en", capability)
	n := noticeOf(t, text, err)
	if !n.Code || strings.Contains(string(text), "mac") || n.Body != "Pay 100 EUR to Alice\nYou will be asked for the code that the other screen shows." {
		t.Errorf("got %s", text)
	}
	r.BindingMessage = "" // it is what must be typed
	text, err = shower(t).Asks(r, "en", capability)
	if n := noticeOf(t, text, err); n.Body != "You will be asked for the code that the other screen shows." {
		t.Errorf("got %s", text)
	}
}

// TestAsksInOneLine: a watch's one line says who and what together, or who, or
// that something waits; never a message without who says it, and never half of one.
func TestAsksInOneLine(t *testing.T) {
	for _, tt := range []struct {
		name, client, message string
		detail                show.PushDetail
		want                  string
	}{
		{"both", "Flower Shop", "Pay 100 EUR", "", "Flower Shop: Pay 100 EUR"},
		{"40 characters", "Shop", strings.Repeat("送", 34), "", "Shop: " + strings.Repeat("送", 34)},
		{"41 characters", "Shop", strings.Repeat("送", 35), "", "Shop asks for your approval"},
		{"a long name", strings.Repeat("n", 30), "Pay 100 EUR", "", "A request is waiting for your answer"},
		{"no message", "Shop", "", "", "Shop asks for your approval"},
		{"who asks only", "Shop", "Pay 100 EUR", show.PushClient, "Shop asks for your approval"},
		{"nothing", "Shop", "Pay 100 EUR", show.PushNone, "A request is waiting for your answer"},
		{"a template", "Shop", "{{.client}}", "", "Shop: {{.client}}"},
	} {
		s, r := shower(t), request()
		c := s.Connections["corp"]
		c.Push = tt.detail
		s.Connections["corp"] = c
		r.ClientName, r.BindingMessage = tt.client, tt.message
		text, err := s.Asks(r, "en", capability)
		if n := noticeOf(t, text, err); n.Short != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, n.Short, tt.want)
		}
	}
}

// TestNoticePrintsNoCapability: a notice that is logged by accident denies nothing.
func TestNoticePrintsNoCapability(t *testing.T) {
	n := show.Notice{Kind: "show", Key: "R1", Capability: "the-right-to-deny", Body: "the message"}
	if text := fmt.Sprintf("%v %+v %#v %s", n, n, n, n); strings.Contains(text, "the-") || strings.Contains(text, "the message") {
		t.Errorf("it prints as %s", text)
	}
}

func TestSays(t *testing.T) {
	for kind, want := range map[string]show.Notice{
		"alert":  {URL: "/lock", Title: "Somebody may be trying to get in as you"},
		"clear":  {URL: "/", Title: "This request is over"},
		"device": {URL: "/devices", Title: "Your devices have changed"},
		"test":   {URL: "/", Title: "This device can receive requests"},
	} {
		want.Version, want.Kind, want.Key = 1, kind, "K1"
		text, err := shower(t).Says(kind, "K1", "de")
		if diff := cmp.Diff(want, noticeOf(t, text, err)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	if _, err := shower(t).Says("show", "K1", "en"); err == nil {
		t.Error("a notice of a request was made without the request")
	}
}
