package show_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/show"
)

// with is a request that came with the given extras, as JSON.
func with(extras map[string]string) approval.Request {
	r := request()
	r.Context = map[string]json.RawMessage{}
	for k, v := range extras {
		r.Context[k] = json.RawMessage(v)
	}
	return r
}

func TestPayment(t *testing.T) {
	v := render(t, with(map[string]string{"authorization_details": `[{"type":"payment_initiation",
		"instructedAmount":{"currency":"EUR","amount":"123.50"},"creditorName":"Merchant A",
		"creditorAccount":{"bic":"ABCIDEFFXXX","iban":"DE02100100109307118603"},"actions":["initiate","status"],
		"remittanceInformationUnstructured":"Ref 7","executionTime":1e3}]`}), "en")
	want := []show.Detail{
		{Name: "authorization_details[0].type", Label: "Type", Value: "payment_initiation", Known: true},
		{Name: "authorization_details[0].instructedAmount", Label: "Amount", Value: "123.50 EUR", Known: true},
		{Name: "authorization_details[0].creditorName", Label: "Payee", Value: "Merchant A", Known: true},
		{Name: "authorization_details[0].creditorAccount.iban", Label: "Payee's account", Value: "DE02 1001 0010 9307 1186 03", Known: true},
		{Name: "authorization_details[0].creditorAccount.bic", Label: "Payee's bank", Value: "ABCIDEFFXXX", Known: true},
		{Name: "authorization_details[0].remittanceInformationUnstructured", Label: "Reference", Value: "Ref 7", Known: true},
		{Name: "authorization_details[0].actions", Label: "Actions", Value: "start the payment, see how it stands", Known: true},
		{Name: "authorization_details[0].executionTime", Label: "authorization_details[0].executionTime", Value: "1e3"},
	}
	if d := cmp.Diff(want, v.Details); d != "" {
		t.Error(d)
	}
	if v.Kind != show.Payment || v.Title != "Payment request" {
		t.Errorf("got %s, %q", v.Kind, v.Title)
	}
}

func TestKind(t *testing.T) {
	for details, want := range map[string]show.Kind{
		``: show.SignIn, `[]`: show.SignIn, `null`: show.SignIn, `"x"`: show.SignIn,
		`[{"type":"account_information"}]`:                            show.Action,
		`[{"type":"payment_initiation"}]`:                             show.Payment,
		`[{"type":"record"},{"type":"3ds:payment_authorisation"}]`:    show.Payment,
		`{"type":"payment_initiation"}`:                               show.Payment,
		`"[{\"type\":\"payment_initiation\"}]"`:                       show.Payment, // the parameter as the string that it was
		`[{"type":"record","note":"payment"}]`:                        show.Action,
		`[{"type":"record","type":"payment_initiation"}]`:             show.Payment, // whichever of the two the OP reads
		`[{"type":"record","details":{"type":"payment_initiation"}}]`: show.Action,
	} {
		r := request()
		if details != "" {
			r = with(map[string]string{"authorization_details": details})
		}
		if got := render(t, r, "en").Kind; got != want {
			t.Errorf("%s: got %s, want %s", details, got, want)
		}
	}
}

// TestDetailsAreShownAsTheyCame: nothing is interpreted, joined so that it reads
// otherwise, or hidden by a second member of the same name.
func TestDetailsAreShownAsTheyCame(t *testing.T) {
	tests := []struct {
		name, extra, raw string
		want             []show.Detail
	}{
		{"scalar", "purpose", `"Loan <b>12</b>"`, []show.Detail{{Name: "purpose", Label: "purpose", Value: "Loan <b>12</b>"}}},
		{"number as written", "n", `1234567890123456789.10`, []show.Detail{{Name: "n", Label: "n", Value: "1234567890123456789.10"}}},
		{"truth", "b", `[true,false]`, []show.Detail{{Name: "b", Label: "b", Value: "Yes, No"}}},
		{"null", "b", `null`, []show.Detail{{Name: "b", Label: "b", Value: "null"}}},
		{"empty", "b", `{}`, []show.Detail{{Name: "b", Label: "b"}}},
		{"context", "request_context", `{"ip":"203.0.113.7","lang":"ja"}`, []show.Detail{
			{Name: "request_context.ip", Label: "IP address", Value: "203.0.113.7", Known: true},
			{Name: "request_context.lang", Label: "request_context.lang", Value: "ja"}}},
		{"members of one name", "a", `{"amount":"1","amount":"1000"}`, []show.Detail{
			{Name: "a.amount", Label: "a.amount", Value: "1"}, {Name: "a.amount", Label: "a.amount", Value: "1000"}}},
		{"an amount is a pair", "a", `{"currency":"JPY","amount":5000}`, []show.Detail{{Name: "a", Label: "a", Value: "5000 JPY"}}},
		{"a list with commas in it", "a", `["x, y","z"]`, []show.Detail{
			{Name: "a[0]", Label: "a[0]", Value: "x, y"}, {Name: "a[1]", Label: "a[1]", Value: "z"}}},
		{"invisible characters", "a", `{"k\u202e":"v\u200b"}`, []show.Detail{{Name: "a.k‹U+202E›", Label: "a.k‹U+202E›", Value: "v‹U+200B›"}}},
		{"a name made like a path", "request_context.ip", `"1.2.3.4"`, []show.Detail{
			{Name: "request_context.ip", Label: "request_context.ip", Value: "1.2.3.4"}}},
		{"a member made like a path", "authorization_details", `[{"creditorAccount.iban":"X"}]`, []show.Detail{
			{Name: "authorization_details[0].creditorAccount.iban", Label: "authorization_details[0].creditorAccount.iban", Value: "X"}}},
		{"not JSON", "a", `{"x":`, []show.Detail{{Name: "a", Label: "a", Value: `{"x":`}}},
		{"two values", "a", `1 2`, []show.Detail{{Name: "a", Label: "a", Value: `1 2`}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := render(t, with(map[string]string{tt.extra: tt.raw}), "en")
			if d := cmp.Diff(tt.want, v.Details); d != "" || v.Omitted != "" {
				t.Errorf("%s %s", d, v.Omitted)
			}
		})
	}
}

// TestWhatDoesNotFitIsCounted: the bounds hold, and the view says so.
func TestWhatDoesNotFitIsCounted(t *testing.T) {
	many := make([]string, 45)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":%d`, i, i)
	}
	deep := strings.Repeat(`{"x":`, 8) + `1` + strings.Repeat(`}`, 8)
	abyss := strings.Repeat(`[`, 200_000) + strings.Repeat(`]`, 200_000)
	tests := []struct {
		name, raw string
		details   int
		omitted   string
	}{
		{"many", "{" + strings.Join(many, ",") + "}", 40, "5 more items cannot be shown here. Do not approve unless you know what they are."},
		{"deep", deep, 0, "One more item cannot be shown here. Do not approve unless you know what it is."},
		{"deep beside shallow", `{"a":1,"b":` + deep + `,"c":2}`, 2, "One more item cannot be shown here. Do not approve unless you know what it is."},
		{"an abyss", abyss, 1, ""}, // more than any decoder takes: shown as one text that is too long
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := render(t, with(map[string]string{"extra": tt.raw}), "en")
			if len(v.Details) != tt.details || v.Omitted != tt.omitted {
				t.Errorf("got %d details, %q; want %d, %q", len(v.Details), v.Omitted, tt.details, tt.omitted)
			}
		})
	}
	v := render(t, with(map[string]string{"a": `"` + strings.Repeat("長", 301) + `"`, "b": `"` + strings.Repeat("長", 300) + `"`}), "ja")
	if v.Details[0].Value != "長すぎるため表示できません(301文字)" || v.Details[1].Value != strings.Repeat("長", 300) {
		t.Errorf("got %q and %q", v.Details[0].Value, v.Details[1].Value)
	}
}

// FuzzDetails: whatever an OP passes on, the view stays within its bounds and
// hides nothing.
func FuzzDetails(f *testing.F) {
	for _, s := range []string{`[{"type":"3ds:payment_authorisation","source_account":[{"pan":"4111"},[["4111"]]]}]`, `{"type":"payment","type":"payment"}`, `{"a":[1,{"b":null}]}`, `[[[[[[[[1]]]]]]]]`, `"\u202e"`, `{"a":1,"a":2}`, "\xff", `"[1,"`, `{"amount":1,"currency":"x"}`} {
		f.Add(s)
	}
	c, err := show.Load()
	if err != nil {
		f.Fatal(err)
	}
	s := &show.Shower{Catalogue: c}
	f.Fuzz(func(t *testing.T, raw string) {
		v, err := s.Render(with(map[string]string{"authorization_details": raw}), show.Viewer{})
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Details) > 40 {
			t.Fatalf("%d details", len(v.Details))
		}
		for _, d := range v.Details {
			for _, text := range []string{d.Name, d.Label, d.Value} {
				if r, odd := approval.OddRune(text); odd {
					t.Fatalf("%U in %q", r, text)
				}
			}
		}
	})
}

func TestHeadline(t *testing.T) {
	amount := func(values ...string) string {
		var items []string
		for _, v := range values {
			items = append(items, `{"type":"payment","instructedAmount":`+v+`}`)
		}
		return `[` + strings.Join(items, ",") + `]`
	}
	tests := []struct{ name, details, want string }{
		{"yen", amount(`{"amount":"12400","currency":"JPY"}`), "12,400 JPY"},
		{"cents stay", amount(`{"currency":"EUR","amount":"1234567.80"}`), "1,234,567.80 EUR"},
		{"small", amount(`{"amount":"999","currency":"JPY"}`), "999 JPY"},
		{"no number", amount(`{"amount":"1,0","currency":"JPY"}`), "1,0 JPY"},
		{"no currency", amount(`"12400"`), "12400"},
		{"two amounts", amount(`{"amount":"1","currency":"JPY"}`, `{"amount":"2","currency":"JPY"}`), ""},
		{"same name twice", `{"type":"payment","instructedAmount":"1","instructedAmount":"2"}`, ""},
		{"a client's own path", `{"type":"payment","x.instructedAmount":"1"}`, ""},
		{"a second payment in other words", `[{"type":"payment","instructedAmount":"1"},{"type":"payment","sum":"9"}]`, ""},
		{"no payment", `[{"type":"other","instructedAmount":"1"}]`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := shower(t)
			r := approval.Request{Context: map[string]json.RawMessage{"authorization_details": json.RawMessage(tt.details)}}
			v, err := s.Render(r, show.Viewer{Locale: "en"})
			if err != nil {
				t.Fatal(err)
			}
			if v.Headline != tt.want {
				t.Errorf("got %q, want %q", v.Headline, tt.want)
			}
		})
	}
}
