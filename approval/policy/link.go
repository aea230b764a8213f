package policy

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/unicode/norm"
)

var (
	scheme = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*:[/\\]{2}|\b(?:mailto|javascript|vbscript):\S|\bdata:[a-z]+/`)
	www    = regexp.MustCompile(`(?i)(?:^|[^\pL\pN])www[0-9]?\.[\pL\pN]`)
	ipHost = regexp.MustCompile(`\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}[:/]`)
)

// hasLink reports whether s holds a URL, or a domain name that a reader or a
// program could take for one. An amount (12.50), a version (v1.2) and an e-mail
// address are none.
//
// It reads s as a browser's address bar would: with the full-width forms and the
// ideographic full stop turned into ASCII.
func hasLink(s string) bool {
	s = strings.ToLower(norm.NFKC.String(s))
	if scheme.MatchString(s) || www.MatchString(s) || ipHost.MatchString(s) {
		return true
	}
	for i, r := range s {
		if (r == '.' || r == '。') && domainAt(s, i, i+utf8.RuneLen(r)) {
			return true
		}
	}
	return false
}

// domainAt reports whether the dot at s[dot:next] stands before the last label
// of a domain name: right after a letter or digit, right before a top-level
// domain that exists.
func domainAt(s string, dot, next int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:dot])
	if !isWord(before) {
		return false
	}
	label := firstLabel(s[next:])
	rest := s[next+len(label):]
	// In Japanese a full stop and the next word look the same as a label, so
	// the ideographic one counts between ASCII only.
	if s[dot] != '.' && (before >= utf8.RuneSelf || label == "" || label[0] >= utf8.RuneSelf) {
		return false
	}
	if !isTLD(label) {
		return false
	}
	name := s[strings.LastIndexFunc(s[:dot], notInName)+1 : dot]
	isMail := strings.HasSuffix(s[:dot-len(name)], "@") && len(name) < dot-1
	company := name == "co" && label == "ltd"
	return !isMail && !company || strings.HasPrefix(rest, "/")
}

// firstLabel is the run of letters, digits and hyphens that s begins with, as
// long as it stays inside or outside ASCII: in 「example.comを開く」 the label is
// com.
func firstLabel(s string) string {
	for i, r := range s {
		first, _ := utf8.DecodeRuneInString(s)
		if !isWord(r) && r != '-' || r < utf8.RuneSelf != (first < utf8.RuneSelf) {
			return s[:i]
		}
	}
	return s
}

// isTLD asks the public suffix list, as compiled into x/net.
func isTLD(label string) bool {
	ascii, err := idna.ToASCII(label)
	if err != nil {
		return false
	}
	_, icann := publicsuffix.PublicSuffix("x." + ascii)
	return icann
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// notInName reports whether r ends, to the left, what may be a domain name.
func notInName(r rune) bool { return !isWord(r) && r != '-' && r != '.' && r != '_' }
