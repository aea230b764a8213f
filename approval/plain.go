package approval

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks may stand on one character. Thai,
// Hebrew and Vietnamese need three; text that climbs out of its line needs more.
const maxMarks = 4

// OddRune returns the first character of s that must not stand on a screen on
// which somebody decides: one that is invisible, turns the direction of the
// text, has no meaning in Unicode, or is not text at all.
//
// What is refused is named by what is allowed, because the list of harmful
// characters grows with each version of Unicode: allowed are the letters,
// marks, numbers, punctuation, symbols and spaces that this Unicode knows, less
// those that show nothing.
func OddRune(s string) (rune, bool) {
	p := plain{}
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			return r, true // a byte that is not UTF-8
		}
		if !p.next(r) {
			return r, true
		}
	}
	return 0, false
}

// Spelled returns s with each character that OddRune would name written out, as
// in ‹U+202E›. What is shown but was never judged, a client's name for one, then
// hides nothing, and nothing is silently left out.
func Spelled(s string) string {
	if _, odd := OddRune(s); !odd {
		return s
	}
	var b strings.Builder
	p := plain{}
	for _, r := range s {
		if p.next(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "‹U+%04X›", r)
		}
	}
	return b.String()
}

// plain reads text rune by rune; it remembers what a mark or a variation
// selector stands on.
type plain struct {
	prev  rune
	marks int
}

// next reports whether r may follow what was read so far.
func (p *plain) next(r rune) bool {
	prev := p.prev
	p.prev = r
	if unicode.Is(unicode.Variation_Selector, r) {
		// Names are written with them in Japan (葛󠄀), emoji everywhere. One on a
		// character is spelling; several, or one on nothing, is hidden data.
		return prev != 0 && unicode.In(prev, unicode.L, unicode.N, unicode.P, unicode.S) && shows(prev)
	}
	if unicode.Is(unicode.M, r) {
		p.marks++
	} else {
		p.marks = 0
	}
	return p.marks <= maxMarks && shows(r)
}

// shows reports whether r is a known character that can be seen, or a space.
func shows(r rune) bool {
	switch r {
	case '\u2800', // a braille cell without dots: blank, and no space to Unicode
		'\uFFFC', '\uFFFD': // stand for what was lost
		return false
	}
	return unicode.IsGraphic(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}
