package shop

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

//go:embed page.html static words
var files embed.FS

// types are those of the static files, by extension.
var types = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}

// languages are those of words/. The first is for whoever speaks none of them.
var languages = []language.Tag{language.English, language.Japanese}

// speaker says things in one language.
type speaker struct {
	Lang  string
	words map[string]string
}

// Say is the text under key.
func (s *speaker) Say(key string) (string, error) {
	text, ok := s.words[key]
	if !ok {
		return "", fmt.Errorf("words %s: no %s", s.Lang, key)
	}
	return text, nil
}

// pages is all that is compiled in.
type pages struct {
	page     *template.Template
	matcher  language.Matcher
	speakers []*speaker
}

// load reads the files. Its error is a fault of theirs.
func load() (*pages, error) {
	p := &pages{matcher: language.NewMatcher(languages)}
	var err error
	if p.page, err = template.ParseFS(files, "page.html"); err != nil {
		return nil, fmt.Errorf("page of the shop: %w", err)
	}
	for _, tag := range languages {
		sp := &speaker{Lang: tag.String()}
		raw, err := files.ReadFile("words/" + sp.Lang + ".json")
		if err != nil {
			return nil, fmt.Errorf("words of the shop: %w", err)
		}
		if err := json.Unmarshal(raw, &sp.words); err != nil {
			return nil, fmt.Errorf("words of the shop in %s: %w", sp.Lang, err)
		}
		p.speakers = append(p.speakers, sp)
	}
	return p, nil
}

// speak chooses the language of whoever asks.
func (p *pages) speak(r *http.Request) *speaker {
	_, i := language.MatchStrings(p.matcher, r.Header.Get("Accept-Language"))
	return p.speakers[i]
}

// sheet is what the template sees.
type sheet struct {
	*speaker
	Cases  []Case
	Modes  []Mode
	Name   string
	Phone  string // where the phone's pages begin
	Paired bool
	After  int // what of the tape has passed already
}

// page is the one page of the shop.
func (s *Shop) page(w http.ResponseWriter, r *http.Request) error {
	paired, err := s.conf.Desk.Paired(r.Context())
	if err != nil {
		return err
	}
	var b bytes.Buffer
	err = s.pages.page.Execute(&b, sheet{
		speaker: s.pages.speak(r), Cases: Cases, Modes: Modes, Name: Name,
		Phone: s.conf.PhoneURL + "/", Paired: paired, After: s.last(),
	})
	if err != nil {
		return fmt.Errorf("page of the shop: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = b.WriteTo(w) // who hung up needs no answer
	return nil
}

// static sends a file that is the same for everybody.
func (s *Shop) static(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("file")
	body, err := files.ReadFile("static/" + name)
	kind := types[path.Ext(name)]
	if err != nil || kind == "" {
		return errNotFound
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(body) // who hung up needs no answer
	return nil
}

// Keys are the keys of all words that begin with prefix: those that the page's
// scripts choose from.
func (s *speaker) Keys(prefix string) []string {
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(s.words)) {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	return keys
}
