package userapi

import (
	"context"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// QuietHours is what this API needs of approval.Service for when users are not
// woken.
type QuietHours interface {
	OwnHours(ctx context.Context, w approval.Who) ([]approval.OwnHours, error)
	SetOwnHours(ctx context.Context, w approval.Who, id device.DeviceID, h approval.Hours) error
}

func (h *Handler) mountQuiet(api huma.API) {
	web.Register(api, read("/v1/quiet-hours", "list-quiet-hours", "When the caller's users are not to be woken"), h.listQuietHours)
	web.Register(api, nothing(act("/v1/devices/{id}/quiet-hours", "set-quiet-hours",
		"Set when the user of this device is not to be woken; without a zone: never")), h.setQuietHours)
}

type quietHoursOut struct {
	Body struct {
		QuietHours []quietHours `json:"quiet_hours"`
	}
}

type quietHours struct {
	OP       string `json:"op"`
	UserName string `json:"user_name"`
	DeviceID string `json:"device_id" doc:"The caller's device of this user"`
	Zone     string `json:"zone,omitempty" doc:"Time zone (IANA); absent: she has no quiet hours"`
	From     string `json:"from,omitempty" doc:"hh:mm there"`
	To       string `json:"to,omitempty" doc:"hh:mm; before from: on the next day"`
}

func (h *Handler) listQuietHours(ctx context.Context, _ *struct{}) (*quietHoursOut, error) {
	all, err := h.Quiet.OwnHours(ctx, who(ctx))
	if err != nil {
		return nil, err
	}
	var out quietHoursOut
	out.Body.QuietHours = []quietHours{}
	for _, o := range all {
		one := quietHours{OP: o.User.OP, UserName: o.User.Name, DeviceID: string(o.Device.ID), Zone: o.Hours.Zone}
		if o.Hours.Zone != "" {
			one.From, one.To = approval.ClockOf(o.Hours.From), approval.ClockOf(o.Hours.To)
		}
		out.Body.QuietHours = append(out.Body.QuietHours, one)
	}
	return &out, nil
}

type setQuietHoursIn struct {
	ByID
	Body struct {
		Zone string `json:"zone,omitempty" maxLength:"64" doc:"Time zone (IANA); none: no quiet hours"`
		From string `json:"from,omitempty" maxLength:"5" doc:"hh:mm there"`
		To   string `json:"to,omitempty" maxLength:"5" doc:"hh:mm; before from: on the next day"`
	}
}

func (h *Handler) setQuietHours(ctx context.Context, in *setQuietHoursIn) (*struct{}, error) {
	var hours approval.Hours
	if b := in.Body; b.Zone != "" {
		from, err := minuteOf(b.From)
		if err != nil {
			return nil, err
		}
		to, err := minuteOf(b.To)
		if err != nil {
			return nil, err
		}
		hours = approval.Hours{Zone: b.Zone, From: from, To: to}
	}
	return nil, h.Quiet.SetOwnHours(ctx, who(ctx), device.DeviceID(in.ID), hours)
}

// minuteOf reads hh:mm, as fields of type time write it.
func minuteOf(s string) (int, error) {
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("%w: a time of the day", approval.ErrHours)
	}
	return t.Hour()*60 + t.Minute(), nil
}
