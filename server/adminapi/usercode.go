package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// UserCodes is what administrators do with a user's own code. Nobody reads one.
type UserCodes interface {
	SetUserCode(ctx context.Context, id device.UserID, code string, by device.Actor) error
	ClearUserCode(ctx context.Context, id device.UserID, by device.Actor) error
}

type setCodeIn struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		UserCode string `json:"user_code" minLength:"1" maxLength:"64" doc:"4 to 12 letters and digits. A lock after wrong codes stays."`
	}
}

func (a *API) mountUserCodes(api huma.API) {
	web.Register(api, post("/v1/users/{id}/user-code", "set-user-code",
		"Give a user a code of her own, which OPs have verified before they ask", http.StatusNoContent), a.setUserCode)
	away := post("/v1/users/{id}/user-code", "clear-user-code", "Take a user's own code away", http.StatusNoContent)
	away.Method = http.MethodDelete
	web.Register(api, away, a.clearUserCode)
}

func (a *API) setUserCode(ctx context.Context, in *setCodeIn) (*none, error) {
	return &none{}, a.UserCodes.SetUserCode(ctx, device.UserID(in.ID), in.Body.UserCode, actorOf(ctx))
}

func (a *API) clearUserCode(ctx context.Context, in *userPath) (*none, error) {
	return &none{}, a.UserCodes.ClearUserCode(ctx, device.UserID(in.ID), actorOf(ctx))
}

// SetUserCode gives a user a code of her own.
func (c *Client) SetUserCode(ctx context.Context, user, code string) error {
	return c.call(ctx, http.MethodPost, "/v1/users"+seg(user)+"/user-code", map[string]string{"user_code": code}, nil)
}

// ClearUserCode takes a user's own code away.
func (c *Client) ClearUserCode(ctx context.Context, user string) error {
	return c.call(ctx, http.MethodDelete, "/v1/users"+seg(user)+"/user-code", nil, nil)
}
