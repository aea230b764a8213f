package pages

import (
	"context"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
	"github.com/mitome-ciba/mitome/webui"
)

// Own is what the list of devices needs of device.Service.
type Own interface {
	OwnDevices(ctx context.Context, c device.Caller) ([]device.Device, error)
	User(ctx context.Context, id device.UserID) (device.User, error)
	CredentialsOf(ctx context.Context, d device.DeviceID) ([]device.Credential, error)
}

// devices is "My devices": all that can approve for the users of this browser.
func (h *Handler) devices(c *gin.Context) error {
	s, ok, err := h.who(c)
	if !ok {
		return err
	}
	if len(s.Devices) == 0 { // the last was removed, perhaps from another
		c.Redirect(http.StatusSeeOther, "/unlock?to=/devices")
		return nil
	}
	ctx := c.Request.Context()
	all, err := h.Own.OwnDevices(ctx, device.Caller{Devices: s.Devices, IP: web.IP(ctx)})
	if err != nil {
		return err
	}
	view, err := h.list(ctx, s, all)
	if err != nil {
		return err
	}
	return h.send(c, screen{name: "devices", title: "devices.title", page: webui.Page{
		At: "devices", Scripts: []string{"devices"}, View: view,
	}})
}

// list is the devices as they are shown. What a device may do to another is
// asked of the rule itself, so that the page offers nothing that is refused.
func (h *Handler) list(ctx context.Context, s session.Session, all []device.Device) (webui.Devices, error) {
	var out webui.Devices
	for _, d := range all {
		u, err := h.Own.User(ctx, d.User)
		if err != nil {
			return webui.Devices{}, err
		}
		by := ownOf(s, d.User)
		row := webui.Device{
			ID: string(d.ID), Name: d.Name, OP: h.titleOf(u.OP), User: called(u),
			This: by.ID == d.ID, Cooling: d.State == device.Cooling,
			MayRename: device.May(by, device.ActRename, d) == nil,
			MayLose:   d.State == device.Active && device.May(by, device.ActLose, d) == nil,
			Paired:    d.CreatedAt, ActiveAt: d.ActiveAt, Used: d.UsedAt, Doubtful: d.DoubtfulSince(),
		}
		if row.Synced, err = h.synced(ctx, u.OP, d); err != nil {
			return webui.Devices{}, err
		}
		if row.Unattested, err = h.unattested(ctx, u.OP, d); err != nil {
			return webui.Devices{}, err
		}
		out.Devices = append(out.Devices, row)
		switch {
		case row.Cooling && row.This:
			out.Waiting = &row
		case row.Cooling && device.May(by, device.ActConfirm, d) == nil:
			out.New = append(out.New, row)
		}
	}
	return out, nil
}

// synced reports whether d cannot approve all that is asked over a connection,
// because its passkeys can be copied to other devices. Its user should know before
// she stands at a till.
func (h *Handler) synced(ctx context.Context, op string, d device.Device) (bool, error) {
	if !h.wantsBound(op) {
		return false, nil
	}
	passkeys, err := h.Own.CredentialsOf(ctx, d.ID)
	bound := slices.ContainsFunc(passkeys, func(c device.Credential) bool { return !c.BackupEligible })
	return !bound, err
}

// wantsBound reports whether a client of this connection asks for passkeys that
// cannot be synced.
func (h *Handler) wantsBound(op string) bool {
	return slices.ContainsFunc(h.OPs, func(o OP) bool { return o.Name == op && o.Bound })
}

// anyNew reports whether a device cools that this session may confirm or cancel:
// whoever did not pair it herself must hear of it wherever she looks first.
func (h *Handler) anyNew(ctx context.Context, s session.Session) (bool, error) {
	all, err := h.Own.OwnDevices(ctx, device.Caller{Devices: s.Devices, IP: web.IP(ctx)})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(all, func(d device.Device) bool {
		return d.State == device.Cooling && device.May(ownOf(s, d.User), device.ActConfirm, d) == nil
	}), nil
}

// ownOf is the session's own device of a user.
func ownOf(s session.Session, user device.UserID) device.Device {
	for _, d := range s.Devices {
		if d.User == user {
			return d
		}
	}
	return device.Device{}
}

// called is what a person calls the user: her name, and what the OP calls her
// where it gave none.
func called(u device.User) string {
	if u.Name == "" {
		return u.Subject
	}
	return u.Name
}
