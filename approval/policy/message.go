package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"

	"github.com/mitome-ciba/mitome/approval"
)

// Mark is what is to be said of a binding message. It is a word for metrics and
// for the operator.
type Mark string

// The marks. All but Vague are reasons to refuse.
const (
	Missing  Mark = "missing"  // the connection requires one
	Blank    Mark = "blank"    // nothing that could be read
	Odd      Mark = "odd"      // a character that hides, turns the text round, or is none
	Long     Mark = "long"     // more characters than the connection allows
	Link     Mark = "link"     // something to click or to type into a browser
	Phishing Mark = "phishing" // a phrase by which people are talked into approving
	Vague    Mark = "vague"    // says nothing of what is to be approved
)

const (
	defaultGraphemes = 300
	maxGraphemes     = 2000 // what a connection may set; beyond it nobody reads
	runesPerGrapheme = 4    // on average: some scripts let one cluster grow without end
)

// message returns s in NFC, and its mark if it earns one.
func (j judge) message(s string) (string, Mark) {
	if s == "" {
		if j.BindingMessage == ModeRequired {
			return "", Missing
		}
		return "", ""
	}
	if len(s) > utf8.UTFMax*runesPerGrapheme*j.MaxGraphemes { // before anything that costs
		return "", Long
	}
	s = norm.NFC.String(s)
	_, odd := approval.OddRune(s) // after composing, which can leave a mark on another base
	switch {
	case odd:
		return "", Odd
	case blank(s):
		return "", Blank
	case j.tooLong(s):
		return "", Long
	case hasLink(s):
		return "", Link
	}
	c := compact(s)
	for _, p := range j.refused {
		if c.contains(p) {
			return "", Phishing
		}
	}
	if c.madeOf(j.vague) {
		return s, Vague
	}
	return s, ""
}

func (j judge) tooLong(s string) bool {
	return uniseg.GraphemeClusterCount(s) > j.MaxGraphemes ||
		utf8.RuneCountInString(s) > runesPerGrapheme*j.MaxGraphemes
}

// blank reports whether s holds nothing but spaces and marks on them.
func blank(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S)
	}) < 0
}
