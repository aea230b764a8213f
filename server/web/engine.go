package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
)

// releaseMode is Gin's own global, set once: its debug mode prints routes to
// standard output, and on a panic the headers of the call, tokens among them.
var releaseMode = sync.OnceFunc(func() { gin.SetMode(gin.ReleaseMode) })

// NewEngine returns a Gin engine that every listener of Mitome starts from: one
// log line a call, panics caught, headers that keep browsers from guessing, and
// problems for what is not there. Trusted names the proxies (addresses or
// networks) whose X-Forwarded-For is believed; usually none.
func NewEngine(log *slog.Logger, trusted []string) (*gin.Engine, error) {
	releaseMode()
	e := gin.New()
	e.HandleMethodNotAllowed = true
	// A path has one spelling: a redirect would answer where a proof was made
	// for another URL, and would send a body on its way twice.
	e.RedirectTrailingSlash, e.RedirectFixedPath = false, false
	if err := e.SetTrustedProxies(trusted); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	// Gin would also believe X-Real-IP, which a proxy that sets the other header
	// passes on as the caller wrote it.
	e.RemoteIPHeaders = []string{"X-Forwarded-For"}
	e.Use(Log(log), Recover(log), Headers(), bounded)
	e.NoRoute(func(c *gin.Context) { Fail(c, ErrNotFound) })
	e.NoMethod(func(c *gin.Context) { Fail(c, ErrMethod) })
	return e, nil
}

// backstop is the most that any route can read of a body, whatever it does: twice
// what the largest of them takes, so that each can still say itself that a body
// is too large.
const backstop = 2 * MaxBody

// bounded holds every body under the backstop.
func bounded(c *gin.Context) {
	if c.Request.Body != nil {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, backstop)
	}
	c.Next()
}

// OnlyTLS tells browsers to come by TLS alone for a year, whatever a link says;
// those who came without it do not believe it (RFC 6797 §8.1). It names no
// subdomains: they may not be ours.
func OnlyTLS(c *gin.Context) {
	c.Header("Strict-Transport-Security", "max-age=31536000")
	c.Next()
}

// Headers sets what every answer of an API carries. A page that needs more sets
// its own Content-Security-Policy over this one.
func Headers() gin.HandlerFunc {
	return func(c *gin.Context) {
		h := c.Writer.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		c.Next()
	}
}
