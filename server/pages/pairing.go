package pages

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/webui"
)

// OP is a connection as a person chooses it.
type OP struct {
	Name    string // as configured
	Title   string // for people; the name if there is none
	SignIn  bool   // users may sign in there and pair by themselves
	Codes   bool   // it can ask whose code a till has read
	Bound   bool   // some client of it asks for passkeys that cannot be synced
	Attests bool   // some client of it asks for passkeys whose authenticator is known
}

// title is what a person calls the OP.
func (o OP) title() string {
	if o.Title == "" {
		return o.Name
	}
	return o.Title
}

// Desks says who has just signed in at an OP. Package server/session implements it.
type Desks interface {
	PeekDesk(r *http.Request) (session.Desk, bool)
}

// mountPairing adds the pages on the way to a paired device.
func (h *Handler) mountPairing(g *gin.RouterGroup) {
	g.GET("/pair", h.handle(h.pair))
	g.GET("/pair/new", h.handle(h.offer))
	g.GET("/signin", h.handle(h.signIn))
	g.GET("/unlock", h.handle(h.unlock))
	g.GET("/devices", h.handle(h.devices))
	g.GET("/code-word", h.handle(h.codeWord))
	g.GET("/quiet", h.handle(h.quiet))
	g.GET("/lock", h.handle(h.lock))
}

// pair is the phone's side. It needs no session and shows nothing of anybody:
// the secret is in the fragment, which the browser keeps to itself.
func (h *Handler) pair(c *gin.Context) error {
	return h.send(c, screen{name: "pair", title: "pair.title", page: webui.Page{Scripts: []string{"pair"}}})
}

// offer is the first screen's side, for a user who has just signed in at her OP.
func (h *Handler) offer(c *gin.Context) error {
	d, ok := h.Desks.PeekDesk(c.Request)
	if !ok && fromElsewhere(c.Request) {
		return h.bounce(c)
	}
	if !ok {
		c.Redirect(http.StatusSeeOther, "/signin")
		return nil
	}
	u, err := h.Own.User(c.Request.Context(), d.User)
	if err != nil {
		return err
	}
	return h.send(c, screen{name: "offer", title: "offer.title", page: webui.Page{
		Wide: true, Scripts: []string{"offer"}, View: webui.Offer{Name: called(u), OP: h.titleOf(d.OP)},
	}})
}

// unlock asks for a passkey where the session is gone. It says nothing about
// anybody before that.
func (h *Handler) unlock(c *gin.Context) error {
	to := within(c.Query("to"))
	if s, ok := h.Sessions.Peek(c.Request); ok && len(s.Devices) > 0 {
		c.Redirect(http.StatusSeeOther, to)
		return nil
	}
	return h.send(c, screen{name: "unlock", title: "unlock.title", page: webui.Page{
		Scripts: []string{"unlock"}, View: webui.Unlock{To: to},
	}})
}

// maxTo bounds what is carried through the passkey's dialogue; our own paths are
// far shorter.
const maxTo = 200

// within returns the path that to names if it is one of ours, and the first page
// otherwise. Somebody else may have written the link: without this, Mitome would
// lead a user who has just used her passkey to any site (an open redirect).
// "//evil" and "/\evil" are other hosts to a browser, so a path is taken apart
// and only its own half is kept.
func within(to string) string {
	u, err := url.Parse(to)
	switch {
	case err != nil, len(to) > maxTo, u.Scheme != "", u.Host != "", u.User != nil, u.Opaque != "":
		return "/"
	case !strings.HasPrefix(u.Path, "/"), strings.HasPrefix(u.Path, "//"), strings.ContainsAny(u.Path, "\\\t\r\n"):
		return "/"
	case u.Path == "/unlock":
		return "/"
	}
	return u.EscapedPath()
}

// titleOf is what a person calls the OP of that name.
func (h *Handler) titleOf(name string) string {
	for _, o := range h.OPs {
		if o.Name == name {
			return o.title()
		}
	}
	return name
}
