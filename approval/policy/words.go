package policy

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// builtinPhrases is the list that ships with Mitome: kind, language, phrases.
//
//go:embed phrases.json
var builtinPhrases []byte

// phrases are refused, or add up to a vague message.
type phrases struct{ Refused, Vague []string }

// builtin reads the built-in list; its languages are for its editors, not for
// matching, because a message may be in any.
func builtin() (phrases, error) {
	var file map[string]map[string][]string
	if err := json.Unmarshal(builtinPhrases, &file); err != nil {
		return phrases{}, fmt.Errorf("read built-in phrases: %w", err)
	}
	all := func(kind string) (out []string) {
		for _, lang := range slices.Sorted(maps.Keys(file[kind])) {
			out = append(out, file[kind][lang]...)
		}
		return out
	}
	return phrases{Refused: all("refused"), Vague: all("vague")}, nil
}

// words is text made fit for comparing: letters and digits only, folded in width
// and case. Edge says where a word may begin or end: where something was left
// out, and on either side of a character that is not ASCII, because Japanese
// writes no spaces.
type words struct {
	text []rune
	edge []bool // len(text)+1
}

// compact folds s.
func compact(s string) words {
	w := words{edge: []bool{true}}
	for _, r := range strings.ToLower(norm.NFKC.String(s)) {
		last := len(w.text)
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) {
			w.edge[last] = true
			continue
		}
		if r >= utf8.RuneSelf {
			w.edge[last] = true
		}
		w.text = append(w.text, r)
		w.edge = append(w.edge, r >= utf8.RuneSelf)
	}
	w.edge[len(w.text)] = true
	return w
}

func compactAll(list []string) []words {
	out := make([]words, len(list))
	for i, s := range list {
		out[i] = compact(s)
	}
	return out
}

// at reports whether p stands in w at position i, as whole words.
func (w words) at(i int, p words) bool {
	end := i + len(p.text)
	return len(p.text) > 0 && end <= len(w.text) && w.edge[i] && w.edge[end] &&
		slices.Equal(w.text[i:end], p.text)
}

// contains reports whether p stands anywhere in w, as whole words.
func (w words) contains(p words) bool {
	for i := range w.text {
		if w.at(i, p) {
			return true
		}
	}
	return false
}

// madeOf reports whether w is made of the given words and nothing else. A text
// without a letter or digit is made of nothing, and says nothing.
func (w words) madeOf(list []words) bool {
	reached := make([]bool, len(w.text)+1)
	reached[0] = true
	for i := range w.text {
		if !reached[i] {
			continue
		}
		for _, p := range list {
			if w.at(i, p) {
				reached[i+len(p.text)] = true
			}
		}
	}
	return reached[len(w.text)]
}
