package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// Locks is what administrators do with users for whom everything is stopped.
type Locks interface {
	LockUser(ctx context.Context, id device.UserID, by device.Actor) error
	UnlockUser(ctx context.Context, id device.UserID, by device.Actor) error
}

func (a *API) mountLocks(api huma.API) {
	web.Register(api, post("/v1/users/{id}/lock", "lock-user",
		"Stop everything for a user: what waits is denied, and nobody may ask her", http.StatusNoContent), a.lockUser)
	unlock := post("/v1/users/{id}/lock", "unlock-user", "Let a user be asked again", http.StatusNoContent)
	unlock.Method = http.MethodDelete
	web.Register(api, unlock, a.unlockUser)
}

func (a *API) lockUser(ctx context.Context, in *userPath) (*none, error) {
	return &none{}, a.Locks.LockUser(ctx, device.UserID(in.ID), actorOf(ctx))
}

func (a *API) unlockUser(ctx context.Context, in *userPath) (*none, error) {
	return &none{}, a.Locks.UnlockUser(ctx, device.UserID(in.ID), actorOf(ctx))
}

// LockUser stops everything for a user.
func (c *Client) LockUser(ctx context.Context, user string) error {
	return c.call(ctx, http.MethodPost, "/v1/users"+seg(user)+"/lock", nil, nil)
}

// UnlockUser lets a user be asked again.
func (c *Client) UnlockUser(ctx context.Context, user string) error {
	return c.call(ctx, http.MethodDelete, "/v1/users"+seg(user)+"/lock", nil, nil)
}
