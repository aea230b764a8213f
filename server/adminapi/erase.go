package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// Erasure forgets users.
type Erasure interface {
	EraseUser(ctx context.Context, id device.UserID, by device.Actor) error
}

func (a *API) mountErasure(api huma.API) {
	op := huma.Operation{
		Method: http.MethodDelete, Path: "/v1/users/{id}", OperationID: "erase-user", DefaultStatus: http.StatusNoContent,
		Summary: "Erase a user for good, with her devices, requests and evidence, and what the audit log says of her",
	}
	web.Register(api, op, a.eraseUser)
}

func (a *API) eraseUser(ctx context.Context, in *userPath) (*none, error) {
	return &none{}, a.Erasure.EraseUser(ctx, device.UserID(in.ID), actorOf(ctx))
}

// EraseUser erases a user for good.
func (c *Client) EraseUser(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/users"+seg(id), nil, nil)
}
