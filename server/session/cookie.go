package session

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The cookies of a browser. The prefix has browsers refuse one that another
// host, or a page without TLS, tries to plant (RFC 6265bis §4.1.3.2).
const (
	CookieName     = "__Host-mitome"      // a session: for devices
	DeskCookieName = "__Host-mitome-desk" // a [Desk]: for a user who has just signed in
)

// maxCookieAge is what browsers cut a cookie's age to.
const maxCookieAge = 400 * 24 * time.Hour

// Cookie is how a browser is given token, for as long as s lasts.
func (k *Keeper) Cookie(token string, s Session) *http.Cookie {
	return cookie(CookieName, token, s.ExpiresAt.Sub(k.Now()))
}

// NoCookie takes the cookie name from a browser.
func NoCookie(name string) *http.Cookie {
	c := cookie(name, "", 0)
	c.MaxAge = -1
	return c
}

// cookie is Strict: no call that another site began carries it, not even a
// click on a link. Pages ask for themselves again from our own origin.
func cookie(name, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(min(life, maxCookieAge) / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}

// byCookie returns the session of the browser that sent r. What may change
// something must come from our own pages: a cookie is sent without the user's
// doing, and knows neither ports nor, between our own hosts, origins.
func (k *Keeper) byCookie(r *http.Request) (Session, error) {
	token, err := cookieOf(r, CookieName)
	if err != nil {
		return Session{}, err
	}
	if mayChange(r) {
		if err := k.SameOrigin(r); err != nil {
			return Session{}, err
		}
	}
	s, err := k.session(r.Context(), idOf(token))
	if err != nil {
		return Session{}, err
	}
	// A token that is bound to a key was stolen from an app if a browser has it.
	if s.JKT != "" || !k.Now().Before(s.ExpiresAt) {
		return Session{}, ErrUnauthorized
	}
	return s, nil
}

// Peek returns the session of the browser that asks for a page, if it has one.
// It is for pages that anybody may ask for and that differ; what changes
// something stands behind [Require].
func (k *Keeper) Peek(r *http.Request) (Session, bool) {
	if mayChange(r) || HasProof(r) {
		return Session{}, false
	}
	s, err := k.byCookie(r)
	return s, err == nil
}

// SameOrigin returns ErrCrossSite unless a page of ours made r. Both headers are
// the browser's own, and no page can write them.
func (k *Keeper) SameOrigin(r *http.Request) error {
	origin, site := r.Header.Values("Origin"), r.Header.Values("Sec-Fetch-Site")
	if len(origin) != 1 || origin[0] != originOf(k.PublicURL) {
		return ErrCrossSite
	}
	// Not every browser says where a WebSocket comes from in Sec-Fetch-Site;
	// Origin, which the handshake must have (RFC 6455 §10.2), is what counts.
	if len(site) == 0 && upgrades(r) {
		return nil
	}
	if len(site) != 1 || site[0] != "same-origin" {
		return ErrCrossSite
	}
	return nil
}

// FromPage reports whether a browser says where r comes from, so that it is a
// page's doing and no app's.
func FromPage(r *http.Request) bool {
	return len(r.Header.Values("Origin")) > 0 || len(r.Header.Values("Sec-Fetch-Site")) > 0
}

// HasProof reports whether r is an app's call: with it, cookies count nothing.
func HasProof(r *http.Request) bool {
	return HasToken(r) || len(r.Header.Values("DPoP")) > 0
}

// mayChange reports whether more than reading may follow from r.
func mayChange(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead || upgrades(r)
}

func upgrades(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

// cookieOf reads the one cookie of that name.
func cookieOf(r *http.Request, name string) (string, error) {
	found := r.CookiesNamed(name)
	if len(found) != 1 || !wellFormed(found[0].Value) {
		return "", ErrUnauthorized
	}
	return found[0].Value, nil
}

// originOf is the origin of u as browsers write it (RFC 6454 §6.2).
func originOf(u string) string {
	p, err := url.Parse(u)
	if err != nil {
		return u
	}
	scheme, host := strings.ToLower(p.Scheme), strings.ToLower(p.Host)
	switch {
	case scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}
