package show

import (
	"slices"
	"strings"
)

// details is the parameter whose items have types (RFC 9396).
const authorizationDetails = "authorization_details"

// What a template may be for besides the name of an extra.
const (
	forScope = "scope" // scopes that begin with its prefix
	anyType  = "*"     // items of a type that no template knows; it makes no type a known one
)

// Templates say what is shown of each type of authorization_details, of the other
// extras and of scopes, and how it is written. The built-in ones and an
// operator's are read the same way. It is safe for concurrent use.
type Templates struct {
	byType map[string]*template // of items of authorization_details
	extras map[string]*template // by name
	scopes map[string]*template // by prefix
}

// Type is one thing that has a template, for people to list.
type Type struct {
	For  string // authorization_details, scope, or the name of an extra
	Name string // the type, or the prefix of scopes; empty for an extra
	From string // the file; empty if it is built in
}

// List returns what has a template, in order.
func (t *Templates) List() (out []Type) {
	for name, x := range t.byType {
		out = append(out, Type{authorizationDetails, name, x.from})
	}
	for name, x := range t.extras {
		out = append(out, Type{name, "", x.from})
	}
	for prefix, x := range t.scopes {
		out = append(out, Type{forScope, prefix, x.from})
	}
	slices.SortFunc(out, func(a, b Type) int { return strings.Compare(a.For+" "+a.Name, b.For+" "+b.Name) })
	return out
}

// texts is one text in several languages, English always among them.
type texts map[string]string

// in is the text in the speaker's language, or in English.
func (t texts) in(w *speaker) string { return inLocale(t, w.locale) }

// template is how one sort of thing is shown.
type template struct {
	from    string   // the file it was read from; empty: built in
	target  string   // "authorization_details", "scope", or the name of an extra
	types   []string // of authorization_details
	prefix  string   // of scopes
	kind    Kind     // at least; empty: no matter
	title   texts
	label   texts // of scopes
	entries []entry
	words   map[string]texts // of values and names that entries of the form list and names hold
}

// entry is one fact that a template knows.
type entry struct {
	path     []string // names of members, * for any
	label    texts
	form     form
	required bool
	headline bool
	kind     Kind // at least, where the fact is there
	words    map[string]texts
	beside   []string // members of it that other entries name
}

// forItem returns the template of one item, by the type that it must have. An
// item of two types has none: whoever acts on it may read either.
func (t *Templates) forItem(item node) (*template, bool) {
	if names := item.types(); len(names) == 1 && names[0] != anyType {
		if x, ok := t.byType[names[0]]; ok {
			return x, true
		}
	}
	return nil, false
}

// kindOf is what sort of thing an item asks for. It goes by the type alone, and
// by nothing that people wrote.
func (t *Templates) kindOf(item node) Kind {
	kind := Action
	for _, name := range item.types() {
		if x, ok := t.byType[name]; ok && name != anyType {
			kind = kind.or(x.kind)
		} else if strings.Contains(strings.ToLower(name), "payment") {
			kind = Payment
		}
	}
	return kind
}

// types are the values of every member "type" of an item; anything but a text
// counts as one without a name.
func (n node) types() (out []string) {
	for _, kid := range n.kids {
		if n.object && kid.key == "type" {
			out = append(out, kid.text)
		}
	}
	return out
}

// gravity orders the kinds: a request is of the gravest kind that is in it.
var gravity = []Kind{"", SignIn, Action, Payment}

// or returns the graver of the two.
func (k Kind) or(other Kind) Kind {
	if slices.Index(gravity, other) > slices.Index(gravity, k) {
		return other
	}
	return k
}

// order is what to look for in an item of template x, which may be nil: the type
// first, then what x names, then what any item may have.
func (t *Templates) order(x *template) []entry {
	var first, own, rest []entry
	if x != nil {
		own = x.entries
	}
	if any, ok := t.byType[anyType]; ok {
		for _, e := range any.entries {
			if slices.Equal(e.path, []string{"type"}) {
				first = append(first, e)
			} else {
				rest = append(rest, e)
			}
		}
	}
	return slices.Concat(first, own, rest)
}

// scope returns the template whose prefix is the longest that name begins with.
func (t *Templates) scope(name string) (found *template) {
	for prefix, x := range t.scopes {
		if strings.HasPrefix(name, prefix) && (found == nil || len(prefix) > len(found.prefix)) {
			found = x
		}
	}
	return found
}
