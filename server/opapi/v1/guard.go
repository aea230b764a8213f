package v1

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// caller is the OP that makes a call.
type caller struct {
	name string
	conn *webhook.Adapter
	by   device.Actor
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// require lets an OP pass that gave a key of the connection in the path. A key
// of another connection, and a connection that is not there, are refused alike.
func (h *Handler) require(c *gin.Context) {
	name := c.Param("name")
	conn, ok := h.Connections[name]
	key := ""
	if ok {
		if key, ok = conn.KeyOf(bearer(c.Request)); !ok && h.Observe != nil {
			h.Observe(name, unauthentic)
		}
	}
	if !ok {
		c.Header("WWW-Authenticate", `Bearer realm="mitome"`)
		p := &web.Problem{Type: "urn:mitome:unauthorized", Title: "An API key of this connection is needed.", Status: http.StatusUnauthorized}
		web.Refuse(c, p.InCIBA())
		return
	}
	ctx := c.Request.Context()
	by := device.Actor{Kind: device.ActorOP, ID: name + "/" + key, IP: web.IP(ctx)}
	c.Request = c.Request.WithContext(context.WithValue(ctx, callerKey{}, caller{name, conn, by}))
	c.Next()
}

// bearer is the key that r brings; empty if it brings none, or several.
func bearer(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, given, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return given
}
