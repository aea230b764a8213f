package show_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/show"
)

// TestFaultsOfTemplates: everything that is wrong with a file is said, each with
// its line.
func TestFaultsOfTemplates(t *testing.T) {
	entry := func(s string) string { return "templates:\n- type: a\n  details:\n  - " + s }
	many := func(n int, each string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, each, i)
		}
		return b.String()
	}
	tests := []struct {
		name, text string
		want       []string // line: beginning of the text
	}{
		{"nothing", "", []string{"0: is not YAML, or empty."}},
		{"a comment", "# hello", []string{"0: is not YAML, or empty."}},
		{"not YAML", "templates:\n  - type: [", []string{"2: is not YAML: "}},
		{"two documents", "templates: []\n---\ntemplates: []", []string{"2: a file holds one document."}},
		{"a list", "- type: a", []string{"1: must be a table"}},
		{"unknown keys", "template: []\nother: 1", []string{`1: "template" is not known`, `2: "other" is not known`}},
		{"twice", "templates: []\ntemplates: []", []string{`2: "templates" stands here twice.`}},
		{"no type", "templates:\n- kind: payment", []string{"2: needs a type, or for."}},
		{"a kind that there is not", "templates:\n- type: a\n  kind: gift", []string{"3: must be one of sign_in, payment, action."}},
		{"withheld", "templates:\n- for: user_code", []string{`2: "user_code" is never shown.`}},
		{"a type of an extra", "templates:\n- for: claims\n  type: a", []string{"2: only authorization_details have types"}},
		{"a kind of an extra", "templates:\n- for: claims\n  kind: payment", []string{"2: the kind of claims stands with"}},
		{"required of an extra", "templates:\n- for: claims\n  details:\n  - {member: a, label: {en: A}, required: true}", []string{"2: only details of authorization_details"}},
		{"a scope without label", "templates:\n- for: scope\n  prefix: x", []string{"2: for scopes there must be"}},
		{"a prefix of a type", "templates:\n- type: a\n  prefix: x", []string{"2: only scopes have a prefix"}},
		{"the same type twice", "templates:\n- type: a\n- types: [b, a]", []string{"3: authorization_details a has a template already, in "}},
		{"no label", entry("{member: x}"), []string{"4: needs member and label."}},
		{"no English", entry("{member: x, label: {ja: あ}}"), []string{"4: needs the text in English"}},
		{"no language", entry("{member: x, label: {en: A, klingon_: B}}"), []string{`4: "klingon_" is not the tag`}},
		{"a number for a text", entry("{member: x, label: {en: 5}}"), []string{"4: must be text; put it in quotes."}},
		{"empty", entry("{member: x, label: {en: ' '}}"), []string{"4: must not be empty."}},
		{"hidden", entry(`{member: x, label: {en: "a\u202eb"}}`), []string{"4: holds a line break or"}},
		{"two lines", entry(`{member: x, label: {en: "a\nb"}}`), []string{"4: holds a line break or"}},
		{"long", entry("{member: x, label: {en: " + strings.Repeat("長", 61) + "}}"), []string{"4: has 61 characters; 60 are allowed."}},
		{"a form that there is not", entry("{member: x, label: {en: A}, as: secret}"), []string{"4: must be one of text, money, pan"}},
		{"headline of no money", entry("{member: x, label: {en: A}, headline: true}"), []string{"4: only money can be the headline."}},
		{"a member twice", entry("{member: x, label: {en: A}}\n  - {member: x, label: {en: B}}"), []string{"5: x is named twice."}},
		{"an empty member", entry("{member: x..y, label: {en: A}}"), []string{"4: must be up to 6 names"}},
		{"an index", entry("{member: 'x[0]', label: {en: A}}"), []string{"4: must be up to 6 names"}},
		{"deep", entry("{member: a.b.c.d.e.f.g, label: {en: A}}"), []string{"4: must be up to 6 names"}},
		{"neither true nor false", entry("{member: x, label: {en: A}, required: often}"), []string{"4: must be true or false."}},
		{"an alias", "templates:\n- type: a\n  details: &x []\n- type: b\n  details: *x", []string{"5: must be a list."}},
		{"many details", entry("x") + many(40, "\n  - x%d"), []string{"4: has 41 items; 40 are allowed."}},
		{"many words", "templates:\n- type: a\n  words: {" + many(201, "w%d: {en: A},") + "}", []string{"3: has more than 200 words."}},
		{"many languages", entry("{member: x, label: {" + many(41, "l%d: A,") + "}}"), []string{"4: has more than 40 languages."}},
		{"many templates", "templates:" + many(101, "\n- type: t%d"), []string{"2: has 101 items; 100 are allowed."}},
		{"all of them", "templates:\n- type: 1\n  kind: x\n  colour: red", []string{"2: must be text", "3: must be one of", `4: "colour" is not known`}},
		{"large", "# " + strings.Repeat("x", 70_000), []string{"0: is larger than 65536 bytes."}},
	}
	base := builtIn(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := templates(t, tt.text)
			own, err := base.With(file)
			var faults show.Faults
			if !errors.As(err, &faults) || own != nil || len(faults) != len(tt.want) {
				t.Fatalf("got %v, want %d faults", err, len(tt.want))
			}
			for i, f := range faults {
				if f.File != file || !strings.HasPrefix(fmt.Sprintf("%d: %s", f.Line, f.Text), tt.want[i]) {
					t.Errorf("got %q, want %q", f, tt.want[i])
				}
			}
		})
	}
}

// TestFoldersOfTemplates: all the files of a folder are read, all of their faults
// are said, and none of them counts if one is wrong.
func TestFoldersOfTemplates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "of [templates]*")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := builtIn(t).With(dir)
	if err == nil || !strings.Contains(err.Error(), "is not there.") {
		t.Errorf("no folder: got %v", err)
	}
	write("README", "not read")
	if _, err = builtIn(t).With(dir); err == nil || !strings.Contains(err.Error(), "holds no file that ends in") {
		t.Errorf("no files: got %v", err)
	}
	write("a.yaml", "templates: [{type: a}]")
	write("b.json", `{"templates": [{"type": "b"}, {"type": "payment_initiation"}]}`)
	own, err := builtIn(t).With(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []show.Type{
		{For: "authorization_details", Name: "a", From: filepath.Join(dir, "a.yaml")},
		{For: "authorization_details", Name: "payment_initiation", From: filepath.Join(dir, "b.json")},
		{For: "authorization_details", Name: "account_information"},
	} {
		if !slices.Contains(own.List(), want) {
			t.Errorf("got %v, without %v", own.List(), want)
		}
	}
	write("c.yml", "templates: [{type: b}]\nx: 1")
	if _, err = builtIn(t).With(dir); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v, want two faults", err)
	}
	for i := range 101 {
		write(fmt.Sprintf("f%d.yaml", i), fmt.Sprintf("templates: [{type: f%d}]", i))
	}
	if _, err = builtIn(t).With(dir); err == nil || !strings.Contains(err.Error(), "one file too many") {
		t.Errorf("got %v, want that there are too many", err)
	}
}

// TestOperatorsTemplates: they replace the built-in ones, and a language that they
// lack, or that Mitome does not speak, falls back to English.
func TestOperatorsTemplates(t *testing.T) {
	own, err := builtIn(t).With(templates(t, `
templates:
- type: payment_initiation
  kind: payment
  title: {en: Wire transfer, fr: Virement}
  details:
  - {member: creditorName, label: {en: To whom, fr: À qui}}
- type: signature
  title: {en: Signature, ja: 署名}
  details:
  - {member: documents.label, required: true, label: {en: Document, ja: 文書}}
  - {member: documents.hash, label: {en: Its hash}}
- {for: note, details: [{member: by, label: {en: Noted by}}]}
- {for: scope, prefix: "consent:urn:", kind: payment, label: {en: Pay by consent}}
`))
	if err != nil {
		t.Fatal(err)
	}
	s := shower(t)
	s.Connections["corp"] = show.Connection{Templates: own}
	shown := func(locale, details string) show.View {
		t.Helper()
		r := with(map[string]string{"authorization_details": details, "note": `{"by":"B"}`})
		v, err := s.Render(r, show.Viewer{Locale: locale})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := shown("fr", `[{"type":"payment_initiation","instructedAmount":"1 EUR","creditorName":"A"}]`)
	if v.Title != "Wire transfer" || v.Kind != show.Payment || v.Details[1].Label != "To whom" {
		t.Errorf("got %s, %q, %+v", v.Kind, v.Title, v.Details)
	}
	v = shown("ja", `[{"type":"signature","documents":[{"label":"Lease","hash":"X"},{"label":"Annex","hash":"Y"}]}]`)
	want := []show.Detail{
		{Name: "authorization_details[0].type", Label: "種類", Value: "signature", Known: true},
		{Name: "authorization_details[0].documents[0].label", Label: "文書", Value: "Lease", Known: true},
		{Name: "authorization_details[0].documents[1].label", Label: "文書", Value: "Annex", Known: true},
		{Name: "authorization_details[0].documents[0].hash", Label: "Its hash", Value: "X", Known: true},
		{Name: "authorization_details[0].documents[1].hash", Label: "Its hash", Value: "Y", Known: true},
		{Name: "note.by", Label: "Noted by", Value: "B", Known: true},
	}
	if d := cmp.Diff(want, v.Details); d != "" || v.Title != "署名" || v.Kind != show.Action {
		t.Errorf("%s, %q: %s", v.Kind, v.Title, d)
	}
	v = shown("en", `[{"type":"signature"},{"type":"payment_initiation"}]`)
	if v.Title != "Payment request" {
		t.Errorf("several things are titled %q", v.Title)
	}
	r := request()
	r.Scope = []string{"consent:urn:1", "consent:2"}
	if v, err = s.Render(r, show.Viewer{}); err != nil {
		t.Fatal(err)
	}
	if v.Scopes[0].Text != "Pay by consent: 1" || v.Scopes[1].Text != "Use the consent: 2" || v.Kind != show.Payment {
		t.Errorf("got %s, %+v", v.Kind, v.Scopes)
	}
}

// TestStrict: with unknown_details: refuse, what is not known, not complete or not
// all on the screen cannot be approved, and the View says why and offers no word
// for it. Without, nothing is refused.
func TestStrict(t *testing.T) {
	pay := `{"type":"payment_initiation","instructedAmount":{"amount":"1","currency":"JPY"}}`
	const unknown, incomplete, unshown = "asks for something", "does not say everything", "not all of it"
	tests := []struct{ name, details, want string }{
		{"nothing", ``, ""},
		{"null", `null`, ""},
		{"an empty list", `[]`, ""},
		{"an empty text", `""`, ""},
		{"known", `[` + pay + `]`, ""},
		{"known, alone", pay, ""},
		{"known, as a text", string(quote(t, `[`+pay+`]`)), ""},
		{"known, and more that it says", strings.Replace(pay, "}}", `},"x":"y"}`, 1), ""},
		{"unknown", `[{"type":"other"}]`, unknown},
		{"unknown beside known", `[` + pay + `,{"type":"other"}]`, unknown},
		{"the generic one", `[{"type":"*"}]`, unknown},
		{"no type", `[{"a":1}]`, unknown},
		{"two types", `[{"type":"payment_initiation","type":"payment_initiation","instructedAmount":"1 JPY"}]`, unknown},
		{"a type that is no text", `[{"type":["payment_initiation"],"instructedAmount":"1 JPY"}]`, unknown},
		{"another spelling", `[{"type":"Payment_initiation","instructedAmount":"1 JPY"}]`, unknown},
		{"a text", `"payment_initiation"`, unknown},
		{"the text null", `"null"`, unknown},
		{"true", `true`, unknown},
		{"an empty object", `{}`, unknown},
		{"a list in a list", `[[` + pay + `]]`, unknown},
		{"no JSON", `[`, unknown},
		{"no amount", `[{"type":"payment_initiation"}]`, incomplete},
		{"no amount by its name", `[{"type":"payment_initiation","x":{"instructedAmount":"1"}}]`, incomplete},
		{"amount null", `[{"type":"payment_initiation","instructedAmount":null}]`, incomplete},
		{"amount blank", `[{"type":"payment_initiation","instructedAmount":" "}]`, incomplete},
		{"amount of another shape", `[{"type":"payment_initiation","instructedAmount":{"amount":"1"}}]`, incomplete},
		{"too long", strings.Replace(pay, "}}", `},"x":"`+strings.Repeat("y", 301)+`"}`, 1), unshown},
		{"a name too long", strings.Replace(pay, "}}", `},"`+strings.Repeat("y", 101)+`":"x"}`, 1), unshown},
		{"a type too long to be known", `[{"type":"` + strings.Repeat("y", 301) + `"}]`, unknown},
		{"too deep", strings.Replace(pay, "}}", `},"x":`+strings.Repeat("[", 8)+strings.Repeat("]", 8)+`}`, 1), unshown},
		{"too many", `[` + strings.Repeat(pay+",", 40) + pay + `]`, unshown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request()
			if tt.details != "" {
				r = with(map[string]string{"authorization_details": tt.details})
			}
			s := shower(t)
			if v := render(t, r, "en"); v.Refused != "" || v.Words.Approve == "" || s.Approvable(r) != nil {
				t.Errorf("refused although nobody asked for it: %q", v.Refused)
			}
			s.Connections["corp"] = show.Connection{Strict: true}
			v, err := s.Render(r, show.Viewer{})
			if err != nil {
				t.Fatal(err)
			}
			if (tt.want == "") != (v.Refused == "") || !strings.Contains(v.Refused, tt.want) || (v.Words.Approve == "") != (tt.want != "") {
				t.Errorf("got %q and the word %q, want %q", v.Refused, v.Words.Approve, tt.want)
			}
			if err := s.Approvable(r); errors.Is(err, approval.ErrUnknownDetails) != (tt.want != "") {
				t.Errorf("approvable: %v", err)
			}
		})
	}
}

// FuzzTemplates: no file makes the reader fall, and what it takes can be used.
func FuzzTemplates(f *testing.F) {
	for _, s := range []string{
		"templates: [{type: a, details: [{member: b, as: names, label: {en: L}}], words: {b: {en: W}}}]",
		"templates: &a [*a]", "\x00", "---\n...", "templates: {<<: {a: 1}}", "? [a]\n: b", "!!binary a", "{\"templates\":[{\"for\":\"x\"}]}",
		"templates: [{type: '*', details: [{member: '*.*', as: pan, label: {en: L}}]}]",
	} {
		f.Add(s, `[{"type":"a","b":{"c":"4111111111111111"}}]`)
	}
	words, err := show.Load()
	if err != nil {
		f.Fatal(err)
	}
	base, err := show.BuiltIn()
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text, details string) {
		file := filepath.Join(dir, "fuzz.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		own, err := base.With(file)
		if err != nil {
			if _, ok := errors.AsType[show.Faults](err); !ok || err.Error() == "" {
				t.Fatalf("got %v, which says nothing", err)
			}
			return
		}
		s := &show.Shower{Catalogue: words, Connections: map[string]show.Connection{"corp": {Templates: own, Strict: true}}}
		v, err := s.Render(with(map[string]string{"authorization_details": details, "claims": details}), show.Viewer{})
		if err != nil || len(v.Details) > 40 {
			t.Fatalf("%d details, %v", len(v.Details), err)
		}
	})
}
