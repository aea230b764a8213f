// Package signin is a relying party at each OP: a user signs in there afresh, and
// gets a desk at which she can pair a device by herself.
//
// # Why
//
// A device that is paired can approve everything its user may, so a pairing is
// only as strong as what started it. A running session at the OP is not enough,
// because whoever sits down at an open screen has that: the OP is asked to sign
// the user in again, and what it says of when and how is checked.
//
// The state of a sign-in travels in a cookie, sealed. It is Lax, because the OP's
// redirect is a navigation from another site; the desk's own cookie is Strict, so
// the answer to that redirect is a page that goes on from our own origin, and not
// one more redirect. There is no address to return to: where a sign-in leads
// stands here and nowhere in a request.
package signin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/limit"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// Handler serves the sign-in. All exported fields are needed.
type Handler struct {
	Providers map[string]*Provider // by the name of the connection
	People    People
	Desks     Desks
	Log       Log
	Sealer    Sealer
	Now       func() time.Time
	Warn      *slog.Logger

	// Fail shows the page for one of the codes below. Done shows, with status
	// 200, the page that goes on to /pair/new.
	Fail func(c *gin.Context, code string)
	Done func(c *gin.Context)

	tries limit.Network
}

// People is what a sign-in needs of device.Service.
type People interface {
	FindUser(ctx context.Context, s device.Subject) (device.User, error)
	AddUser(ctx context.Context, u device.User, by device.Actor) (device.User, error)
	AddHint(ctx context.Context, id device.UserID, h device.Hint, by device.Actor) error
}

// Desks opens a desk. Package server/session implements it.
type Desks interface {
	OpenDesk(ctx context.Context, d session.Desk) (*http.Cookie, session.Desk, error)
}

// Log writes down a sign-in that came to nothing. Package server/store
// implements it.
type Log interface {
	RefuseSignIn(ctx context.Context, op, code string, by device.Actor) error
}

// Sealer keeps the state of a sign-in from being read or made by others. Package
// server/seal implements it.
type Sealer interface {
	Seal(plaintext []byte, aad seal.AAD) ([]byte, error)
	Open(sealed []byte, aad seal.AAD) ([]byte, error)
}

// What a failed sign-in is called, on its page and in the audit log.
const (
	CodeUnknownOP   = "unknown_op"  // no such connection, or none where users can sign in
	CodeRate        = "rate"        // too many tries from one network
	CodeUnreachable = "unreachable" // the OP did not answer, or not as itself
	CodeNoState     = "no_state"    // the sign-in began in another browser, or too long ago
	CodeRefused     = "refused"     // the user or the OP said no
	CodeOPError     = "op_error"    // the OP said that something is wrong
	CodeToken       = "token"       // what the OP sent does not hold
	CodeStale       = "stale"       // the OP did not have the user sign in afresh
	CodeACR         = "acr"         // nor in a way that is strong enough
	CodeInternal    = "internal"    // our own fault
)

// failure is an error with the code of what to show for it.
type failure struct {
	code string
	err  error // for our log; nil if the code says it all
}

func (f *failure) Error() string {
	if f.err == nil {
		return "signin: " + f.code
	}
	return "signin: " + f.code + ": " + f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// codeOf is what is shown for err.
func codeOf(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	return CodeInternal
}

// Mount adds the routes.
func (h *Handler) Mount(e *gin.Engine) {
	e.GET("/signin/callback", h.callback)
	e.GET("/signin/:op", h.start)
}

// start sends the browser to the OP.
func (h *Handler) start(c *gin.Context) {
	name := c.Param("op")
	p, ok := h.Providers[name]
	if !ok {
		h.Fail(c, CodeUnknownOP) // not logged: the name is a stranger's word
		return
	}
	if !h.admit(c) {
		return
	}
	target, cookie, err := h.begin(c.Request.Context(), p)
	if err != nil {
		h.refuse(c, name, err)
		return
	}
	http.SetCookie(c.Writer, cookie)
	c.Redirect(http.StatusSeeOther, target)
}

// callback takes the browser back from the OP.
func (h *Handler) callback(c *gin.Context) {
	if !h.admit(c) {
		return
	}
	http.SetCookie(c.Writer, noCookie()) // a state serves once, whatever comes of it
	st, err := h.stateOf(c.Request)
	if err != nil {
		h.refuse(c, st.OP, err)
		return
	}
	cookie, err := h.finish(c.Request.Context(), st, c.Request.URL.Query())
	if err != nil {
		h.refuse(c, st.OP, err)
		return
	}
	http.SetCookie(c.Writer, cookie)
	h.Done(c)
}

// admit bounds what strangers cost, us and the OP. What it turns away is not
// audited, or the audit log would be what a flood fills.
func (h *Handler) admit(c *gin.Context) bool {
	err := h.tries.Take(web.IP(c.Request.Context()), h.Now())
	if err != nil {
		h.Fail(c, CodeRate)
	}
	return err == nil
}

// refuse ends a sign-in that came to nothing.
func (h *Handler) refuse(c *gin.Context, op string, err error) {
	ctx, code := c.Request.Context(), codeOf(err)
	h.Warn.WarnContext(ctx, "sign-in refused", "op", op, "code", code, "call", web.CallID(ctx), "err", err)
	if err := h.Log.RefuseSignIn(ctx, op, code, actor(op, web.IP(ctx))); err != nil {
		h.Warn.ErrorContext(ctx, "cannot audit a sign-in", "err", err)
		code = CodeInternal
	}
	h.Fail(c, code)
}

// actor is the OP: it is on its word that a user is made, found or refused.
func actor(op string, ip netip.Addr) device.Actor {
	return device.Actor{Kind: device.ActorOP, ID: op, IP: ip}
}
