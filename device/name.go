package device

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"
)

// The length of a name as people count, and as memory does: one grapheme may be
// any number of marks piled on one another.
const (
	maxNameGraphemes = 64
	maxNameBytes     = 512
)

// zeroWidthJoiners hold emoji and some scripts together; they are the only
// invisible characters that a name needs.
const zeroWidthJoiners = "\u200c\u200d"

// cleanName returns name as it is kept: NFC, without space around it. It returns
// ErrName for what could not be shown honestly next to other names: nothing, too
// much, or characters that hide or reorder what stands around them (a device
// called "phone\u202e" would turn the rest of an administrator's line about).
func cleanName(name string) (string, error) {
	if len(name) > maxNameBytes || !utf8.ValidString(name) {
		return "", fmt.Errorf("%w: too long, or not UTF-8", ErrName)
	}
	name = strings.TrimSpace(norm.NFC.String(name))
	if n := uniseg.GraphemeClusterCount(name); n < 1 || n > maxNameGraphemes {
		return "", fmt.Errorf("%w: %d characters", ErrName, n)
	}
	seen := false
	for _, r := range name {
		switch {
		case unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S):
			seen = true
		case unicode.In(r, unicode.M), r == ' ', r == '\u3000', strings.ContainsRune(zeroWidthJoiners, r):
		default:
			return "", fmt.Errorf("%w: character %U", ErrName, r)
		}
	}
	if !seen {
		return "", fmt.Errorf("%w: nothing to see in it", ErrName)
	}
	return name, nil
}
