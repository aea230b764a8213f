package show

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"

	"github.com/mitome-ciba/mitome/approval"
)

// What one file may hold.
const (
	maxTemplates = 100
	maxTypes     = 20
	maxEntries   = maxDetails
	maxWords     = 200
	maxLanguages = 40
	maxLabel     = 60  // characters of a label, a title or a word
	maxKey       = 100 // bytes of a type, a prefix, a member's name or a value
)

// reader reads files of templates and collects every fault on its way. It walks
// the document itself, because what an operator needs of a fault is its line, and
// because aliases, which can make a small file a huge one, are then not followed.
type reader struct {
	file      string
	builtIn   bool
	seen      map[string]string // what has a template, and in which file
	templates []*template
	faults    Faults
}

// Errorf records a fault at n, as a sentence.
func (r *reader) Errorf(n *yaml.Node, format string, args ...any) {
	r.faults = append(r.faults, Fault{r.file, n.Line, fmt.Sprintf(format, args...) + "."})
}

// read reads one file: a table with the one key templates, a list. JSON is YAML.
func (r *reader) read(file string, raw []byte) {
	r.file = file
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		r.broken(err)
		return
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		r.Errorf(&more, "a file holds one document")
		return
	}
	if len(doc.Content) == 0 {
		r.broken(io.EOF)
		return
	}
	r.table(doc.Content[0], map[string]func(*yaml.Node){"templates": func(n *yaml.Node) {
		r.list(n, maxTemplates, r.template)
	}})
}

// broken records that the file is not YAML. The parser's message names what it
// met, and nothing of the text.
func (r *reader) broken(err error) {
	at := &yaml.Node{}
	if _, rest, ok := strings.Cut(err.Error(), "line "); ok {
		line, what, _ := strings.Cut(rest, ": ")
		at.Line, _ = strconv.Atoi(line) // 0 if it is no number
		r.Errorf(at, "is not YAML: %s", what)
		return
	}
	r.Errorf(at, "is not YAML, or empty")
}

// table calls for each key of n what reads its value. Keys that nobody reads, and
// keys that come twice, are faults.
func (r *reader) table(n *yaml.Node, keys map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.Errorf(n, "must be a table of keys and values")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, ok := keys[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || !ok:
			r.Errorf(key, "%q is not known here", clip(key.Value))
		case seen[key.Value]:
			r.Errorf(key, "%q stands here twice", clip(key.Value))
		default:
			seen[key.Value] = true
			read(value)
		}
	}
}

func (r *reader) list(n *yaml.Node, most int, item func(*yaml.Node)) {
	switch {
	case n.Kind != yaml.SequenceNode:
		r.Errorf(n, "must be a list")
		return
	case len(n.Content) > most:
		r.Errorf(n, "has %d items; %d are allowed", len(n.Content), most)
		return
	}
	for _, x := range n.Content {
		item(x)
	}
}

// text is a value that is text, of at most so many characters, that hides nothing.
func (r *reader) text(n *yaml.Node, most int) string {
	s := strings.TrimSpace(n.Value)
	_, odd := approval.OddRune(s)
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag != "!!str":
		r.Errorf(n, "must be text; put it in quotes")
	case s == "":
		r.Errorf(n, "must not be empty")
	case uniseg.GraphemeClusterCount(s) > most:
		r.Errorf(n, "has %d characters; %d are allowed", uniseg.GraphemeClusterCount(s), most)
	case odd || strings.ContainsAny(s, "\r\n"):
		r.Errorf(n, "holds a line break or a character that cannot be seen")
	default:
		return s
	}
	return ""
}

func (r *reader) truth(n *yaml.Node) bool {
	b, err := strconv.ParseBool(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		r.Errorf(n, "must be true or false")
	}
	return b
}

// texts is one text in several languages. English is what all others fall back to.
func (r *reader) texts(n *yaml.Node) texts {
	out := texts{}
	if n.Kind == yaml.MappingNode && len(n.Content) > 2*maxLanguages {
		r.Errorf(n, "has more than %d languages", maxLanguages)
		return out
	}
	each := map[string]func(*yaml.Node){}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		each[key.Value] = func(v *yaml.Node) {
			tag, err := language.Parse(key.Value)
			if err != nil {
				r.Errorf(key, "%q is not the tag of a language", clip(key.Value))
				return
			}
			out[tag.String()] = r.text(v, maxLabel)
		}
	}
	faults := len(r.faults)
	r.table(n, each)
	if out[fallback] == "" && len(r.faults) == faults {
		r.Errorf(n, "needs the text in English (en), which every other language falls back to")
	}
	return out
}

// one is a text that must be one of a few.
func one[T ~string](r *reader, n *yaml.Node, allowed []T) T {
	s := T(r.text(n, maxKey))
	if s != "" && !slices.Contains(allowed, s) {
		var names []string
		for _, a := range allowed {
			names = append(names, string(a))
		}
		r.Errorf(n, "must be one of %s", strings.Join(names, ", "))
	}
	return s
}

// clip is a word of the file as a fault quotes it.
func clip(s string) string {
	if r := []rune(s); len(r) > 30 {
		return string(r[:30]) + "…"
	}
	return s
}
