package policy_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
)

var _ approval.Policy = (*policy.Book)(nil)

func TestCode(t *testing.T) {
	typed := policy.Rules{BindingMessage: policy.ModeType}
	tests := []struct {
		name  string
		rules policy.Rules
		ask   approval.Ask
		want  approval.Admission
		err   error
	}{
		{"none", policy.Rules{}, approval.Ask{BindingMessage: "Pay 3 EUR"}, approval.Admission{BindingMessage: "Pay 3 EUR"}, nil},
		{"user code", policy.Rules{}, approval.Ask{BindingMessage: "Pay 3 EUR", UserCode: "012345"},
			approval.Admission{BindingMessage: "Pay 3 EUR", CodeSource: approval.CodeUserCode, Code: "012345"}, nil},
		{"user code, letters", policy.Rules{}, approval.Ask{UserCode: "aB3d"}, approval.Admission{CodeSource: approval.CodeUserCode, Code: "aB3d"}, nil},
		{"too short", policy.Rules{}, approval.Ask{UserCode: "123"}, approval.Admission{}, approval.ErrCodeShape},
		{"five digits, which are guessed", policy.Rules{}, approval.Ask{UserCode: "12345"}, approval.Admission{}, approval.ErrCodeShape},
		{"too long", policy.Rules{}, approval.Ask{UserCode: "1234567890123"}, approval.Admission{}, approval.ErrCodeShape},
		{"with a space", policy.Rules{}, approval.Ask{UserCode: "123 456"}, approval.Admission{}, approval.ErrCodeShape},
		{"with a newline", policy.Rules{}, approval.Ask{UserCode: "123456\n"}, approval.Admission{}, approval.ErrCodeShape},
		{"not ASCII", policy.Rules{}, approval.Ask{UserCode: "１２３４５６"}, approval.Admission{}, approval.ErrCodeShape},
		{"code in the message", policy.Rules{}, approval.Ask{BindingMessage: "code 12-34-56", UserCode: "123456"}, approval.Admission{}, approval.ErrCodeShape},
		{"code in the client's name", policy.Rules{}, approval.Ask{ClientName: "Shop 123456", UserCode: "123456"}, approval.Admission{}, approval.ErrCodeShape},
		{"code in a detail", policy.Rules{}, approval.Ask{UserCode: "123456",
			Context: map[string]json.RawMessage{"x": []byte(`{"a":["\u0031\u0032\u003345 6"]}`)}}, approval.Admission{}, approval.ErrCodeShape},
		{"code where it is never shown", policy.Rules{}, approval.Ask{UserCode: "123456",
			Context: map[string]json.RawMessage{"user_code": []byte(`"123456"`)}}, approval.Admission{CodeSource: approval.CodeUserCode, Code: "123456"}, nil},
		{"code that nobody verifies", policy.Rules{}, approval.Ask{BindingMessage: "Pay 3 EUR",
			Context: map[string]json.RawMessage{"User_Code": []byte(`"123456"`)}}, approval.Admission{}, approval.ErrCodeShape},
		{"code that nobody verifies, beside one to type", typed, approval.Ask{BindingMessage: "W4S-CT7",
			Context: map[string]json.RawMessage{"user_code": []byte(`123456`)}}, approval.Admission{}, approval.ErrCodeShape},
		{"no code after all", policy.Rules{}, approval.Ask{BindingMessage: "Pay 3 EUR",
			Context: map[string]json.RawMessage{"user_code": []byte(`null`), "USER_CODE": []byte(`""`)}}, approval.Admission{BindingMessage: "Pay 3 EUR"}, nil},
		{"shown by default", policy.Rules{}, approval.Ask{BindingMessage: "W4SCT7"}, approval.Admission{BindingMessage: "W4SCT7"}, nil},
		{"typed", typed, approval.Ask{BindingMessage: "W4S-CT7"}, approval.Admission{CodeSource: approval.CodeBindingMessage, Code: "W4S-CT7"}, nil},
		{"a sentence is shown", typed, approval.Ask{BindingMessage: "Pay 100 EUR"}, approval.Admission{BindingMessage: "Pay 100 EUR"}, nil},
		{"five are shown", typed, approval.Ask{BindingMessage: "W4SCT"}, approval.Admission{BindingMessage: "W4SCT"}, nil},
		{"hyphens do not count", typed, approval.Ask{BindingMessage: "1--2--3"}, approval.Admission{BindingMessage: "1--2--3"}, nil},
		{"too long to type", typed, approval.Ask{BindingMessage: "ABCDEFGHIJ-1234567890"}, approval.Admission{BindingMessage: "ABCDEFGHIJ-1234567890"}, nil},
		{"shown in a detail, so typing proves nothing", typed, approval.Ask{BindingMessage: "W4SCT7",
			Context: map[string]json.RawMessage{"ref": []byte(`"W4SCT7"`)}}, approval.Admission{BindingMessage: "W4SCT7"}, nil},
		{"one prompt only", typed, approval.Ask{BindingMessage: "W4SCT7", UserCode: "123456"},
			approval.Admission{BindingMessage: "W4SCT7", CodeSource: approval.CodeUserCode, Code: "123456"}, nil},
		{"a code is needed", policy.Rules{RequireCode: true}, approval.Ask{BindingMessage: "Pay 3 EUR"}, approval.Admission{}, approval.ErrNoCode},
		{"a code is needed and given", policy.Rules{RequireCode: true}, approval.Ask{UserCode: "012345"},
			approval.Admission{CodeSource: approval.CodeUserCode, Code: "012345"}, nil},
		{"typing the message is a code", policy.Rules{RequireCode: true, BindingMessage: policy.ModeType}, approval.Ask{BindingMessage: "W4S-CT7"},
			approval.Admission{CodeSource: approval.CodeBindingMessage, Code: "W4S-CT7"}, nil},
		{"typed, and refused all the same", typed, approval.Ask{BindingMessage: " "}, approval.Admission{}, approval.ErrBindingMessage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := book(t, tt.rules)
			tt.ask.OP = "op"
			got, err := b.Admit(tt.ask)
			if !errors.Is(err, tt.err) || got != tt.want {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

const (
	modrnaPR = "http://schemas.openid.net/policies/modrna/phishing-resistant"
	modrnaMF = "http://schemas.openid.net/policies/modrna/multi-factor"
)

func TestAdmitRefusesWhatNoCeremonyCouldReach(t *testing.T) {
	own := policy.Rules{ACR: []policy.Level{{Value: "gold", UserVerified: true, DeviceBound: true}, {Value: "platinum", UserCode: true}}}
	tests := []struct {
		name  string
		rules policy.Rules
		acr   []string
		code  string
		err   error
	}{
		{"nothing asked", policy.Rules{}, nil, "", nil},
		{"known", policy.Rules{}, []string{modrnaMF}, "", nil},
		{"unknown", policy.Rules{}, []string{"urn:mace:incommon:iap:silver"}, "", approval.ErrACR},
		{"unknown ones are skipped", policy.Rules{}, []string{"gold", modrnaPR}, "", nil},
		{"phr needs a code", policy.Rules{}, []string{"phr"}, "", approval.ErrACR},
		{"phr with a code", policy.Rules{}, []string{"phr"}, "123456", nil},
		{"phr by the switch", policy.Rules{PhrWithoutCode: true}, []string{"phr"}, "", nil},
		{"phrh where nobody is attested", policy.Rules{PhrWithoutCode: true}, []string{"phrh"}, "123456", approval.ErrACR},
		{"phrh where all are attested", policy.Rules{PhrWithoutCode: true, Attestation: policy.AttestationDirect}, []string{"phrh"}, "", nil},
		{"phrh of one's own needs a code too", policy.Rules{Attestation: policy.AttestationDirect, ACR: []policy.Level{{Value: "phrh"}}}, []string{"phrh"}, "", approval.ErrACR},
		{"phrh of one's own where nobody is attested", policy.Rules{ACR: []policy.Level{{Value: "phrh"}}}, []string{"phrh"}, "123456", approval.ErrACR},
		{"own table", own, []string{"gold"}, "", nil},
		{"own table replaces", own, []string{modrnaMF}, "", approval.ErrACR},
		{"own level needs a code", own, []string{"platinum"}, "", approval.ErrACR},
		{"an OP that asserts all, and all known", policy.Rules{AssertsACR: true}, []string{modrnaMF, "phr"}, "123456", nil},
		{"an OP that asserts all, one unknown", policy.Rules{AssertsACR: true}, []string{"phr", "urn:nobody"}, "123456", approval.ErrACR},
		{"an OP that asserts all, one needs a code", policy.Rules{AssertsACR: true}, []string{modrnaMF, "phr"}, "", approval.ErrACR},
		{"an OP that asserts all of nothing", policy.Rules{AssertsACR: true}, nil, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := book(t, tt.rules)
			adm, err := b.Admit(approval.Ask{OP: "op", ACRValues: tt.acr, UserCode: tt.code})
			if !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if err != nil && adm != (approval.Admission{}) {
				t.Errorf("refused, and still admitted as %+v", adm)
			}
		})
	}
}

func TestGrade(t *testing.T) {
	own := policy.Rules{ACR: []policy.Level{
		{Value: "gold", UserVerified: true, DeviceBound: true}, {Value: "silver", UserVerified: true}, {Value: "bronze"}, {Value: "typed", UserCode: true},
	}}
	asserting := own
	asserting.AssertsACR = true
	bound := approval.Ceremony{UserVerified: true}
	synced := approval.Ceremony{UserVerified: true, BackupEligible: true}
	present := approval.Ceremony{}
	code := approval.Ceremony{UserVerified: true, BackupEligible: true, UserCode: true}
	tests := []struct {
		name  string
		rules policy.Rules
		asked []string
		c     approval.Ceremony
		acr   string
		met   bool
	}{
		{"nothing asked", own, nil, present, "", true},
		{"bound key", own, []string{"gold"}, bound, "gold", true},
		{"synced key", own, []string{"gold"}, synced, "", false},
		{"second choice", own, []string{"gold", "silver"}, synced, "silver", true},
		{"first choice first", own, []string{"silver", "gold"}, bound, "silver", true},
		{"presence only", own, []string{"gold", "silver"}, present, "", false},
		{"presence is enough", own, []string{"gold", "bronze"}, present, "bronze", true},
		{"typed", own, []string{"typed"}, code, "typed", true},
		{"not typed", own, []string{"typed"}, bound, "", false},
		{"unknown skipped", own, []string{"zinc", "silver"}, synced, "silver", true},
		{"all reached", asserting, []string{"silver", "bronze"}, synced, "silver", true},
		{"one of all not reached", asserting, []string{"silver", "gold"}, synced, "", false},
		{"phr after a code", policy.Rules{}, []string{"phr"}, code, "phr", true},
		{"phr without one", policy.Rules{}, []string{"phr", modrnaPR}, bound, modrnaPR, true},
		{"phr by the switch", policy.Rules{PhrWithoutCode: true}, []string{"phr"}, synced, "phr", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := book(t, tt.rules)
			got := b.Grade(approval.Request{OP: "op", ACRValues: tt.asked}, tt.c)
			if got.ACR != tt.acr || got.Met != tt.met {
				t.Errorf("got %q, %v; want %q, %v", got.ACR, got.Met, tt.acr, tt.met)
			}
			amr := []string{"pop", "user"}
			if tt.c.UserVerified {
				amr = append(amr, "mfa")
			}
			if !slices.Equal(got.AMR, amr) {
				t.Errorf("amr %v, want %v", got.AMR, amr)
			}
		})
	}
}

func TestAConnectionWithoutRulesHasTheDefault(t *testing.T) {
	b, err := policy.New(policy.Rules{MaxGraphemes: 5}, map[string]policy.Rules{"own": {}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Admit(approval.Ask{OP: "other", BindingMessage: "Pay 100 EUR"}); !errors.Is(err, approval.ErrBindingMessage) {
		t.Errorf("other: got %v, want the default's limit", err)
	}
	if _, err := b.Admit(approval.Ask{OP: "own", BindingMessage: "Pay 100 EUR"}); err != nil {
		t.Errorf("own: got %v", err)
	}
}

func TestRulesThatAreWrong(t *testing.T) {
	tests := map[string]policy.Rules{
		"binding_message":     {BindingMessage: "shout"},
		"binding_message_max": {MaxGraphemes: -1},
		"refused_phrases[0]":  {RefusedPhrases: []string{"…"}},
		"vague_phrases[1]":    {VaguePhrases: []string{"ok", " "}},
		"acr[0].value":        {ACR: []policy.Level{{}}},
		"acr[1].value":        {ACR: []policy.Level{{Value: "a"}, {Value: "a"}}},
	}
	for want, r := range tests {
		var keys []string
		r.Check(func(key, _ string) { keys = append(keys, key) })
		if !slices.Equal(keys, []string{want}) {
			t.Errorf("got faults at %v, want %s", keys, want)
		}
		if _, err := policy.New(policy.Rules{}, map[string]policy.Rules{"op": r}); err == nil {
			t.Errorf("%s: New took it", want)
		}
	}
	policy.Rules{}.Check(func(key, text string) { t.Errorf("the default is wrong: %s %s", key, text) })
}

// FuzzAdmit: whatever is sent, what is admitted is composed, short, and free of
// every character that could deceive.
func FuzzAdmit(f *testing.F) {
	for _, s := range []string{"Pay 100 EUR", "\u202e", "a\u0301", "example.com", "至急", "\xff", "ｗｗｗ．x", "葛\U000E0100", "กำ", "e\u0301\u0301\u0301\u0301\u0301"} {
		f.Add(s)
	}
	b, err := policy.New(policy.Rules{}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		adm, err := b.Admit(said(s))
		got := adm.BindingMessage
		switch {
		case err != nil && (got != "" || !errors.Is(err, approval.ErrBindingMessage)):
			t.Fatalf("refused as %v, with %q", err, got)
		case !utf8.ValidString(got) || !norm.NFC.IsNormalString(got):
			t.Fatalf("not valid NFC: %q", got)
		case uniseg.GraphemeClusterCount(got) > 300 || len(got) > 4*4*300:
			t.Fatalf("%d characters in %d bytes", uniseg.GraphemeClusterCount(got), len(got))
		}
		if r, bad := deceives(got); bad {
			t.Fatalf("%U in %q", r, got)
		}
	})
}
