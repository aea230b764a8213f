package userapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// Codes is what this API needs of device.Service to show whom to ask at a till.
type Codes interface {
	HintChallenge(ctx context.Context, c device.Caller, id device.DeviceID) (device.ToSign, error)
	GrantHints(ctx context.Context, c device.Caller, g device.HintGrant, assertion []byte) (time.Time, error)
	NewHintToken(ctx context.Context, c device.Caller, session string, id device.DeviceID) (device.HintToken, error)
}

func (h *Handler) mountCodes(api huma.API) {
	const codes = "/v1/devices/{id}/hint-tokens"
	web.Register(api, act(codes+"/challenge", "begin-codes", "Begin to show codes that say who stands at a till"), h.codeChallenge)
	web.Register(api, act(codes+"/unlock", "unlock-codes", "Show codes for five minutes, by passkey"), witnessed(h, "show_codes", h.unlockCodes))
	next := created(codes, "next-code", "The next code; the one before stays good to its end")
	next.Errors = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}
	web.Register(api, next, h.nextCode)
}

func (h *Handler) codeChallenge(ctx context.Context, in *ByID) (*toSignOut, error) {
	sign, err := h.Codes.HintChallenge(ctx, caller(ctx), device.DeviceID(in.ID))
	if err != nil {
		return nil, err
	}
	var out toSignOut
	out.Body.Statement, out.Body.Options = string(sign.Statement), sign.Options
	return &out, nil
}

type unlockCodesOut struct {
	Body struct {
		ExpiresAt time.Time `json:"expires_at" doc:"Until when codes may be asked for"`
	}
}

func (h *Handler) unlockCodes(ctx context.Context, in *lostIn) (*unlockCodesOut, error) {
	g := device.HintGrant{Session: sessionID(ctx), Device: device.DeviceID(in.ID)}
	until, err := h.Codes.GrantHints(ctx, caller(ctx), g, in.Body.Assertion.raw)
	if err != nil {
		return nil, err
	}
	var out unlockCodesOut
	out.Body.ExpiresAt = until.UTC()
	return &out, nil
}

type codeOut struct {
	Body struct {
		Token     string    `json:"login_hint_token" doc:"20 digits, good once and for a minute. A secret: whoever has it can have this device asked."`
		SVG       string    `json:"svg" doc:"The digits as a QR code"`
		ExpiresAt time.Time `json:"expires_at"`
		NextIn    int       `json:"next_in" doc:"Seconds after which to show the next one"`
	}
}

func (h *Handler) nextCode(ctx context.Context, in *ByID) (*codeOut, error) {
	t, err := h.Codes.NewHintToken(ctx, caller(ctx), sessionID(ctx), device.DeviceID(in.ID))
	if err != nil {
		return nil, err
	}
	svg, err := web.QR(string(t.Digits))
	if err != nil {
		return nil, err
	}
	var out codeOut
	out.Body.Token, out.Body.SVG, out.Body.ExpiresAt = string(t.Digits), svg, t.ExpiresAt.UTC()
	out.Body.NextIn = int(device.HintTokenNext / time.Second)
	return &out, nil
}
