package userapi

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// UserCodes is what this API needs of device.Service for the user's own code. An
// empty code takes it away.
type UserCodes interface {
	OwnCodes(ctx context.Context, c device.Caller) ([]device.OwnCode, error)
	CodeChallenge(ctx context.Context, c device.Caller, id device.DeviceID, code string) (device.ToSign, error)
	SetOwnCode(ctx context.Context, c device.Caller, id device.DeviceID, code string, assertion []byte) error
}

func (h *Handler) mountUserCodes(api huma.API) {
	const one = "/v1/devices/{id}/user-code"
	web.Register(api, read("/v1/user-codes", "list-user-codes", "Whether the caller's users have a code of their own"), h.listUserCodes)
	web.Register(api, act(one+"/challenge", "begin-user-code",
		"Begin to set the code of the user of this device, or to take it away"), h.userCodeChallenge)
	web.Register(api, nothing(act(one, "set-user-code",
		"Set the code of the user of this device, or take it away, by passkey")), witnessed(h, "user_code", h.setUserCode))
}

// userCodesOut never holds a code: nobody can read one here, not even its user.
type userCodesOut struct {
	Body struct {
		UserCodes []userCodeOut `json:"user_codes"`
	}
}

type userCodeOut struct {
	OP       string     `json:"op"`
	UserName string     `json:"user_name"`
	DeviceID string     `json:"device_id" doc:"The caller's device of this user"`
	SetAt    *time.Time `json:"set_at,omitempty" doc:"Absent: she has none"`
}

func (h *Handler) listUserCodes(ctx context.Context, _ *struct{}) (*userCodesOut, error) {
	codes, err := h.UserCodes.OwnCodes(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	var out userCodesOut
	out.Body.UserCodes = []userCodeOut{}
	for _, c := range codes {
		out.Body.UserCodes = append(out.Body.UserCodes, userCodeOut{
			OP: c.User.OP, UserName: c.User.Name, DeviceID: string(c.Device.ID), SetAt: sometime(c.SetAt),
		})
	}
	return &out, nil
}

type userCodeChallengeIn struct {
	ByID
	Body struct {
		UserCode string `json:"user_code,omitempty" maxLength:"64" doc:"The code to be; it is judged and forgotten. None: the code is to be taken away"`
	}
}

func (h *Handler) userCodeChallenge(ctx context.Context, in *userCodeChallengeIn) (*toSignOut, error) {
	sign, err := h.UserCodes.CodeChallenge(ctx, caller(ctx), device.DeviceID(in.ID), in.Body.UserCode)
	if err != nil {
		return nil, err
	}
	var out toSignOut
	out.Body.Statement, out.Body.Options = string(sign.Statement), sign.Options
	return &out, nil
}

type setUserCodeIn struct {
	ByID
	Body struct {
		UserCode  string     `json:"user_code,omitempty" maxLength:"64" doc:"4 to 12 letters and digits; none takes the code away"`
		Assertion jsonObject `json:"assertion" doc:"PublicKeyCredential, as JSON"`
	}
}

func (h *Handler) setUserCode(ctx context.Context, in *setUserCodeIn) (*struct{}, error) {
	b := in.Body
	return nil, h.UserCodes.SetOwnCode(ctx, caller(ctx), device.DeviceID(in.ID), b.UserCode, b.Assertion.raw)
}
