package web

import (
	"fmt"
	"log/slog"
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
	e.Use(Log(log), Recover(log), Headers())
	e.NoRoute(func(c *gin.Context) { Fail(c, ErrNotFound) })
	e.NoMethod(func(c *gin.Context) { Fail(c, ErrMethod) })
	return e, nil
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
