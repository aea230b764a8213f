package show

import (
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/width"

	"github.com/mitome-ciba/mitome/approval"
)

// Surface is a place on a screen, as the number of columns that are safe on all
// common devices of its kind.
type Surface int

// The surfaces.
const (
	WatchLine     Surface = 12
	WatchTwoLines Surface = 30
	OneLine       Surface = 20
	TwoLines      Surface = 50
	DetailPage    Surface = 100
)

// Fits reports whether the whole of text can be read on s. Nothing in Mitome
// cuts a text to make it fit: a message that does not is replaced by a title
// that says to look at the request itself.
func Fits(text string, s Surface) bool {
	_, odd := approval.OddRune(text)
	return !odd && columns(text) <= int(s)
}

// columns is how wide text is, in columns of a Latin letter. A reader's
// character is one column, or two if it is East Asian wide or an emoji; those
// that Unicode calls ambiguous (①, ×, Я) are as wide as a kanji in a text that
// has one, because then a Japanese font draws them.
func columns(text string) int {
	total, ambiguous, state := 0, 0, -1
	eastAsian := false
	for text != "" {
		var cluster string
		var w int
		cluster, text, w, state = uniseg.FirstGraphemeClusterInString(text, state)
		r, _ := utf8.DecodeRuneInString(cluster)
		switch width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			eastAsian = true
		case width.EastAsianAmbiguous:
			if w == 1 {
				ambiguous++
			}
		}
		total += w
	}
	if eastAsian {
		total += ambiguous
	}
	return total
}
