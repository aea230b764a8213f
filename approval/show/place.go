package show

import (
	"github.com/nicksnyder/go-i18n/v2/i18n"

	"github.com/mitome-ciba/mitome/approval"
)

// Place says where the request was made, against where its viewer is.
type Place struct {
	Relation approval.Relation `json:"relation"`
	Text     string            `json:"text"`
	Warning  string            `json:"warning,omitempty"` // set if it was made in another country, and may be approved all the same
}

// whereabouts says what is known of places; nil if nothing was said of them.
func whereabouts(w *speaker, at *approval.Where) *Place {
	if at == nil {
		return nil
	}
	out := &Place{Relation: at.Relation, Text: w.where(at)}
	if at.Relation == approval.Elsewhere && at.Barred == "" {
		out.Warning = w.say("warning.far")
	}
	return out
}

// barred is why who looks cannot approve from where she is, if she cannot.
func barred(w *speaker, at *approval.Where) string {
	switch {
	case at == nil || at.Barred == "":
		return ""
	case at.Barred == approval.FarCode:
		return w.say("warning.far_code")
	}
	return w.say("warning.far_refused")
}

// where is the sentence about at.
func (s *speaker) where(at *approval.Where) string {
	asks, you := s.nameOf(at.Asks), s.nameOf(at.Viewer)
	switch {
	case at.Relation == approval.SameNetwork:
		return s.say("place.same_network")
	case asks == "":
		return s.say("place.unknown")
	case you == "" || at.Relation == approval.Unknown:
		return s.places("place.asks", asks, "")
	case asks == you: // also two cities of which no name is known
		return s.places("place.together", asks, "")
	}
	return s.places("place.apart", asks, you)
}

// nameOf is what people call p, as near as it is known; empty if it is not.
func (s *speaker) nameOf(p approval.Place) string {
	country := bounded(s, approval.Spelled(inLocale(p.Countries, s.locale)), maxName)
	if country == "" {
		country = bounded(s, approval.Spelled(p.Country), maxName)
	}
	city := bounded(s, approval.Spelled(inLocale(p.Cities, s.locale)), maxName)
	switch {
	case city == "":
		return country
	case country == "":
		return city
	}
	return s.localize(&i18n.LocalizeConfig{MessageID: "place.city", TemplateData: map[string]string{"city": city, "country": country}})
}

// places is the text under key, about where the device that asks and the viewer are.
func (s *speaker) places(key, asks, you string) string {
	return s.localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: map[string]string{"asks": asks, "you": you}})
}

// hide leaves the address out that a place is said of: words say it, and no more
// than they must.
func (l *layout) hide(n *node, at *approval.Where) {
	for i := range n.kids {
		kid := &n.kids[i]
		if !n.object || !kid.scalar || !approval.IsAddress(kid.key) {
			continue
		}
		if a, ok := approval.ParseAddress(kid.text); ok && a == at.Address {
			l.hidden[kid] = true
		}
	}
}
