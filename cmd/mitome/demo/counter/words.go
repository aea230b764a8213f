package counter

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// languages are those of every page. The first is for whoever speaks none of them.
var languages = []language.Tag{language.English, language.Japanese}

// Words are what a page says, in each language.
type Words struct {
	matcher  language.Matcher
	speakers []*Speaker
}

// Speaker says things in one language.
type Speaker struct {
	Lang  string
	words map[string]string
}

// LoadWords reads the folder words of files, which has one file a language. Each
// must have every word.
func LoadWords(files fs.FS) (*Words, error) {
	w := &Words{matcher: language.NewMatcher(languages)}
	for _, tag := range languages {
		sp := &Speaker{Lang: tag.String()}
		raw, err := fs.ReadFile(files, "words/"+sp.Lang+".json")
		if err != nil {
			return nil, fmt.Errorf("words: %w", err)
		}
		if err := json.Unmarshal(raw, &sp.words); err != nil {
			return nil, fmt.Errorf("words in %s: %w", sp.Lang, err)
		}
		w.speakers = append(w.speakers, sp)
	}
	return w, w.complete()
}

// complete says which word is missing in a language, if one is.
func (w *Words) complete() error {
	for _, a := range w.speakers {
		for _, b := range w.speakers {
			for key := range a.words {
				if b.words[key] == "" {
					return fmt.Errorf("words in %s: %s is missing or empty", b.Lang, key)
				}
			}
		}
	}
	return nil
}

// Speak chooses the language of whoever asks.
func (w *Words) Speak(r *http.Request) *Speaker {
	_, i := language.MatchStrings(w.matcher, r.Header.Get("Accept-Language"))
	return w.speakers[i]
}

// Say is the text under key.
func (s *Speaker) Say(key string) (string, error) {
	text, ok := s.words[key]
	if !ok {
		return "", fmt.Errorf("words %s: no %s", s.Lang, key)
	}
	return text, nil
}

// Keys are the keys of all words that begin with prefix: those that a page's
// scripts choose from.
func (s *Speaker) Keys(prefix string) []string {
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(s.words)) {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	return keys
}
