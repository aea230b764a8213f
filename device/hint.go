package device

import (
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Hint is how an OP or client names a user when it does not say the subject.
type Hint struct {
	Kind  string // "username", "email", "phone", or "custom:…"
	Value string // personal data: kept as a keyed hash only, never logged
}

// Subject is how an OP names the user it asks about. Sub wins where both are
// given: a user name may be given to somebody else, a subject may not.
type Subject struct {
	OP   string
	Sub  string
	Hint Hint
}

// customHint begins the kind of a hint that only one OP knows the form of.
const customHint = "custom:"

// normal is h in the one form in which it is kept and looked for, because a hash
// of "Aiko@Example.org" finds nothing under that of "aiko@example.org". A user
// name keeps its case: at some OPs "Aiko" and "aiko" are two people, and asking
// the wrong one is worse than asking nobody.
func (h Hint) normal() (Hint, error) {
	v := strings.TrimSpace(norm.NFC.String(h.Value))
	switch {
	case h.Kind == "username", strings.HasPrefix(h.Kind, customHint) && len(h.Kind) > len(customHint):
	case h.Kind == "email":
		v = strings.ToLower(v)
	case h.Kind == "phone":
		v = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "").Replace(v)
	default:
		return Hint{}, fmt.Errorf("%w: unknown kind", ErrHint)
	}
	if v == "" || len(v) > maxNameBytes {
		return Hint{}, fmt.Errorf("%w: empty or too long", ErrHint)
	}
	return Hint{h.Kind, v}, nil
}
