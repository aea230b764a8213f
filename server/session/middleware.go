package session

import (
	"context"

	"github.com/gin-gonic/gin"
)

// contextKey is the key of the session in a call's context.
type contextKey struct{}

// Require lets only calls with a session pass, and puts it into their context.
// Fail answers the others; it is given so that this package need not know how a
// problem is told.
func Require(k *Keeper, fail func(*gin.Context, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		s, err := k.Authenticate(c.Request)
		if err != nil {
			fail(c, err)
			c.Abort()
			return
		}
		c.Request = c.Request.WithContext(With(c.Request.Context(), s))
		c.Next()
	}
}

// With returns ctx with s in it.
func With(ctx context.Context, s Session) context.Context {
	return context.WithValue(ctx, contextKey{}, s)
}

// From returns the session in ctx, if there is one.
func From(ctx context.Context) (Session, bool) {
	s, ok := ctx.Value(contextKey{}).(Session)
	return s, ok
}
