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

	Attestation *Attestation `json:"attestation,omitempty" doc:"What its authenticator proved to be when it was paired."`
}

// Attestation is of what model an authenticator is.
type Attestation struct {
	Model         string    `json:"model" doc:"As FIDO's metadata calls it."`
	KeyProtection string    `json:"key_protection,omitempty" enum:"hardware,software" doc:"Where its keys are, as far as the metadata says."`
	AttestedAt    time.Time `json:"attested_at"`
	Against       string    `json:"against,omitempty" doc:"What the metadata says against the model today, such as REVOKED; UNLISTED if it does not know it any more, UNCHECKED if there is none."`
}

// attestationOf is that of the passkeys of one device, which are one in truth.
func attestationOf(creds []device.Credential) *Attestation {
	for _, c := range creds {
		if a := c.Attested; !a.At.IsZero() {
			return &Attestation{a.Model, string(a.Keys), a.At.UTC(), a.Against}
		}
	}
	return nil
}

// describe is d as administrators see it.
func (a *API) describe(ctx context.Context, d device.Device) (Device, error) {
	creds, err := a.Devices.CredentialsOf(ctx, d.ID)
	if err != nil {
		return Device{}, err
	}
	out := deviceOf(d)
	out.Attestation = attestationOf(creds)
	return out, nil
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
	if err != nil {
		return nil, err
	}
	out := deviceList{Devices: []Device{}}
	for _, d := range devices {
		described, err := a.describe(ctx, d)
		if err != nil {
			return nil, err
		}
		out.Devices = append(out.Devices, described)
	}
	return answer(out, nil)
}

func (a *API) getDevice(ctx context.Context, in *devicePath) (*body[Device], error) {
	d, err := a.Devices.Device(ctx, device.DeviceID(in.ID))
	if err != nil {
		return nil, err
	}
	return answer(a.describe(ctx, d))
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
