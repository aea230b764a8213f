package show

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// locales holds one file a language. Another language is another file.
//
//go:embed locales/*.json
var locales embed.FS

// Titles of a push that may not say what it is about. They are keys of the
// catalogues.
const (
	PushRequest = "push.request" // a request waits
	PushTest    = "push.test"    // the address works
)

// Catalogue is every word that users read, in every language. It is safe for
// concurrent use.
type Catalogue struct {
	matcher language.Matcher
	tags    []language.Tag // English first: it is what an unknown language falls back to
	texts   []*i18n.Localizer
	builtIn *Templates
}

// Load reads the catalogues and the templates that are compiled in.
func Load() (*Catalogue, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	files, err := fs.Glob(locales, "locales/*.json")
	if err != nil {
		return nil, fmt.Errorf("list catalogues: %w", err)
	}
	c := &Catalogue{tags: []language.Tag{language.English}}
	if c.builtIn, err = BuiltIn(); err != nil {
		return nil, err
	}
	for _, f := range files {
		tag, err := language.Parse(strings.TrimSuffix(path.Base(f), ".json"))
		if err != nil {
			return nil, fmt.Errorf("catalogue %s: %w", f, err)
		}
		if _, err := bundle.LoadMessageFileFS(locales, f); err != nil {
			return nil, fmt.Errorf("catalogue %s: %w", f, err)
		}
		if tag != language.English {
			c.tags = append(c.tags, tag)
		}
	}
	for _, tag := range c.tags {
		c.texts = append(c.texts, i18n.NewLocalizer(bundle, tag.String()))
	}
	c.matcher = language.NewMatcher(c.tags)
	return c, nil
}

// Locales are the languages of the catalogues, as BCP 47 tags.
func (c *Catalogue) Locales() []string {
	out := make([]string, len(c.tags))
	for i, t := range c.tags {
		out[i] = t.String()
	}
	return out
}

// Text is the text under key in the catalogue nearest to locale, which may also
// be the value of an Accept-Language header.
func (c *Catalogue) Text(locale, key string) (string, error) {
	w := c.speak(locale)
	s := w.say(key)
	return s, w.err
}

// speaker says things in one language. It keeps the first error, so that a view
// can be built as one expression and checked once.
type speaker struct {
	locale string
	texts  *i18n.Localizer
	err    error
}

func (c *Catalogue) speak(locale string) *speaker {
	_, i := language.MatchStrings(c.matcher, locale)
	return &speaker{locale: c.tags[i].String(), texts: c.texts[i]}
}

// say is the text under key.
func (s *speaker) say(key string) string { return s.localize(&i18n.LocalizeConfig{MessageID: key}) }

// fill is the text under key, about whoever asks.
func (s *speaker) fill(key, client string) string {
	return s.localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: map[string]string{"client": client}})
}

// both is the text under key, about whoever asks and what for.
func (s *speaker) both(key, client, message string) string {
	return s.localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: map[string]string{"client": client, "message": message}})
}

// count is the text under key for n things.
func (s *speaker) count(key string, n int) string {
	return s.localize(&i18n.LocalizeConfig{MessageID: key, PluralCount: n})
}

func (s *speaker) localize(c *i18n.LocalizeConfig) string {
	text, err := s.texts.Localize(c)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("catalogue %s: %s: %w", s.locale, c.MessageID, err)
	}
	return text
}
