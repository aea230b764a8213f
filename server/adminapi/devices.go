package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// Device is a device, as administrators see it: without its addresses.
type Device struct {
	ID        string     `json:"id"`
	User      string     `json:"user"`
	Name      string     `json:"name"`
	State     string     `json:"state" enum:"cooling,active,revoked"`
	CreatedAt time.Time  `json:"created_at"`
	ActiveAt  *time.Time `json:"active_at,omitempty" doc:"When a cooling device becomes active by itself."`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	UsedAt    *time.Time `json:"used_at,omitempty" doc:"When it last decided or opened a session, to the minute."`

	DoubtfulSince *time.Time `json:"doubtful_since,omitempty" doc:"Since when no notification came through to it."`
}

func deviceOf(d device.Device) Device {
	out := Device{
		ID: string(d.ID), User: string(d.User), Name: d.Name, State: string(d.State), CreatedAt: d.CreatedAt.UTC(),
	}
	out.ActiveAt, out.RevokedAt, out.UsedAt = sometime(d.ActiveAt), sometime(d.RevokedAt), sometime(d.UsedAt)
	out.DoubtfulSince = sometime(d.DoubtfulSince())
	return out
}

// sometime is t for a field that is left out while there is no such time.
func sometime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

type deviceList struct {
	Devices []Device `json:"devices"`
}

type (
	devicePath struct {
		ID string `path:"id" maxLength:"64"`
	}
	renameIn struct {
		ID   string `path:"id" maxLength:"64"`
		Body struct {
			Name string `json:"name" minLength:"1" maxLength:"512"`
		}
	}
)

func (a *API) mountDevices(api huma.API) {
	web.Register(api, get("/v1/users/{id}/devices", "list-devices", "A user's devices"), a.listDevices)
	web.Register(api, get("/v1/devices/{id}", "get-device", "One device"), a.getDevice)
	web.Register(api, post("/v1/devices/{id}/rename", "rename-device", "Give a device another name", http.StatusOK), a.rename)
	web.Register(api, post("/v1/devices/{id}/revoke", "revoke-device", "End a device for good", http.StatusOK), a.revoke)
	web.Register(api, post("/v1/devices/{id}/activate", "activate-device",
		"Let a cooling device be active before its time", http.StatusOK), a.activate)
}

func (a *API) listDevices(ctx context.Context, in *userPath) (*body[deviceList], error) {
	if _, err := a.Users.User(ctx, device.UserID(in.ID)); err != nil {
		return nil, err
	}
	devices, err := a.Devices.DevicesOf(ctx, device.UserID(in.ID))
	out := deviceList{Devices: []Device{}}
	for _, d := range devices {
		out.Devices = append(out.Devices, deviceOf(d))
	}
	return answer(out, err)
}

func (a *API) getDevice(ctx context.Context, in *devicePath) (*body[Device], error) {
	d, err := a.Devices.Device(ctx, device.DeviceID(in.ID))
	return answer(deviceOf(d), err)
}

func (a *API) rename(ctx context.Context, in *renameIn) (*body[Device], error) {
	if err := a.Devices.Rename(ctx, device.DeviceID(in.ID), in.Body.Name, actorOf(ctx)); err != nil {
		return nil, err
	}
	return a.getDevice(ctx, &devicePath{in.ID})
}

func (a *API) revoke(ctx context.Context, in *devicePath) (*body[Device], error) {
	if err := a.Devices.Revoke(ctx, device.DeviceID(in.ID), actorOf(ctx)); err != nil {
		return nil, err
	}
	return a.getDevice(ctx, in)
}

// activate is for a user whose other devices are all out of reach.
func (a *API) activate(ctx context.Context, in *devicePath) (*body[Device], error) {
	if err := a.Devices.Activate(ctx, device.DeviceID(in.ID), actorOf(ctx)); err != nil {
		return nil, err
	}
	return a.getDevice(ctx, in)
}
