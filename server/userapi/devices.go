package userapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// Devices is what this API needs of device.Service for "my devices". Each method
// returns device.ErrDeviceNotFound for what is another user's.
type Devices interface {
	OwnDevices(ctx context.Context, c device.Caller) ([]device.Device, error)
	RenameOwn(ctx context.Context, c device.Caller, id device.DeviceID, name string) error
	RevokeOwn(ctx context.Context, c device.Caller, id device.DeviceID) error
	ConfirmDevice(ctx context.Context, c device.Caller, id device.DeviceID) error
	LostChallenge(ctx context.Context, c device.Caller, id device.DeviceID) (device.ToSign, error)
	Lost(ctx context.Context, c device.Caller, id device.DeviceID, assertion []byte) error
}

func (h *Handler) mountDevices(api huma.API) {
	const one = "/v1/devices/{id}"
	web.Register(api, read("/v1/devices", "list-devices", "Devices of the caller's users"), h.listDevices)
	web.Register(api, operation(http.MethodPatch, one, "rename-device", "Give a device another name"), h.renameDevice)
	web.Register(api, nothing(operation(http.MethodDelete, one, "revoke-device",
		"End this device, or one that cools off")), h.revokeDevice)
	web.Register(api, act(one+"/confirm", "confirm-device", "Let a cooling device be active"), h.confirmDevice)
	web.Register(api, act(one+"/lost/challenge", "begin-lost", "Begin to end another active device"), h.lostChallenge)
	web.Register(api, nothing(act(one+"/lost", "lost", "End another active device, by passkey")), witnessed(h, "report_lost", h.lost))
}

// nothing says that op answers without a body.
func nothing(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusNoContent
	return op
}

// caller is who calls in the words of package device.
func caller(ctx context.Context) device.Caller {
	s, _ := session.From(ctx)
	return device.Caller{Devices: s.Devices, IP: web.IP(ctx)}
}

type deviceOut struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	OP        string     `json:"op"`
	UserName  string     `json:"user_name"`
	State     string     `json:"state" enum:"cooling,active,revoked" doc:"A cooling device gets no requests and decides nothing"`
	This      bool       `json:"this" doc:"The caller is this device"`
	CreatedAt time.Time  `json:"created_at"`
	ActiveAt  *time.Time `json:"active_at,omitempty" doc:"When a cooling device becomes active by itself"`
	UsedAt    *time.Time `json:"used_at,omitempty" doc:"When it last decided or opened a session, to the minute"`

	DoubtfulSince *time.Time `json:"doubtful_since,omitempty" doc:"Since when notifications may not arrive at it"`
}

func (h *Handler) deviceOut(ctx context.Context, d device.Device, this bool) (deviceOut, error) {
	u, err := h.People.User(ctx, d.User)
	if err != nil {
		return deviceOut{}, fmt.Errorf("user of device %s: %w", d.ID, err)
	}
	out := deviceOut{
		ID: string(d.ID), Name: d.Name, OP: u.OP, UserName: u.Name, State: string(d.State), This: this,
		CreatedAt: d.CreatedAt.UTC(),
	}
	out.ActiveAt, out.UsedAt, out.DoubtfulSince = sometime(d.ActiveAt), sometime(d.UsedAt), sometime(d.DoubtfulSince())
	return out, nil
}

// sometime is t for a field that is left out while there is no such time.
func sometime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// isOf reports whether the caller is device id.
func isOf(c device.Caller, id device.DeviceID) bool {
	return slices.ContainsFunc(c.Devices, func(d device.Device) bool { return d.ID == id })
}

type devicesOut struct {
	Body struct {
		Devices []deviceOut `json:"devices"`
	}
}

// listDevices returns the devices of each user that this session stands for,
// those that cool off too, and none that is revoked.
func (h *Handler) listDevices(ctx context.Context, _ *struct{}) (*devicesOut, error) {
	c := caller(ctx)
	devices, err := h.Devices.OwnDevices(ctx, c)
	if err != nil {
		return nil, err
	}
	var out devicesOut
	out.Body.Devices = []deviceOut{}
	for _, d := range devices {
		one, err := h.deviceOut(ctx, d, isOf(c, d.ID))
		if err != nil {
			return nil, err
		}
		out.Body.Devices = append(out.Body.Devices, one)
	}
	return &out, nil
}

type oneDeviceOut struct{ Body deviceOut }

// changed answers with the device as it is after a change that was the caller's
// to make.
func (h *Handler) changed(ctx context.Context, id device.DeviceID) (*oneDeviceOut, error) {
	d, err := h.People.Device(ctx, id)
	if err != nil {
		return nil, err
	}
	out, err := h.deviceOut(ctx, d, isOf(caller(ctx), id))
	return &oneDeviceOut{out}, err
}

type renameIn struct {
	ByID
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"512"`
	}
}

func (h *Handler) renameDevice(ctx context.Context, in *renameIn) (*oneDeviceOut, error) {
	id := device.DeviceID(in.ID)
	if err := h.Devices.RenameOwn(ctx, caller(ctx), id, in.Body.Name); err != nil {
		return nil, err
	}
	return h.changed(ctx, id)
}

func (h *Handler) revokeDevice(ctx context.Context, in *ByID) (*struct{}, error) {
	return nil, h.Devices.RevokeOwn(ctx, caller(ctx), device.DeviceID(in.ID))
}

// confirmDevice is the one tap on an older device.
func (h *Handler) confirmDevice(ctx context.Context, in *ByID) (*oneDeviceOut, error) {
	id := device.DeviceID(in.ID)
	if err := h.Devices.ConfirmDevice(ctx, caller(ctx), id); err != nil {
		return nil, err
	}
	return h.changed(ctx, id)
}

type toSignOut struct {
	Body struct {
		Statement string          `json:"statement" doc:"The exact JSON text that will be signed: what is done, to which device, when"`
		Options   json.RawMessage `json:"options" doc:"WebAuthn's {\"publicKey\": PublicKeyCredentialRequestOptions}"`
	}
}

func (h *Handler) lostChallenge(ctx context.Context, in *ByID) (*toSignOut, error) {
	sign, err := h.Devices.LostChallenge(ctx, caller(ctx), device.DeviceID(in.ID))
	if err != nil {
		return nil, err
	}
	var out toSignOut
	out.Body.Statement, out.Body.Options = string(sign.Statement), sign.Options
	return &out, nil
}

type lostIn struct {
	ByID
	Body struct {
		Assertion jsonObject `json:"assertion" doc:"PublicKeyCredential, as JSON"`
	}
}

func (h *Handler) lost(ctx context.Context, in *lostIn) (*struct{}, error) {
	return nil, h.Devices.Lost(ctx, caller(ctx), device.DeviceID(in.ID), in.Body.Assertion.raw)
}
