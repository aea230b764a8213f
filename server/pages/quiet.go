package pages

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
	"github.com/mitome-ciba/mitome/webui"
)

// Quiet is what the page of quiet hours needs of approval.Service.
type Quiet interface {
	OwnHours(ctx context.Context, w approval.Who) ([]approval.OwnHours, error)
}

// quiet is where a user says when she does not want to be woken.
func (h *Handler) quiet(c *gin.Context) error {
	s, ok, err := h.who(c)
	if !ok {
		return err
	}
	if len(s.Devices) == 0 {
		c.Redirect(http.StatusSeeOther, "/unlock?to=/quiet")
		return nil
	}
	ctx := c.Request.Context()
	all, err := h.Quiet.OwnHours(ctx, approval.Who{Devices: s.Devices, Actor: device.Actor{IP: web.IP(ctx)}})
	if err != nil {
		return err
	}
	var view webui.QuietHours
	for _, one := range all {
		row := webui.QuietHour{
			Device: string(one.Device.ID), Name: called(one.User), OP: h.titleOf(one.User.OP),
			Cooling: !one.Device.MayApprove(), From: "22:00", To: "07:00", Zone: one.Hours.Zone,
		}
		if row.Zone != "" {
			row.From, row.To = approval.ClockOf(one.Hours.From), approval.ClockOf(one.Hours.To)
		}
		view.Users = append(view.Users, row)
	}
	return h.send(c, screen{name: "quiet", title: "quiet.title", page: webui.Page{
		At: "quiet", Scripts: []string{"quiet"}, View: view,
	}})
}
