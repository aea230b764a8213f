package pages

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
	"github.com/mitome-ciba/mitome/webui"
)

// Locks is what the page that stops everything needs of device.Service.
type Locks interface {
	OwnLocks(ctx context.Context, c device.Caller) ([]device.OwnLock, error)
}

// lock is where a user has everything stopped.
func (h *Handler) lock(c *gin.Context) error {
	s, ok, err := h.who(c)
	if !ok {
		return err
	}
	if len(s.Devices) == 0 {
		c.Redirect(http.StatusSeeOther, "/unlock?to=/lock")
		return nil
	}
	ctx := c.Request.Context()
	locks, err := h.Locks.OwnLocks(ctx, device.Caller{Devices: s.Devices, IP: web.IP(ctx)})
	if err != nil {
		return err
	}
	var view webui.Locks
	for _, one := range locks {
		view.Users = append(view.Users, webui.Lock{
			Device: string(one.Device.ID), Name: called(one.User), OP: h.titleOf(one.User.OP),
			At: one.At, Cooling: device.May(one.Device, device.ActLock, one.Device) != nil,
		})
	}
	return h.send(c, screen{name: "lock", title: "lock.title", page: webui.Page{
		At: "lock", Scripts: []string{"lock"}, View: view,
	}})
}
