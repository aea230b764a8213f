package webui

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// words is every text of the pages, in every language.
type words struct {
	matcher  language.Matcher
	speakers []*Speaker // English first: it is what an unknown language falls back to
}

// Speaker says things in one language.
type Speaker struct {
	lang  string
	texts *i18n.Localizer
}

func loadWords() (*words, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	dirs, err := fs.ReadDir(files, "words")
	if err != nil {
		return nil, fmt.Errorf("list words: %w", err)
	}
	tags := []language.Tag{language.English}
	for _, d := range dirs {
		tag, err := language.Parse(d.Name())
		if err != nil {
			return nil, fmt.Errorf("words/%s: %w", d.Name(), err)
		}
		if err := loadLanguage(bundle, tag); err != nil {
			return nil, err
		}
		if tag != language.English {
			tags = append(tags, tag)
		}
	}
	w := &words{matcher: language.NewMatcher(tags)}
	for _, tag := range tags {
		w.speakers = append(w.speakers, &Speaker{tag.String(), i18n.NewLocalizer(bundle, tag.String())})
	}
	return w, nil
}

// loadLanguage reads every file of one language.
func loadLanguage(bundle *i18n.Bundle, tag language.Tag) error {
	names, err := fs.Glob(files, "words/"+tag.String()+"/*.json")
	if err != nil {
		return fmt.Errorf("list words of %s: %w", tag, err)
	}
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			return fmt.Errorf("words: %w", err)
		}
		// The library reads the language off the file's name.
		if _, err := bundle.ParseMessageFileBytes(raw, tag.String()+path.Ext(name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Speak returns the speaker of the language nearest to accept, a BCP 47 tag or
// the value of an Accept-Language header.
func (u *UI) Speak(accept string) *Speaker {
	_, i := language.MatchStrings(u.words.matcher, accept)
	return u.words.speakers[i]
}

// Lang is the language, as a BCP 47 tag.
func (s *Speaker) Lang() string { return s.lang }

// Say is the text under key. What it holds besides is given in pairs of a name
// and a value: {{.Say "request.through" "OP" .OP}}.
func (s *Speaker) Say(key string, pairs ...any) (string, error) {
	data, err := paired(pairs)
	if err != nil {
		return "", fmt.Errorf("say %s: %w", key, err)
	}
	return s.localize(key, &i18n.LocalizeConfig{MessageID: key, TemplateData: data})
}

// Count is the text under key for n things.
func (s *Speaker) Count(key string, n int) (string, error) {
	return s.localize(key, &i18n.LocalizeConfig{MessageID: key, PluralCount: n})
}

func (s *Speaker) localize(key string, c *i18n.LocalizeConfig) (string, error) {
	text, err := s.texts.Localize(c)
	if err != nil {
		return "", fmt.Errorf("words %s: %s: %w", s.lang, key, err)
	}
	return text, nil
}

func paired(pairs []any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("a name without a value")
	}
	data := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("%v is not a name", pairs[i])
		}
		data[name] = pairs[i+1]
	}
	return data, nil
}
