package userapi

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// Disowning is what this API needs of approval.Service for "I did not start this".
type Disowning interface {
	NotMeChallenge(ctx context.Context, id approval.RequestID, w approval.Who) (device.ToSign, error)
}

// Locks is what this API needs of device.Service to have everything stopped. Only
// an administrator lets it go on.
type Locks interface {
	OwnLocks(ctx context.Context, c device.Caller) ([]device.OwnLock, error)
	LockChallenge(ctx context.Context, c device.Caller, id device.DeviceID) (device.ToSign, error)
	LockOwn(ctx context.Context, c device.Caller, id device.DeviceID, assertion []byte) error
}

func (h *Handler) mountGuards(api huma.API) {
	const lock = "/v1/devices/{id}/lock"
	web.Register(api, act("/v1/requests/{id}/not-me/challenge", "begin-not-me",
		"Begin to say that the user did not start a request; the assertion goes with the decision"), h.notMeChallenge)
	web.Register(api, read("/v1/locks", "list-locks", "Whether everything is stopped for the caller's users"), h.listLocks)
	web.Register(api, act(lock+"/challenge", "begin-lock", "Begin to stop everything for the user of this device"), h.lockChallenge)
	web.Register(api, nothing(act(lock, "lock",
		"Stop everything for the user of this device, by passkey, until an administrator unlocks her")), witnessed(h, "lock", h.lock))
}

func (h *Handler) notMeChallenge(ctx context.Context, in *ByID) (*toSignOut, error) {
	return toSign(h.NotMe.NotMeChallenge(ctx, approval.RequestID(in.ID), who(ctx)))
}

// toSign is what a passkey is asked to sign, as it is answered.
func toSign(sign device.ToSign, err error) (*toSignOut, error) {
	if err != nil {
		return nil, err
	}
	var out toSignOut
	out.Body.Statement, out.Body.Options = string(sign.Statement), sign.Options
	return &out, nil
}

type locksOut struct {
	Body struct {
		Locks []lockOut `json:"locks"`
	}
}

type lockOut struct {
	OP       string     `json:"op"`
	UserName string     `json:"user_name"`
	DeviceID string     `json:"device_id" doc:"The caller's device of this user"`
	LockedAt *time.Time `json:"locked_at,omitempty" doc:"Absent: nothing is stopped"`
}

func (h *Handler) listLocks(ctx context.Context, _ *struct{}) (*locksOut, error) {
	locks, err := h.Locks.OwnLocks(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	var out locksOut
	out.Body.Locks = []lockOut{}
	for _, l := range locks {
		out.Body.Locks = append(out.Body.Locks, lockOut{
			OP: l.User.OP, UserName: l.User.Name, DeviceID: string(l.Device.ID), LockedAt: sometime(l.At),
		})
	}
	return &out, nil
}

func (h *Handler) lockChallenge(ctx context.Context, in *ByID) (*toSignOut, error) {
	return toSign(h.Locks.LockChallenge(ctx, caller(ctx), device.DeviceID(in.ID)))
}

type lockIn struct {
	ByID
	Body struct {
		Assertion jsonObject `json:"assertion" doc:"PublicKeyCredential, as JSON"`
	}
}

func (h *Handler) lock(ctx context.Context, in *lockIn) (*struct{}, error) {
	return nil, h.Locks.LockOwn(ctx, caller(ctx), device.DeviceID(in.ID), in.Body.Assertion.raw)
}
