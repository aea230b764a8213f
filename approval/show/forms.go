package show

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// form is how a fact is written.
type form string

// The forms.
const (
	formText    form = "text"    // as it came
	formMoney   form = "money"   // amount and currency, the digits in groups
	formPAN     form = "pan"     // an account or card number of which only the end is shown
	formIBAN    form = "iban"    // in groups of four
	formDate    form = "date"    // a day, or a day and a time
	formCountry form = "country" // a country by its code
	formList    form = "list"    // values for which the template may have words
	formNames   form = "names"   // the names of an object's members, as OpenID Connect's claims
)

var forms = []form{formText, formMoney, formPAN, formIBAN, formDate, formCountry, formList, formNames}

// write is text in e's form. What does not have the shape that the form is for is
// written as it came, but for one: of what may be a card number nothing but its
// end is ever shown.
func (e entry) write(w *speaker, text string) string {
	switch e.form {
	case formMoney:
		return grouped(text)
	case formPAN:
		return masked(text)
	case formIBAN:
		return inFours(text)
	case formDate:
		return dated(w, text)
	case formCountry:
		return country(w, text)
	case formList:
		return e.word(w, text)
	}
	return text
}

// word is what the template calls a value.
func (e entry) word(w *speaker, value string) string {
	if t, ok := e.words[value]; ok {
		return t.in(w)
	}
	return value
}

var money = regexp.MustCompile(`^(\d{1,15})(\.\d{1,4})? ([A-Z]{3})$`)

// grouped is an amount with its digits in groups, so that a nought too many is
// seen.
func grouped(text string) string {
	m := money.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	digits := m[1]
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + m[2] + " " + m[3]
}

// shownOfPAN is how many characters of a card number PCI DSS 3.4.1 lets anybody
// see who needs no more.
const shownOfPAN = 4

// masked is the end of a number, and that there is more of it: not how much, which
// would tell a card from an account.
func masked(text string) string {
	var all []rune
	for _, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			all = append(all, r)
		}
	}
	switch {
	case strings.TrimSpace(text) == "":
		return ""
	case len(all) < shownOfPAN:
		return "••••"
	}
	return "•••• " + string(all[len(all)-shownOfPAN:])
}

// iban is an account number as machines write it.
var iban = regexp.MustCompile(`^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$`)

// inFours is an IBAN as people read it (ISO 13616-1's print format).
func inFours(text string) string {
	if !iban.MatchString(text) {
		return text
	}
	var groups []string
	for g := range slices.Chunk([]byte(text), 4) {
		groups = append(groups, string(g))
	}
	return strings.Join(groups, " ")
}

// dated is a day, or a point in time with the offset that it came with. The
// catalogue holds Go's layouts, so a language says in which order they stand.
func dated(w *speaker, text string) string {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t.Format(w.say("value.date"))
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil && t.Nanosecond() == 0 && t.Second() == 0 {
		return t.Format(w.say("value.date_time"))
	}
	return text
}

// country is the name of the country that a code of two or three letters means,
// with the code, because names of countries are not all settled.
func country(w *speaker, text string) string {
	if len(text) > 3 || strings.ToUpper(text) != text {
		return text
	}
	region, err := language.ParseRegion(text)
	if err != nil || !region.IsCountry() {
		return text
	}
	names := display.Regions(language.Make(w.locale))
	if names == nil || names.Name(region) == "" {
		return text
	}
	return names.Name(region) + " (" + text + ")"
}
