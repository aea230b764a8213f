package show_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/show"
)

// TestGoldenViews: what each built-in template makes of a request, word for word,
// in each language. UPDATE_GOLDEN=1 writes the files anew.
func TestGoldenViews(t *testing.T) {
	for _, name := range []string{"payment", "account", "card", "claims", "intent", "unknown"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "views", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		r := request()
		r.Scope = append(r.Scope, "consent:urn:bancoex:C1DD33123")
		if err := json.Unmarshal(raw, &r.Context); err != nil {
			t.Fatal(err)
		}
		for _, lang := range []string{"en", "ja"} {
			var got bytes.Buffer
			enc := json.NewEncoder(&got)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(render(t, r, lang)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", "views", name+"."+lang+".golden")
			if os.Getenv("UPDATE_GOLDEN") == "1" {
				if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got.String()); d != "" {
				t.Errorf("%s in %s: %s", name, lang, d)
			}
		}
	}
}

// TestCardNumbersAreNeverWhole: however it is wrapped, in the View and in what is
// pushed no more than the last four of it are there.
func TestCardNumbersAreNeverWhole(t *testing.T) {
	const pan = "4111111111111111"
	s := shower(t)
	for _, account := range []string{
		`"` + pan + `"`, pan, `"4111 1111 1111 1111"`, `"4111-1111-1111-1111"`, `"４１１１１１１１１１１１１１１１"`,
		`["` + pan + `","` + pan + `"]`, `[["` + pan + `"]]`, `{"pan":"` + pan + `"}`, `{"a":{"b":["` + pan + `"]}}`,
		`{"amount":"` + pan + `","currency":"` + pan + `"}`, `["` + pan + `,` + pan + `",{"x":"` + pan + `"}]`,
		`"{\"pan\":\"` + pan + `\"}"`, `"` + strings.Repeat(pan, 40) + `"`, `[[[[[["` + pan + `"]]]]]]`,
		`"` + pan + `","source_account":"` + pan + `"`,
	} {
		for _, typ := range []string{"3ds:payment_authorisation", "no_template"} {
			details := `[{"type":"` + typ + `","source_account":` + account + `}]`
			r := with(map[string]string{"authorization_details": details})
			for _, r := range []approval.Request{r, with(map[string]string{"authorization_details": string(quote(t, details))})} {
				view, err := s.View(r, show.Viewer{Locale: "en"})
				if err != nil {
					t.Fatal(err)
				}
				notice, err := s.Asks(r, "en", "capability")
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range [][]byte{view, notice} {
					digits := strings.NewReplacer(" ", "", "-", "").Replace(string(text))
					if strings.Contains(digits, "11111") || strings.Contains(digits, "１１１１１") || strings.Contains(digits, "4111") {
						t.Errorf("%s: %s", account, text)
					}
				}
				v, err := s.Render(r, show.Viewer{})
				if n := len(v.Details); err != nil || n < 2 && v.Omitted == "" {
					t.Errorf("%s: %d details, and nothing is said to be left out (%v)", account, n, err)
				}
			}
		}
	}
}

func quote(t *testing.T, s string) []byte {
	t.Helper()
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestNothingIsHiddenByATemplate: whatever a template names, every scalar of the
// request stands somewhere in the view.
func TestNothingIsHiddenByATemplate(t *testing.T) {
	r := with(map[string]string{
		"authorization_details": `[{"type":"payment_initiation","instructedAmount":{"amount":"V1","currency":"V2","fee":"V3"},
			"creditorAccount":["V4",{"iban":"V5","name":"V6"}],"creditorName":{"first":"V7"},"type":"V8",
			"actions":[{"initiate":"V9"},"VA"],"remittanceInformationUnstructured":["a,VB","VC"]}, "VD", ["VE"]]`,
		"claims":          `{"userinfo":{"given_name":{"value":"VF"},"verified_claims":"VG","VH":null,"a,VI":null},"id_token":["VJ"],"purpose":{"x":"VK"}}`,
		"request_context": `[{"ip":"VL"},"VM"]`,
	})
	for _, lang := range []string{"en", "ja"} {
		view, err := shower(t).View(r, show.Viewer{Locale: lang})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range "123456789ABCDEFGHIJKLM" {
			if !bytes.Contains(view, []byte("V"+string(c))) {
				t.Errorf("V%c is nowhere in the view in %s", c, lang)
			}
		}
	}
}

// TestForms: how each form writes what has its shape, and what has not.
func TestForms(t *testing.T) {
	tests := []struct{ form, value, en, ja string }{
		{"text", `"1234 JPY"`, "1234 JPY", "1234 JPY"},
		{"money", `{"amount":"1234567.5","currency":"EUR"}`, "1,234,567.5 EUR", "1,234,567.5 EUR"},
		{"money", `"999 JPY"`, "999 JPY", "999 JPY"},
		{"money", `"1.234,50 EUR"`, "1.234,50 EUR", "1.234,50 EUR"},
		{"money", `[{"amount":"1000","currency":"JPY"},{"amount":"1","currency":"JPY"}]`, "1,000 JPY|1 JPY", "1,000 JPY|1 JPY"},
		{"pan", `"4111111111111111"`, "•••• 1111", "•••• 1111"},
		{"pan", `"****-4444"`, "•••• 4444", "•••• 4444"},
		{"pan", `"12"`, "••••", "••••"},
		{"pan", `""`, "", ""},
		{"iban", `"GB33BUKB20201555555555"`, "GB33 BUKB 2020 1555 5555 55", "GB33 BUKB 2020 1555 5555 55"},
		{"iban", `"gb33bukb20201555555555"`, "gb33bukb20201555555555", "gb33bukb20201555555555"},
		{"date", `"2026-03-09"`, "9 March 2026", "2026年3月9日"},
		{"date", `"2026-03-09T15:04:00+09:00"`, "9 March 2026, 15:04 (UTC+09:00)", "2026年3月9日 15:04(UTC+09:00)"},
		{"date", `"2026-03-09T15:04:05Z"`, "2026-03-09T15:04:05Z", "2026-03-09T15:04:05Z"}, // seconds would be lost
		{"date", `"2026-13-01"`, "2026-13-01", "2026-13-01"},
		{"country", `"DE"`, "Germany (DE)", "ドイツ (DE)"},
		{"country", `"JPN"`, "Japan (JPN)", "日本 (JPN)"},
		{"country", `"xx"`, "xx", "xx"},
		{"country", `"ZZ"`, "ZZ", "ZZ"},
		{"list", `["a","b"]`, "first, b", "一番, b"},
		{"list", `"a"`, "first", "一番"},
		{"list", `["a","x,y"]`, "first|x,y", "一番|x,y"},
		{"names", `{"a":null,"b":{}}`, "first, b", "一番, b"},
		{"names", `{"a":{"k":"v"}}`, "first|v", "一番|v"},
		{"names", `"a"`, "a", "a"},
		{"names", `{"a":"null"}`, "first|null", "一番|null"},
		{"names", `{"a,b":null}`, "null", "null"}, // one name, which would read as two
	}
	s, base := shower(t), builtIn(t)
	for _, tt := range tests {
		file := templates(t, `templates: [{type: t, details: [{member: m, as: `+tt.form+`, label: {en: L}}], words: {a: {en: first, ja: 一番}}}]`)
		own, err := base.With(file)
		if err != nil {
			t.Fatal(err)
		}
		s.Connections["corp"] = show.Connection{Templates: own}
		for lang, want := range map[string]string{"en": tt.en, "ja": tt.ja} {
			v, err := s.Render(with(map[string]string{"authorization_details": `{"type":"t","m":` + tt.value + `}`}), show.Viewer{Locale: lang})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range v.Details[1:] { // the first is the type
				got = append(got, d.Value)
			}
			if strings.Join(got, "|") != want {
				t.Errorf("%s of %s in %s: got %q, want %q", tt.form, tt.value, lang, strings.Join(got, "|"), want)
			}
		}
	}
}

func builtIn(t *testing.T) *show.Templates {
	t.Helper()
	b, err := show.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// templates is a file that holds text.
func templates(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPartOfAnAmount: what a template took out of an object is not shown once more
// with the rest of it.
func TestPartOfAnAmount(t *testing.T) {
	own, err := builtIn(t).With(templates(t, `templates: [{type: t, details: [{member: x.amount, as: pan, label: {en: L}}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	s := shower(t)
	s.Connections["corp"] = show.Connection{Templates: own}
	v, err := s.Render(with(map[string]string{"authorization_details": `{"type":"t","x":{"amount":"4111111111111111","currency":"JPY"}}`}), show.Viewer{})
	if err != nil {
		t.Fatal(err)
	}
	want := []show.Detail{
		{Name: "authorization_details.type", Label: "Type", Value: "t", Known: true},
		{Name: "authorization_details.x.amount", Label: "L", Value: "•••• 1111", Known: true},
		{Name: "authorization_details.x.currency", Label: "authorization_details.x.currency", Value: "JPY"},
	}
	if d := cmp.Diff(want, v.Details); d != "" {
		t.Error(d)
	}
}
