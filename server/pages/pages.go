// Package pages is Mitome as a browser shows it. It fills the view structs of
// package webui; what happens on a page is done by its scripts, which call the
// same device API as a native app.
//
// # Why
//
// A page is never a right: it shows what the session may see and changes
// nothing. So pages are GET alone, and a link to one that is opened without a
// session asks for the passkey first and shows nothing before that.
//
// The cookie is SameSite=Strict, so a link from an e-mail or another site comes
// without it. Such a call is answered by a page that says nothing and opens the
// same address once more, from our own origin; only what comes without a session
// then is sent to /unlock.
package pages

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
	"github.com/mitome-ciba/mitome/webui"
)

// Handler serves the pages. All exported fields are needed but those that say
// otherwise.
type Handler struct {
	UI        *webui.UI
	Sessions  Sessions
	Approvals Approvals
	People    People
	Desks     Desks
	Own       Own
	Codes     Codes
	Quiet     Quiet
	Locks     Locks
	OPs       []OP
	Log       *slog.Logger
	Now       func() time.Time
	Violation func(directive string) // counts a report of a browser; may be nil
}

// Sessions says who is looking. Package server/session implements it.
type Sessions interface {
	// Peek returns the browser's session, if it has one.
	Peek(r *http.Request) (session.Session, bool)
}

// Approvals is what pages need of approval.Service.
type Approvals interface {
	Pending(ctx context.Context, w approval.Who) ([]approval.Request, error)
	Show(ctx context.Context, id approval.RequestID, w approval.Who, locale string) (approval.Shown, error)
	History(ctx context.Context, w approval.Who, limit int, locale string) ([]approval.Shown, error)
	Pause(ctx context.Context, w approval.Who, r approval.Request) (time.Duration, error)
}

// People is what pages need to know of devices.
type People interface {
	Device(ctx context.Context, id device.DeviceID) (device.Device, error)
}

// Mount adds the pages to e, and answers browsers that ask for what is not there.
func (h *Handler) Mount(e *gin.Engine) {
	e.GET("/static/:hash/*file", h.static)
	e.GET("/sw.js", h.handle(h.worker))
	e.POST("/csp", h.report)
	g := e.Group("", Headers())
	g.GET("/", h.handle(h.home))
	g.GET("/requests/:id", h.handle(h.request))
	g.GET("/code", h.handle(h.code))
	h.mountPairing(g)
	e.NoRoute(Headers(), h.lost)
}

// screen is one page to be sent.
type screen struct {
	status int    // 200 if zero
	name   string // of the template
	title  string // key
	page   webui.Page
}

// send renders s. Nothing was written when it returns an error.
func (h *Handler) send(c *gin.Context, s screen) error {
	in := h.speaker(c)
	var err error
	if s.page.Title == "" {
		if s.page.Title, err = in.Say(s.title); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := h.UI.Render(&b, in, s.name, s.page); err != nil {
		return err
	}
	if s.status == 0 {
		s.status = http.StatusOK
	}
	c.Data(s.status, "text/html; charset=utf-8", b.Bytes())
	return nil
}

// speaker speaks the language that the browser asks for.
func (h *Handler) speaker(c *gin.Context) *webui.Speaker {
	return h.UI.Speak(c.GetHeader("Accept-Language"))
}

// handle adapts a page that returns its error.
func (h *Handler) handle(page func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := page(c); err != nil {
			h.fail(c, err)
		}
	}
}

// who returns the caller, or has answered the call: by the page that opens the
// address once more, or by sending the browser to /unlock.
func (h *Handler) who(c *gin.Context) (session.Session, bool, error) {
	s, ok := h.Sessions.Peek(c.Request)
	switch {
	case ok:
		c.Request = c.Request.WithContext(session.With(c.Request.Context(), s)) // for the log
		return s, true, nil
	case fromElsewhere(c.Request):
		return s, false, h.bounce(c)
	}
	c.Redirect(http.StatusSeeOther, "/unlock?"+url.Values{"to": {c.Request.URL.Path}}.Encode())
	return s, false, nil
}

// fromElsewhere reports whether another site led here, so that the cookie stayed
// behind.
func fromElsewhere(r *http.Request) bool { return r.Header.Get("Sec-Fetch-Site") == "cross-site" }

// bounce opens the same address once more, from our own origin.
func (h *Handler) bounce(c *gin.Context) error {
	return h.send(c, screen{name: "bounce", title: "bounce.title", page: webui.Page{
		Scripts: []string{"bounce"}, View: webui.Bounce{Href: c.Request.URL.RequestURI()},
	}})
}

// whoOf is a session in the words of package approval.
func whoOf(c *gin.Context, s session.Session) approval.Who {
	return approval.Who{Devices: s.Devices, Actor: device.Actor{IP: web.IP(c.Request.Context())}}
}

// lost answers what is not there: a person gets a page, a program a problem.
func (h *Handler) lost(c *gin.Context) {
	if c.Request.Method == http.MethodGet && strings.Contains(c.GetHeader("Accept"), "text/html") {
		h.fail(c, web.ErrNotFound)
		return
	}
	web.Fail(c, web.ErrNotFound)
}

// fail shows err as a page. What is another's looks like what is not there.
func (h *Handler) fail(c *gin.Context, err error) {
	p := web.ProblemFor(c.Request.Context(), err)
	key, glyph := "error.failed", "!"
	switch {
	case p.Status == http.StatusNotFound:
		key, glyph = "error.not_found", "?"
	case p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable:
		key, glyph = "error.busy", "…"
	}
	c.Abort()
	if err := h.errorPage(c, p.Status, key, glyph); err != nil {
		h.Log.ErrorContext(c.Request.Context(), "error page", "call", web.CallID(c.Request.Context()), "err", err)
		c.Status(http.StatusInternalServerError)
	}
}

func (h *Handler) errorPage(c *gin.Context, status int, key, glyph string) error {
	in, view := h.speaker(c), webui.Error{Glyph: glyph, Link: &webui.Link{Href: "/"}}
	for _, t := range []struct {
		into *string
		key  string
	}{{&view.Heading, key + ".title"}, {&view.Text, key + ".text"}, {&view.Link.Text, "error.home"}} {
		var err error
		if *t.into, err = in.Say(t.key); err != nil {
			return err
		}
	}
	return h.send(c, screen{status: status, name: "error", page: webui.Page{Title: view.Heading, View: view}})
}
