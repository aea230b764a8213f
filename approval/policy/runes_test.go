package policy_test

import (
	"math/rand/v2"
	"testing"
	"unicode"

	"github.com/mitome-ciba/mitome/approval/policy"
)

// forbidden is told in other words than the rule itself: by what harms, not by
// what is allowed.
var forbidden = []*unicode.RangeTable{
	unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co, // control; bidi, joiners and tags; surrogates; private use
	unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Noncharacter_Code_Point,
	unicode.Other_Default_Ignorable_Code_Point,
}

// known is every character that has a category, and so is assigned.
var known = []*unicode.RangeTable{unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.C}

func deceives(s string) (rune, bool) {
	for _, r := range s {
		if unicode.In(r, forbidden...) || !unicode.In(r, known...) {
			return r, true
		}
	}
	return 0, false
}

// TestNoForbiddenCharacterPasses tries every code point there is, in the middle
// of an honest message.
func TestNoForbiddenCharacterPasses(t *testing.T) {
	b, _ := book(t, policy.Rules{})
	passed := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		adm, err := b.Admit(said("Pay " + string(r) + " 100 EUR"))
		if err != nil {
			continue
		}
		passed++
		if bad, is := deceives(adm.BindingMessage); is {
			t.Errorf("%U passed", bad)
		}
	}
	if passed < 100_000 { // else the rule refuses everything, and this test proves nothing
		t.Errorf("only %d characters pass", passed)
	}
}

// TestNoMixtureOfCharactersDeceives does the same with many at once, so that a
// check of the first character only, or before composing only, is found out.
func TestNoMixtureOfCharactersDeceives(t *testing.T) {
	b, _ := book(t, policy.Rules{})
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("aé\u0301\u0302\u0335かが\u3099ｶﾞ\u202e\u200b\u2066\u00ad\ufe0f\U000e0100\ue000\u0378 1.:/@-葛ᄀ가각ก\u0e33\u034f\u3164\u2800")
	for range 20_000 {
		s := make([]rune, 1+rng.IntN(8))
		for i := range s {
			s[i] = alphabet[rng.IntN(len(alphabet))]
		}
		adm, err := b.Admit(said(string(s)))
		if err != nil {
			continue
		}
		if bad, is := deceives(adm.BindingMessage); is {
			t.Fatalf("%U passed in %q", bad, string(s))
		}
	}
}
