// Package show decides what a user sees of a request: every word, in her
// language, as one [View].
//
// # Why
//
// One place, because what is signed must be what was shown: the page, the
// program on a phone, the push and the evidence all read the same View, and its
// bytes are part of what the passkey signs. So the buttons and warnings are in
// it as well: they are what the user understood herself to be doing.
//
// Nothing that came with the request is interpreted, only laid out, as templates
// say that are data: a detail that none has a word for is shown under its own name
// and says that it is not known. What is not shown is not signed. Nothing is cut off. What does not fit the bounds is counted, and
// the View says that something is missing, because a truncated amount is another
// amount.
package show

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"github.com/mitome-ciba/mitome/approval"
)

// Connection is what users read of one connection, from the configuration.
type Connection struct {
	Title  string                       // what users know the OP as; empty: the connection's name
	Scopes map[string]map[string]string // scope, then language, then sentence
	Push   PushDetail                   // how much a push says; PushFull if empty

	Templates *Templates // how details are shown; nil: the built-in ones
	Strict    bool       // what has no template, or not all that it needs, cannot be approved
	// StrictOf says the same of clients, by their ids, for which it is otherwise.
	StrictOf map[string]bool
}

// strict reports whether what a client asks for must be known to be approved.
func (c Connection) strict(client string) bool {
	if strict, ok := c.StrictOf[client]; ok {
		return strict
	}
	return c.Strict
}

// Shower renders requests. It implements [approval.Views].
type Shower struct {
	Catalogue   *Catalogue
	Connections map[string]Connection // by name
}

// Viewer is who looks.
type Viewer = approval.Viewer

const (
	maxScopes = 30
	maxName   = 100 // characters of a client's name or id, and of a scope
)

// View implements [approval.Views]. The same request and viewer give the same
// bytes.
func (s *Shower) View(r approval.Request, who Viewer) ([]byte, error) {
	v, err := s.Render(r, who)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// Render is r as the viewer sees it. Its error, if any, is a fault of the
// catalogues.
func (s *Shower) Render(r approval.Request, who Viewer) (View, error) {
	w := s.Catalogue.speak(who.Locale)
	l := s.lay(w, r, who.Where)
	v := View{
		Version: version, Request: r.ID, Locale: w.locale,
		Headline: l.headline(), Details: l.out,
		OP: s.title(r.OP), Client: client(w, r), Place: whereabouts(w, who.Where),
		BindingMessage: approval.Spelled(r.BindingMessage),
		RequestedAt:    r.CreatedAt.UTC().Truncate(time.Second),
		ExpiresAt:      r.ExpiresAt.UTC().Truncate(time.Second),
		Words:          words(w), Ended: ended(w),
	}
	if r.Code.Source != approval.NoCode {
		v.Prompt = w.say("code.prompt")
	}
	scopes, left := s.scopes(l, r)
	v.Scopes, v.Kind, v.Title = scopes, l.kind, l.title()
	if l.omitted += left; l.omitted > 0 {
		v.Omitted = w.count("warning.omitted", l.omitted)
	}
	if s.Connections[r.OP].strict(r.ClientID) {
		v.Refused = l.refused()
	}
	if v.Refused == "" {
		v.Refused = barred(w, who.Where)
	}
	if v.Refused == "" {
		v.Refused = unfit(w, who.Unfit)
	}
	if v.Refused != "" {
		v.Words.Approve = "" // for whoever shows a button without looking
	}
	return v, w.err
}

// Approvable implements [approval.Views]. It goes by what Render shows.
func (s *Shower) Approvable(r approval.Request) error {
	v, err := s.Render(r, Viewer{})
	if err == nil && v.Refused != "" {
		err = approval.ErrUnknownDetails
	}
	return err
}

// unfit says why the viewer's device cannot approve.
func unfit(w *speaker, why error) string {
	switch {
	case why == nil:
		return ""
	case errors.Is(why, approval.ErrDeviceBound):
		return w.say("warning.synced")
	case errors.Is(why, approval.ErrAttestation):
		return w.say("warning.unattested")
	}
	return w.say("warning.rules")
}

// lay lays out the details of r as its connection has them shown.
func (s *Shower) lay(w *speaker, r approval.Request, at *approval.Where) *layout {
	t := s.Connections[r.OP].Templates
	if t == nil {
		t = s.Catalogue.builtIn
	}
	return lay(w, t, r.Context, at)
}

// titles says of each kind what it is called.
var titles = map[Kind]string{
	SignIn: "title.sign_in", Payment: "title.payment", Action: "title.action",
}

func (s *Shower) title(op string) string {
	if t := s.Connections[op].Title; t != "" {
		return t
	}
	return op
}

// client names who asks. A name too long for the screen would push what matters
// off it, so it is not used.
func client(w *speaker, r approval.Request) Client {
	c := Client{ID: approval.Spelled(r.ClientID), Name: approval.Spelled(r.ClientName)}
	if uniseg.GraphemeClusterCount(c.Name) > maxName {
		c.Name = ""
	}
	switch {
	case c.Name != "":
		c.Label = c.Name
	case c.ID != "":
		c.Label = bounded(w, c.ID, maxName)
	default:
		c.Label = w.say("client.unnamed")
	}
	return c
}

// standardScopes are those of OpenID Connect Core §5.4 and §11.
var standardScopes = map[string]string{
	"openid": "scope.openid", "profile": "scope.profile", "email": "scope.email",
	"address": "scope.address", "phone": "scope.phone", "offline_access": "scope.offline_access",
}

// scopes says what the client may do, and of how many scopes it says nothing. A
// sentence of the connection goes before the standard's.
func (s *Shower) scopes(l *layout, r approval.Request) (out []Scope, omitted int) {
	w := l.w
	for _, name := range r.Scope {
		if len(out) == maxScopes {
			return out, len(r.Scope) - maxScopes
		}
		sc := Scope{Scope: l.bounded(approval.Spelled(name), maxName)}
		if text := inLocale(s.Connections[r.OP].Scopes[name], w.locale); text != "" {
			sc.Text, sc.Known = text, true
		} else if key, ok := standardScopes[name]; ok {
			sc.Text, sc.Known = w.say(key), true
		} else if x := l.templates.scope(name); x != nil {
			l.kind = l.kind.or(x.kind)
			rest := approval.Spelled(strings.TrimPrefix(name, x.prefix))
			sc.Text, sc.Known = l.bounded(x.label.in(w)+": "+rest, maxName), true
		} else {
			sc.Text = sc.Scope
		}
		out = append(out, sc)
	}
	return out, 0
}

// inLocale chooses from an operator's own texts: the language, English, or
// whatever there is.
func inLocale(texts map[string]string, locale string) string {
	for _, l := range append([]string{locale, fallback}, slices.Sorted(maps.Keys(texts))...) {
		if texts[l] != "" {
			return texts[l]
		}
	}
	return ""
}

// fallback is the language of a text that is not there in the viewer's.
const fallback = "en"

// bounded returns s, or that it is too long to be shown.
func bounded(w *speaker, s string, most int) string {
	if n := uniseg.GraphemeClusterCount(s); n > most {
		return w.count("value.too_long", n)
	}
	return s
}

func words(w *speaker) Words {
	return Words{
		Client: w.say("label.client"), OP: w.say("label.op"), Message: w.say("label.message"),
		Scopes: w.say("label.scopes"), Details: w.say("label.details"),
		RequestedAt: w.say("label.requested_at"), ExpiresAt: w.say("label.expires_at"),
		Approve: w.say("button.approve"), Deny: w.say("button.deny"),
		NotMe: w.say("button.not_me"), Warning: w.say("warning.not_me"),
	}
}

func ended(w *speaker) Ended {
	return Ended{
		Approved: w.say("ended.approved"), Denied: w.say("ended.denied"),
		Expired: w.say("ended.expired"), Withdrawn: w.say("ended.withdrawn"),
	}
}

// Generic is the title of a push that may say nothing of the request: key is
// PushRequest or PushTest.
func (s *Shower) Generic(locale, key string) (string, error) {
	text, err := s.Catalogue.Text(locale, key)
	if err != nil {
		return "", fmt.Errorf("title of push: %w", err)
	}
	return text, nil
}
