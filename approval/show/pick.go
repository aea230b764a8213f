package show

import (
	"slices"
	"strings"
)

// pick takes out of root what entries name, in their order.
func (l *layout) pick(entries []entry, at place, root *node) {
	for _, e := range entries {
		var found bool
		l.find(match{entry: e, path: e.path, place: at, node: root}, func(m match) {
			if l.take(m) {
				found = true
				l.kind = l.kind.or(e.kind)
			}
		})
		if e.required && !found {
			l.missing = true
			l.put(at.member(strings.Join(e.path, ".")), e.label.in(l.w), l.w.say("value.missing"))
		}
	}
}

// match is a place in the tree, on the way along an entry's path.
type match struct {
	entry
	path  []string // what is left of it
	place place
	node  *node
	any   string // the name that * stood for
}

// find calls hit for each place to which m's path leads, through lists too. It
// goes by whole names: a member whose name looks like a path is none, because a
// client must not reach a known label with a name of its own making.
func (l *layout) find(m match, hit func(match)) {
	switch {
	case len(m.path) == 0:
		hit(m)
		return
	case m.node.scalar || m.node.deep:
		return
	}
	at, n := m.place, m.node
	for i := range n.kids {
		next := m
		next.node = &n.kids[i]
		if !n.object {
			next.place = at.item(i)
			l.find(next, hit)
			continue
		}
		key := n.kids[i].key
		if m.path[0] != key && m.path[0] != anyName {
			continue
		}
		if m.path[0] == anyName {
			next.any = m.word(l.w, key)
		}
		next.place, next.path = at.member(key), m.path[1:]
		l.find(next, hit)
	}
}

// anyName in a path stands for any member.
const anyName = "*"

// take shows what m has come to, in its entry's form, and reports whether it says
// anything. What does not have the form is left to be shown as it is.
func (l *layout) take(m match) bool {
	n := m.node
	if l.hidden[n] { // it is there, and said elsewhere
		return true
	}
	if l.taken[n] {
		return false
	}
	if m.form == formNames {
		return l.takeNames(m)
	}
	if text, ok := l.text(m); ok {
		l.taken[n] = true
		l.put(m.place, l.labelOf(m), text)
		if m.headline && (n.scalar || n.object) {
			l.amounts = append(l.amounts, text)
		}
		return strings.TrimSpace(text) != "" && !n.null
	}
	if n.object && m.form != formPAN {
		return false
	}
	return l.takeEach(m)
}

// takeEach takes the items of a list that is not one line. Of what may be a card
// number it takes every part, however it is wrapped.
func (l *layout) takeEach(m match) (said bool) {
	for i := range m.node.kids {
		next := m
		next.node, next.place = &m.node.kids[i], m.place.item(i)
		if m.node.object {
			next.place = m.place.member(m.node.kids[i].key)
		}
		if l.take(next) {
			said = true
		}
	}
	return said
}

// text is m's node as one line, if it is one.
func (l *layout) text(m match) (string, bool) {
	n := *m.node
	if n.scalar || n.object || n.deep || len(n.kids) == 0 {
		text, ok := n.inline(l.w)
		return m.write(l.w, text), ok
	}
	var parts []string
	for _, kid := range n.kids {
		text, _ := kid.inline(l.w)
		text = m.write(l.w, text)
		if !kid.scalar || strings.Contains(text, ",") { // else two items could be read as three
			return "", false
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", "), true
}

func (l *layout) labelOf(m match) string {
	if m.any != "" {
		return m.any + ": " + m.label.in(l.w)
	}
	return m.label.in(l.w)
}

// takeNames shows the names of an object's members as a list. A member that says
// no more than its name is done with; what others say is shown besides.
func (l *layout) takeNames(m match) bool {
	n := m.node
	if !n.object {
		return false
	}
	var names []string
	for i := range n.kids {
		kid := &n.kids[i]
		if slices.Contains(m.beside, kid.key) {
			continue
		}
		if kid.key == "" || strings.Contains(kid.key, ",") {
			return false
		}
		names = append(names, m.word(l.w, kid.key))
	}
	if len(names) == 0 {
		return false
	}
	for i := range n.kids {
		if kid := &n.kids[i]; !slices.Contains(m.beside, kid.key) && kid.bare() {
			l.taken[kid] = true
		}
	}
	l.put(m.place, l.labelOf(m), strings.Join(names, ", "))
	return true
}

// bare reports whether n is null or an empty object, which is how OpenID Connect
// asks for a claim and says nothing of it (Core §5.5.1).
func (n node) bare() bool {
	return n.null || n.object && len(n.kids) == 0
}
