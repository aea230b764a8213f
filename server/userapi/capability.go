package userapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// denyByCapability is the one thing that a device may do without a session: say
// no to what a notification asked, by what stood sealed in it.
var denyByCapability = huma.Operation{
	Method: http.MethodPost, OperationID: "deny-by-capability", Path: "/v1/requests/{id}/deny",
	Summary: "Deny by the capability of a notification", Security: []map[string][]string{},
}

type denyByIn struct {
	ByID
	Body struct {
		Capability string `json:"capability" minLength:"1" maxLength:"128" doc:"As it stood in the notification"`
	}
}

// holder lets in apps, and of a browser our own pages and their worker.
func (h *Handler) holder(c *gin.Context) {
	if session.FromPage(c.Request) {
		if err := h.Sessions.SameOrigin(c.Request); err != nil {
			web.Fail(c, err)
			return
		}
	}
	c.Next()
}

// denyBy takes a no from a notification. Nothing that comes along is believed, a
// cookie neither: the capability says which device it is, and is good for this
// alone. That one "did not start this" has consequences, so it cannot be said here.
//
// Only what failed is charged to the caller's network. All of a company may sit
// behind one address and say no at once, and guessing is hopeless anyway.
func (h *Handler) denyBy(ctx context.Context, in *denyByIn) (*stateOut, error) {
	r, err := h.Approvals.DenyBy(ctx, approval.RequestID(in.ID), approval.Secret(in.Body.Capability), device.Actor{IP: web.IP(ctx)})
	if err != nil {
		if slow := h.denials.Take(web.IP(ctx), h.Sessions.Now()); slow != nil {
			err = slow
		}
		return nil, err
	}
	var out stateOut
	out.Body.ID, out.Body.State = string(r.ID), string(r.State)
	return &out, nil
}
