package show

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mitome-ciba/mitome/approval"
)

const (
	maxDetails = 40
	maxValue   = 300 // characters
	maxPath    = 100 // characters
)

// layout collects what came with a request in the order in which it is shown:
// what a template names first, then everything else under its own name.
type layout struct {
	w         *speaker
	templates *Templates
	out       []Detail
	omitted   int
	kind      Kind
	items     int      // of authorization_details
	titles    []texts  // of the templates of those
	amounts   []string // of which one alone is the headline
	taken     map[*node]bool
	hidden    map[*node]bool // what a Place says in words

	unknown bool // an item has no template
	missing bool // an item lacks what its template requires
	unshown bool // a value is too long to be shown
}

// lay lays out everything that came with the request.
func lay(w *speaker, t *Templates, context map[string]json.RawMessage, at *approval.Where) *layout {
	l := &layout{w: w, templates: t, kind: SignIn, taken: map[*node]bool{}, hidden: map[*node]bool{}}
	for _, name := range slices.Sorted(maps.Keys(context)) {
		if approval.Withheld(name) {
			continue
		}
		n, stood := parse(context[name]), place("").member(name)
		if name == authorizationDetails {
			l.addItems(stood, &n)
			continue
		}
		if at != nil && name == approval.ContextName {
			l.hide(&n, at)
		}
		if x, ok := t.extras[name]; ok {
			l.pick(x.entries, stood, &n)
		}
		l.add(stood, &n)
	}
	return l
}

// addItems lays out authorization_details, a list by RFC 9396 or one item alone.
func (l *layout) addItems(at place, n *node) {
	switch {
	case n.object:
		l.addItem(at, n)
		return
	case !n.scalar && !n.deep:
		for i := range n.kids {
			l.addItem(at.item(i), &n.kids[i])
		}
		if len(n.kids) > 0 {
			return
		}
	case n.text != "" && !n.null || n.truth != nil || n.deep:
		l.unknown = true
	}
	l.add(at, n)
}

func (l *layout) addItem(at place, n *node) {
	l.items++
	l.kind = l.kind.or(l.templates.kindOf(*n))
	x, ok := l.templates.forItem(*n)
	if ok {
		l.titles = append(l.titles, x.title)
	} else {
		l.unknown = true
	}
	l.pick(l.templates.order(x), at, n)
	l.add(at, n)
}

// place is where a fact stood, as in authorization_details[0].type.
type place string

func (p place) member(key string) place {
	return place(strings.TrimPrefix(string(p)+"."+key, "."))
}

func (p place) item(i int) place { return place(fmt.Sprintf("%s[%d]", p, i)) }

// add lays out n and all that is in it, but for what was taken before.
func (l *layout) add(p place, n *node) {
	if l.taken[n] || l.hidden[n] {
		return
	}
	if text, ok := n.inline(l.w); ok && !l.begun(n) {
		l.put(p, "", text)
		return
	}
	if n.deep {
		l.omitted++
		return
	}
	for i := range n.kids {
		if n.object {
			l.add(p.member(n.kids[i].key), &n.kids[i])
		} else {
			l.add(p.item(i), &n.kids[i])
		}
	}
}

// begun reports whether something in n was taken or is hidden: then n as one line would show
// it once more, and in another form.
func (l *layout) begun(n *node) bool {
	for i := range n.kids {
		if l.taken[&n.kids[i]] || l.hidden[&n.kids[i]] {
			return true
		}
	}
	return false
}

// put adds one fact, or counts it where there is no room. Without a label it
// stands under its own name.
func (l *layout) put(p place, label, value string) {
	name := approval.Spelled(string(p))
	if len(l.out) == maxDetails {
		l.omitted++
		return
	}
	value = approval.Spelled(value)
	d := Detail{Name: l.bounded(name, maxPath), Value: l.bounded(value, maxValue)}
	if d.Label = d.Name; label != "" {
		d.Label, d.Known = l.bounded(approval.Spelled(label), maxPath), true
	}
	l.out = append(l.out, d)
}

// bounded returns s, or that it is too long to be shown, and remembers that.
func (l *layout) bounded(s string, most int) string {
	out := bounded(l.w, s, most)
	l.unshown = l.unshown || out != s
	return out
}

// headline is what is to be paid. Of several amounts, or several things to
// approve, none is it, or the others would be overlooked.
func (l *layout) headline() string {
	if l.kind != Payment || l.items != 1 || len(l.amounts) != 1 {
		return ""
	}
	return l.amounts[0]
}

// title is what the one thing to be approved is called, or what its kind is.
func (l *layout) title() string {
	if l.items == 1 && len(l.titles) == 1 && l.titles[0] != nil {
		return l.titles[0].in(l.w)
	}
	return l.w.say(titles[l.kind])
}

// refused is why a strict connection takes no approval, if it does not.
func (l *layout) refused() string {
	switch {
	case l.unknown:
		return l.w.say("warning.unknown_type")
	case l.missing:
		return l.w.say("warning.incomplete")
	case l.unshown || l.omitted > 0:
		return l.w.say("warning.unshown")
	}
	return ""
}
