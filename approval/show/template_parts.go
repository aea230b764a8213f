package show

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mitome-ciba/mitome/approval"
)

var kinds = []Kind{SignIn, Payment, Action}

// template reads one of the list.
func (r *reader) template(n *yaml.Node) {
	x := &template{from: r.file, target: authorizationDetails}
	if r.builtIn {
		x.from = ""
	}
	faults := len(r.faults)
	r.table(n, map[string]func(*yaml.Node){
		"for":  func(v *yaml.Node) { x.target = r.text(v, maxKey) },
		"type": func(v *yaml.Node) { x.types = append(x.types, r.text(v, maxKey)) },
		"types": func(v *yaml.Node) {
			r.list(v, maxTypes, func(v *yaml.Node) { x.types = append(x.types, r.text(v, maxKey)) })
		},
		"prefix":  func(v *yaml.Node) { x.prefix = r.text(v, maxKey) },
		"kind":    func(v *yaml.Node) { x.kind = one(r, v, kinds) },
		"title":   func(v *yaml.Node) { x.title = r.texts(v) },
		"label":   func(v *yaml.Node) { x.label = r.texts(v) },
		"words":   func(v *yaml.Node) { x.words = r.words(v) },
		"details": func(v *yaml.Node) { r.list(v, maxEntries, func(v *yaml.Node) { r.entry(x, v) }) },
	})
	if len(r.faults) > faults {
		return
	}
	if r.fits(n, x) && r.alone(n, x) {
		x.finish()
		r.templates = append(r.templates, x)
	}
}

// fits checks that x has what its sort of template needs, and nothing else.
func (r *reader) fits(n *yaml.Node, x *template) bool {
	faults := len(r.faults)
	switch {
	case x.target != forScope && approval.Withheld(x.target):
		r.Errorf(n, "%q is never shown", clip(x.target))
	case x.target == authorizationDetails && len(x.types) == 0:
		r.Errorf(n, "needs a type, or for")
	case x.target != authorizationDetails && (len(x.types) > 0 || x.title != nil):
		r.Errorf(n, "only authorization_details have types and titles")
	case x.target == forScope && (x.prefix == "" || x.label == nil || x.entries != nil):
		r.Errorf(n, "for scopes there must be a prefix and a label, and no details")
	case x.target != forScope && (x.prefix != "" || x.label != nil):
		r.Errorf(n, "only scopes have a prefix and a label of the whole")
	case x.target != forScope && x.target != authorizationDetails && x.kind != "":
		r.Errorf(n, "the kind of %s stands with the details that make it so", clip(x.target))
	case x.target == forScope && x.kind == "" && x.words != nil:
		r.Errorf(n, "scopes have no words")
	}
	for _, e := range x.entries {
		if x.target != authorizationDetails && (e.required || e.headline) {
			r.Errorf(n, "only details of authorization_details can be required or a headline")
			break
		}
	}
	return len(r.faults) == faults
}

// alone checks that nothing of x has another template.
func (r *reader) alone(n *yaml.Node, x *template) bool {
	ok := true
	names := x.types
	if len(names) == 0 {
		names = []string{x.prefix}
	}
	for _, name := range names {
		key := x.target + " " + name
		if first, taken := r.seen[key]; taken {
			r.Errorf(n, "%s has a template already, in %s", strings.TrimSpace(key), first)
			ok = false
		}
		r.seen[key] = r.file
	}
	return ok
}

// words reads what values are called.
func (r *reader) words(n *yaml.Node) map[string]texts {
	out := map[string]texts{}
	if n.Kind == yaml.MappingNode && len(n.Content) > 2*maxWords {
		r.Errorf(n, "has more than %d words", maxWords)
		return out
	}
	each := map[string]func(*yaml.Node){}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if key == "" || len(key) > maxKey {
			r.Errorf(n.Content[i], "must be 1 to %d bytes", maxKey)
			continue
		}
		each[key] = func(v *yaml.Node) { out[key] = r.texts(v) }
	}
	r.table(n, each)
	return out
}

// entry reads one fact of x.
func (r *reader) entry(x *template, n *yaml.Node) {
	e := entry{form: formText}
	faults := len(r.faults)
	r.table(n, map[string]func(*yaml.Node){
		"member":   func(v *yaml.Node) { e.path = r.path(v) },
		"label":    func(v *yaml.Node) { e.label = r.texts(v) },
		"as":       func(v *yaml.Node) { e.form = one(r, v, forms) },
		"required": func(v *yaml.Node) { e.required = r.truth(v) },
		"headline": func(v *yaml.Node) { e.headline = r.truth(v) },
		"kind":     func(v *yaml.Node) { e.kind = one(r, v, kinds) },
	})
	switch {
	case len(r.faults) > faults:
		return
	case e.path == nil || e.label == nil:
		r.Errorf(n, "needs member and label")
	case e.headline && e.form != formMoney:
		r.Errorf(n, "only money can be the headline")
	case slices.ContainsFunc(x.entries, func(o entry) bool { return slices.Equal(o.path, e.path) }):
		r.Errorf(n, "%s is named twice", clip(strings.Join(e.path, ".")))
	default:
		x.entries = append(x.entries, e)
	}
}

// path reads where a fact stands: names of members with dots between them.
func (r *reader) path(n *yaml.Node) []string {
	text := r.text(n, maxKey)
	if text == "" {
		return nil
	}
	path := strings.Split(text, ".")
	if len(path) > maxDepth || slices.Contains(path, "") || strings.ContainsAny(text, "[]") {
		r.Errorf(n, "must be up to %d names with dots between them; lists are walked through by themselves", maxDepth)
		return nil
	}
	return path
}

// finish tells each entry what it needs to know of the others.
func (x *template) finish() {
	for i := range x.entries {
		e := &x.entries[i]
		e.words = x.words
		for _, o := range x.entries {
			if len(o.path) > len(e.path) && slices.Equal(o.path[:len(e.path)], e.path) && o.path[len(e.path)] != anyName {
				e.beside = append(e.beside, o.path[len(e.path)])
			}
		}
	}
}
