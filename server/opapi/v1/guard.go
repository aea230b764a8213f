package v1

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// caller is the OP that makes a call.
type caller struct {
	name string
	conn *webhook.Adapter
	by   device.Actor
	only string // the one thing that its key is for; empty: everything
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// Assertions remembers which JWTs were used.
type Assertions interface {
	// SpendAssertion reports whether this is the first use of id on a connection,
	// and remembers it until then, on every node.
	SpendAssertion(ctx context.Context, op, id string, until time.Time) (fresh bool, err error)
}

// require lets an OP pass that has proven to be that of the connection in the
// path. The OP of another connection, one that calls from elsewhere, and a
// connection that is not there are refused alike.
func (h *Handler) require(c *gin.Context) {
	name := c.Param("name")
	id, err := h.identify(c.Request, name)
	switch {
	case errors.Is(err, op.ErrUnauthentic):
		h.refuse(c, name, err)
		return
	case err != nil:
		h.observe(name, err)
		web.Refuse(c, web.ProblemFor(c.Request.Context(), err).InCIBA())
		return
	}
	ctx := c.Request.Context()
	actor := device.Actor{Kind: device.ActorOP, ID: name + "/" + id.Name, IP: web.IP(ctx)}
	c.Request = c.Request.WithContext(context.WithValue(ctx, callerKey{}, caller{name, h.Connections[name], actor, id.Only}))
	c.Next()
}

// identify returns by what the caller has proven to be the OP. It reads nothing
// of a call that comes from elsewhere.
func (h *Handler) identify(r *http.Request, name string) (webhook.Identity, error) {
	conn, ok := h.Connections[name]
	if !ok {
		return webhook.Identity{}, op.ErrUnauthentic
	}
	ctx := r.Context()
	if !h.Networks.Admit(name, web.IP(ctx)) {
		return webhook.Identity{}, fmt.Errorf("%w: not from a network of the connection", op.ErrUnauthentic)
	}
	id, err := conn.Authenticate(r)
	if err != nil || id.Once == "" {
		return id, err
	}
	// Last of all: who cannot sign must not be able to use up what the OP signs.
	fresh, err := h.Assertions.SpendAssertion(ctx, name, id.Once, id.Until)
	if err == nil && !fresh {
		err = fmt.Errorf("%w: jti was used before", op.ErrUnauthentic)
	}
	return id, err
}

// whole lets the OP pass and no key that is for one thing alone, and till only a
// key that is for the exchange of codes. To the others the call is as forbidden as
// to a stranger.
func (h *Handler) whole(c *gin.Context) { h.only(c, "") }

func (h *Handler) till(c *gin.Context) { h.only(c, webhook.OnlyHintTokens) }

func (h *Handler) only(c *gin.Context, what string) {
	if by := callerOf(c.Request.Context()); by.only != what {
		h.refuse(c, by.name, fmt.Errorf("%w: key %s is for something else", op.ErrUnauthentic, by.by.ID))
		return
	}
	c.Next()
}

// refuse says no, and to the operator alone why.
func (h *Handler) refuse(c *gin.Context, name string, err error) {
	ctx := c.Request.Context()
	if _, known := h.Connections[name]; known {
		if h.Observe != nil {
			h.Observe(name, unauthentic)
		}
		if h.Log != nil {
			h.Log.WarnContext(ctx, "op call refused", "op", name, "ip", web.IP(ctx), "call", web.CallID(ctx), "err", err)
		}
	}
	c.Header("WWW-Authenticate", `Bearer realm="mitome"`)
	p := &web.Problem{Type: "urn:mitome:unauthorized", Title: "This does not come from the OP of this connection.", Status: http.StatusUnauthorized}
	web.Refuse(c, p.InCIBA())
}
