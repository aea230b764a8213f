package show_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/show"
)

var _ approval.Views = (*show.Shower)(nil)

func shower(t *testing.T) *show.Shower {
	t.Helper()
	c, err := show.Load()
	if err != nil {
		t.Fatal(err)
	}
	return &show.Shower{Catalogue: c, Connections: map[string]show.Connection{
		"corp": {Title: "Example Bank", Scopes: map[string]map[string]string{
			"payments:write": {"en": "Move money", "ja": "送金の実行"},
			"only.ja":        {"ja": "記録の閲覧"},
			"email":          {"en": "Write to you"},
		}},
	}}
}

func request() approval.Request {
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.FixedZone("JST", 9*3600))
	return approval.Request{
		ID: "R1", OP: "corp", ClientID: "shop-1", ClientName: "Flower Shop", Scope: []string{"openid"},
		BindingMessage: "Pay 100 EUR to Alice", State: approval.Pending, CreatedAt: t0, ExpiresAt: t0.Add(2 * time.Minute),
	}
}

func render(t *testing.T, r approval.Request, locale string) show.View {
	t.Helper()
	v, err := shower(t).Render(r, show.Viewer{Locale: locale})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestView(t *testing.T) {
	got := render(t, request(), "ja")
	want := show.View{
		Version: "mitome/view/v1", Request: "R1", Locale: "ja", Kind: show.SignIn, Title: "ログインの確認",
		OP: "Example Bank", Client: show.Client{ID: "shop-1", Name: "Flower Shop", Label: "Flower Shop"},
		BindingMessage: "Pay 100 EUR to Alice",
		Scopes:         []show.Scope{{Scope: "openid", Text: "ご本人であることの確認", Known: true}},
		RequestedAt:    time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC),
		ExpiresAt:      time.Date(2026, 3, 1, 3, 2, 0, 0, time.UTC),
		Words: show.Words{
			Client: "依頼元", OP: "認証サービス", Message: "依頼元からのメッセージ", Scopes: "承認すると許可される内容",
			Details: "詳細", RequestedAt: "依頼日時", ExpiresAt: "回答期限",
			Approve: "承認する", Deny: "拒否する", NotMe: "心当たりがない",
			Warning: "ご自身で始めた操作でなければ、誰に頼まれても承認しないでください。",
		},
		Ended: show.Ended{
			Approved: "承認しました。操作を始めた画面にお戻りください。", Denied: "拒否しました。この依頼は実行されません。",
			Expired: "時間切れです。承認はされていません。", Withdrawn: "依頼は取り下げられました。承認はされていません。",
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestLocale: the nearest language, English where there is none.
func TestLocale(t *testing.T) {
	for locale, want := range map[string]string{
		"ja": "ja", "ja-JP": "ja", "en-GB": "en", "de": "en", "": "en", "no such tag": "en",
		"de, ja;q=0.8, en;q=0.5": "ja",
	} {
		if v := render(t, request(), locale); v.Locale != want {
			t.Errorf("%q: got %s, want %s", locale, v.Locale, want)
		}
	}
}

// TestBytes: what is signed must come out the same each time, whatever the
// order of a map, and survive being put into another JSON document.
func TestBytes(t *testing.T) {
	r := request()
	r.BindingMessage = "<b>Pay</b> & \"100\" €\\"
	r.Context = map[string]json.RawMessage{}
	for _, k := range []string{"z", "y", "x", "w", "v", "a"} {
		r.Context[k] = json.RawMessage(`{"b":1,"a":[true,null,"x"]}`)
	}
	s := shower(t)
	first, err := s.View(r, show.Viewer{Locale: "en"})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		again, _ := s.View(r, show.Viewer{Locale: "en-US"})
		if !bytes.Equal(first, again) {
			t.Fatalf("got\n%s\nthen\n%s", first, again)
		}
	}
	outer, _ := json.Marshal(map[string]any{"view": json.RawMessage(first)})
	var back struct{ View json.RawMessage }
	if err := json.Unmarshal(outer, &back); err != nil || !bytes.Equal(back.View, first) {
		t.Errorf("got\n%s\nafter a trip in another document (%v), want\n%s", back.View, err, first)
	}
}

func TestClientIsNamed(t *testing.T) {
	long := strings.Repeat("x", 101)
	tests := []struct {
		name, id, clientName string
		want                 show.Client
	}{
		{"by name", "c1", "Shop", show.Client{ID: "c1", Name: "Shop", Label: "Shop"}},
		{"by id", "c1", "", show.Client{ID: "c1", Label: "c1"}},
		{"not by a name that fills the screen", "c1", long, show.Client{ID: "c1", Label: "c1"}},
		{"not by such an id", long, "", show.Client{ID: long, Label: "Too long to show here (101 characters)"}},
		{"not at all", "", "", show.Client{Label: "A service that gives no name"}},
		{"hiding nothing", "c\u200b1", "Shop \u202egro.knab", show.Client{ID: "c‹U+200B›1", Name: "Shop ‹U+202E›gro.knab", Label: "Shop ‹U+202E›gro.knab"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request()
			r.ClientID, r.ClientName = tt.id, tt.clientName
			if got := render(t, r, "en").Client; got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestScopesAreSentencesOrSayThatTheyAreNot(t *testing.T) {
	r := request()
	r.Scope = []string{"openid", "email", "payments:write", "only.ja", "urn:x\u202e", "offline_access"}
	want := []show.Scope{
		{Scope: "openid", Text: "Know who you are", Known: true},
		{Scope: "email", Text: "Write to you", Known: true}, // the operator's words go first
		{Scope: "payments:write", Text: "Move money", Known: true},
		{Scope: "only.ja", Text: "記録の閲覧", Known: true},
		{Scope: "urn:x‹U+202E›", Text: "urn:x‹U+202E›"},
		{Scope: "offline_access", Text: "Keep this access while you are away", Known: true},
	}
	if d := cmp.Diff(want, render(t, r, "en").Scopes); d != "" {
		t.Error(d)
	}
	if got := render(t, r, "ja").Scopes[2].Text; got != "送金の実行" {
		t.Errorf("in Japanese: got %q", got)
	}
	for i := range 40 {
		r.Scope = append(r.Scope, "s"+strings.Repeat("x", i))
	}
	v := render(t, r, "en")
	if len(v.Scopes) != 30 || !strings.HasPrefix(v.Omitted, "16 more items") {
		t.Errorf("got %d scopes and %q", len(v.Scopes), v.Omitted)
	}
}

// TestTheCodeIsNeverInTheView: the view says that a code is to be typed, and
// holds neither it nor its hash.
func TestTheCodeIsNeverInTheView(t *testing.T) {
	r := request()
	r.BindingMessage = ""
	r.Code = approval.Code{Source: approval.CodeBindingMessage, KeyID: "key-7", MAC: []byte("not for any eyes")}
	r.Context = map[string]json.RawMessage{"user_code": []byte(`"W4SCT7"`), "binding_message": []byte(`"W4SCT7"`)}
	raw, err := shower(t).View(r, show.Viewer{Locale: "en"})
	if err != nil {
		t.Fatal(err)
	}
	mac, _ := json.Marshal(r.Code.MAC)
	for _, secret := range []string{"W4SCT7", "key-7", strings.Trim(string(mac), `"`)} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the view holds %s:\n%s", secret, raw)
		}
	}
	if v := render(t, r, "en"); v.Prompt == "" {
		t.Error("nothing says that a code is to be typed")
	}
	if v := render(t, request(), "en"); v.Prompt != "" {
		t.Errorf("asks for a code that there is not: %q", v.Prompt)
	}
}

// TestNothingElseOfTheRequestIsShown: the handle is a secret, the rest is
// nobody's business.
func TestNothingElseOfTheRequestIsShown(t *testing.T) {
	r := request()
	r.Handle, r.RefHash, r.Fingerprint, r.UserID = "bearer", []byte("refhash"), []byte("print"), "user-9"
	raw, err := shower(t).View(r, show.Viewer{Locale: "en"})
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	allowed := []string{"v", "request", "locale", "kind", "title", "op", "client", "binding_message", "scopes", "requested_at", "expires_at", "words", "ended"}
	for k := range members {
		if !slices.Contains(allowed, k) {
			t.Errorf("the view has a member %q", k)
		}
	}
}

func TestGenericTitles(t *testing.T) {
	s := shower(t)
	for _, key := range []string{show.PushRequest, show.PushTest} {
		en, err1 := s.Generic("en", key)
		ja, err2 := s.Generic("ja", key)
		if err1 != nil || err2 != nil || en == "" || ja == "" || en == ja {
			t.Errorf("%s: got %q (%v), %q (%v)", key, en, err1, ja, err2)
		}
	}
	if _, err := s.Generic("en", "push.none"); err == nil {
		t.Error("a title that there is not gave no error")
	}
}
