package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth is how deep objects and lists are read. What lies deeper is counted
// as left out.
const maxDepth = 6

// node is a JSON value that remembers the order of its members, and members of
// the same name: whoever acts on the request may read the first of two amounts
// where a map would show the last.
type node struct {
	key    string // name in the object that holds it
	text   string // of a scalar, as written
	scalar bool
	null   bool
	object bool
	deep   bool // nested too deep to be read
	truth  *bool
	kids   []node
}

// parse reads raw. What is not JSON is one text; a text that is JSON is read,
// because some OPs pass on a parameter as the string that it was.
func parse(raw json.RawMessage) node {
	n, err := parseStrictly(raw)
	if err != nil {
		return node{text: string(raw), scalar: true}
	}
	if n.scalar && (strings.HasPrefix(n.text, "[") || strings.HasPrefix(n.text, "{")) {
		if inner, err := parseStrictly([]byte(n.text)); err == nil {
			return inner
		}
	}
	return n
}

func parseStrictly(raw []byte) (node, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	n, err := read(dec, 0)
	if err != nil {
		return n, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return n, errors.New("more than one value")
	}
	return n, nil
}

// read reads one value that stands depth levels down.
func read(dec *json.Decoder, depth int) (node, error) {
	if depth > maxDepth {
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return node{}, fmt.Errorf("value: %w", err)
		}
		return node{deep: true}, nil
	}
	tok, err := dec.Token()
	if err != nil {
		return node{}, fmt.Errorf("value: %w", err)
	}
	switch tok := tok.(type) {
	case json.Delim:
		return readKids(dec, tok == '{', depth)
	case bool:
		return node{scalar: true, truth: &tok}, nil
	case nil:
		return node{scalar: true, null: true, text: "null"}, nil
	}
	return node{scalar: true, text: fmt.Sprint(tok)}, nil
}

// readKids reads what is left of an object or a list.
func readKids(dec *json.Decoder, object bool, depth int) (node, error) {
	n := node{object: object}
	for dec.More() {
		var key string
		if object {
			tok, err := dec.Token()
			if err != nil {
				return n, fmt.Errorf("key: %w", err)
			}
			key, _ = tok.(string)
		}
		kid, err := read(dec, depth+1)
		if err != nil {
			return n, err
		}
		kid.key = key
		n.kids = append(n.kids, kid)
	}
	if _, err := dec.Token(); err != nil {
		return n, fmt.Errorf("end: %w", err)
	}
	return n, nil
}

// inline is n as one line, if it is one: a scalar, a list of scalars, an amount
// with its currency, or nothing at all.
func (n node) inline(w *speaker) (string, bool) {
	switch {
	case n.truth != nil && *n.truth:
		return w.say("value.yes"), true
	case n.truth != nil:
		return w.say("value.no"), true
	case n.scalar:
		return n.text, true
	case n.deep:
		return "", false
	case len(n.kids) == 0:
		return "", true
	case n.object:
		return n.money()
	}
	var parts []string
	for _, kid := range n.kids {
		text, ok := kid.inline(w)
		if !kid.scalar || !ok || strings.ContainsRune(text, ',') { // else two items could be read as three
			return "", false
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", "), true
}

// money is an object of an amount and a currency and nothing else.
func (n node) money() (string, bool) {
	if len(n.kids) != 2 || !n.kids[0].scalar || !n.kids[1].scalar {
		return "", false
	}
	a, b := n.kids[0], n.kids[1]
	if a.key == "currency" {
		a, b = b, a
	}
	if a.key != "amount" || b.key != "currency" {
		return "", false
	}
	return a.text + " " + b.text, true
}
