package kiosk

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// codeLength is how many digits a phone shows.
const codeLength = 20

// Digits are the digits of a code as somebody typed it: in groups, with hyphens,
// in the wide forms of a Japanese keyboard. ok says whether that is a code.
func Digits(typed string) (digits string, ok bool) {
	if len(typed) > 16*codeLength { // no code, however it was typed
		return "", false
	}
	var b strings.Builder
	for _, r := range norm.NFKC.String(typed) {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r), r == 'ー', unicode.Is(unicode.Cf, r): // the long vowel is next to the hyphen
		default:
			return "", false
		}
	}
	return b.String(), b.Len() == codeLength
}
