package pages

import (
	"context"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
	"github.com/mitome-ciba/mitome/webui"
)

// code is where a user shows a till who she is. The page holds no code: its
// script asks for one after the passkey.
func (h *Handler) code(c *gin.Context) error {
	s, ok, err := h.who(c)
	if !ok {
		return err
	}
	if len(s.Devices) == 0 {
		c.Redirect(http.StatusSeeOther, "/unlock?to=/code")
		return nil
	}
	view, err := h.codeView(c.Request.Context(), s)
	if err != nil {
		return err
	}
	if len(view.Devices) == 0 && !view.Waits { // no till of hers could do anything with one
		return web.ErrNotFound
	}
	return h.send(c, screen{name: "code", title: "code.title", page: webui.Page{
		At: "code", Scripts: []string{"code"}, View: view,
	}})
}

// codeView is for whom this browser may show a code: for users of OPs that can
// ask whose it is.
func (h *Handler) codeView(ctx context.Context, s session.Session) (view webui.Code, err error) {
	for _, d := range s.Devices {
		u, err := h.Own.User(ctx, d.User)
		if err != nil {
			return webui.Code{}, err
		}
		if !slices.ContainsFunc(h.OPs, func(o OP) bool { return o.Name == u.OP && o.Codes }) {
			continue
		}
		if !d.MayApprove() {
			view.Waits = true
			continue
		}
		view.Devices = append(view.Devices, webui.CodeDevice{ID: string(d.ID), OP: h.titleOf(u.OP), User: called(u)})
	}
	view.Waits = view.Waits && len(view.Devices) == 0
	return view, nil
}
