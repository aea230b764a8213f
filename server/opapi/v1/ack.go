package v1

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// ticket holds a request's reports back until its OP was answered.
type ticket struct{ release func(time.Duration) }

type ticketKey struct{}

// hold has the call that ctx belongs to release a request once it is answered.
func hold(ctx context.Context, release func(time.Duration)) {
	if t, ok := ctx.Value(ticketKey{}).(*ticket); ok {
		t.release = release
		return
	}
	release(0)
}

// release lets reports go when the answer has left, whatever the answer was. An
// OP that hung up is told all the same: it knows its own Idempotency-Key.
func release(c *gin.Context) {
	t := &ticket{}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), ticketKey{}, t))
	defer func() { // on a panic too, and then nothing is written yet
		if t.release == nil {
			return
		}
		if c.Writer.Written() {
			_ = http.NewResponseController(c.Writer).Flush() // an OP that is gone asks again
		}
		t.release(0)
	}()
	c.Next()
}
