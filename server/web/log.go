package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
)

// call is what is known of a call from its first moment.
type call struct {
	id string
	ip netip.Addr
}

// callKey is the key of the call in its context.
type callKey struct{}

// IP returns where the call came from, trusted proxies apart; zero outside a
// call.
func IP(ctx context.Context) netip.Addr {
	c, _ := ctx.Value(callKey{}).(call)
	return c.ip
}

// CallID returns the id that the call has in the log, and in the X-Request-Id
// header of its answer; empty outside a call.
func CallID(ctx context.Context) string {
	c, _ := ctx.Value(callKey{}).(call)
	return c.id
}

// Log writes one line for each call, at its end. It names the route by its
// pattern: a path may hold what gives a right, and a query always might.
func Log(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		began := time.Now()
		ip, _ := netip.ParseAddr(c.ClientIP())
		now := call{id: rand.Text()[:16], ip: ip.Unmap()}
		c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), callKey{}, now))
		c.Header("X-Request-Id", now.id)
		c.Next()
		log.LogAttrs(c.Request.Context(), levelOf(c), "call", lineOf(c, now, began)...)
	}
}

// lineOf is the line that Log writes.
func lineOf(c *gin.Context, now call, began time.Time) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("method", methodOf(c.Request)),
		slog.String("route", c.FullPath()),
		slog.Int("status", c.Writer.Status()),
		slog.Duration("took", time.Since(began)),
		slog.String("call", now.id),
	}
	if now.ip.IsValid() { // a Unix socket has none
		attrs = append(attrs, slog.String("ip", now.ip.String()))
	}
	if s, ok := session.From(c.Request.Context()); ok {
		ids := make([]device.DeviceID, len(s.Devices))
		for i, d := range s.Devices {
			ids[i] = d.ID
		}
		attrs = append(attrs, slog.String("session", string(s.ID)), slog.Any("devices", ids))
	}
	return attrs
}

// methodOf keeps a caller from writing words of its own into the log.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// routine are the calls of machines that ask whether all is well. While it is,
// nobody wants to read of them, and they come every few seconds.
var routine = []string{"/livez", "/readyz", "/metrics"}

func levelOf(c *gin.Context) slog.Level {
	switch status := c.Writer.Status(); {
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	case status == http.StatusOK && slices.Contains(routine, c.FullPath()):
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// Recover turns a panic in a handler into a 500 and a line with its stack. The
// headers of the call stay out of it, because tokens travel in them.
func Recover(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) { // net/http's own word for hanging up
				panic(v)
			}
			log.ErrorContext(c.Request.Context(), "panic", "panic", fmt.Sprint(v),
				"call", CallID(c.Request.Context()), "stack", string(debug.Stack()))
			if c.Writer.Written() {
				c.Abort()
				return
			}
			write(c, fault())
		}()
		c.Next()
	}
}
