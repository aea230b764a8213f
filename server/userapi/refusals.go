package userapi

import (
	"context"
	"errors"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
)

// Refusals is told of what was sent as a passkey's answer and did not hold. Those
// about a request are approval's to tell. It must not block.
type Refusals interface {
	Refused(r device.Refusal)
}

// witnessed is fn, with those of its refusals that are a passkey's told as act.
func witnessed[I, O any](h *Handler, act string, fn func(context.Context, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		out, err := fn(ctx, in)
		if errors.Is(err, device.ErrPasskey) {
			h.Refusals.Refused(refusalOf(ctx, act, in))
		}
		return out, err
	}
}

// refusalOf names the device that in is about, if it is the caller's, and
// otherwise the caller's only one.
func refusalOf(ctx context.Context, act string, in any) device.Refusal {
	r := device.Refusal{Act: act, By: phone(ctx)}
	s, _ := session.From(ctx)
	var about device.DeviceID
	if named, ok := in.(interface{ named() string }); ok {
		about = device.DeviceID(named.named())
	}
	for _, d := range s.Devices {
		if d.ID == about || len(s.Devices) == 1 {
			r.User, r.Device = d.User, d.ID
			r.By.Kind, r.By.ID = device.ActorDevice, string(d.ID)
		}
	}
	return r
}
