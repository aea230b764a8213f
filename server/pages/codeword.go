package pages

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
	"github.com/mitome-ciba/mitome/webui"
)

// Codes is what the page of the user's own code needs of device.Service.
type Codes interface {
	OwnCodes(ctx context.Context, c device.Caller) ([]device.OwnCode, error)
}

// codeWord is where a user sets the code of her own. People read "code word",
// because a phone has a passcode and a PIN already, and hers must be neither.
func (h *Handler) codeWord(c *gin.Context) error {
	s, ok, err := h.who(c)
	if !ok {
		return err
	}
	if len(s.Devices) == 0 {
		c.Redirect(http.StatusSeeOther, "/unlock?to=/code-word")
		return nil
	}
	ctx := c.Request.Context()
	codes, err := h.Codes.OwnCodes(ctx, device.Caller{Devices: s.Devices, IP: web.IP(ctx)})
	if err != nil {
		return err
	}
	var view webui.CodeWords
	for _, one := range codes {
		view.Users = append(view.Users, webui.CodeWord{
			Device: string(one.Device.ID), Name: called(one.User), OP: h.titleOf(one.User.OP),
			SetAt: one.SetAt, Cooling: device.May(one.Device, device.ActUserCode, one.Device) != nil,
		})
	}
	return h.send(c, screen{name: "codeword", title: "codeword.title", page: webui.Page{
		At: "codeword", Scripts: []string{"codeword"}, View: view,
	}})
}
