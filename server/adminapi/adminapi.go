// Package adminapi is what administrators may do: users, devices, pairings and
// requests, as a JSON API on a listener of its own, and the client that the
// command line uses.
//
// # Why
//
// Whoever offers a pairing can make a stranger's phone into a user's device, so
// this API has a guard of its own before every route, and each change carries the
// administrator's name into the audit log. What an OP wants back (a request's
// handle) never leaves by it, nor does any push address.
package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// API answers administrators. All fields are needed; cmd/mitome/wire.go fills
// them.
type API struct {
	Users     Users
	UserCodes UserCodes
	Locks     Locks
	Devices   Devices
	Pairings  Pairings
	Approvals Approvals
	Listing   approval.Listing
	Evidence  Evidences
	Erasure   Erasure
	OPs       []OP
	PublicURL string // where phones reach Mitome, for links
	Guard     *Guard
	Now       func() time.Time
	Version   string // for the OpenAPI document
}

// OP is a connection, for people to choose from.
type OP struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Title string `json:"title"`
}

// Users is what administrators do with users. device.Service implements it and
// the two ports below.
type Users interface {
	AddUser(ctx context.Context, u device.User, by device.Actor) (device.User, error)
	AddHint(ctx context.Context, id device.UserID, h device.Hint, by device.Actor) error
	ListUsers(ctx context.Context, op string) ([]device.User, error)
	User(ctx context.Context, id device.UserID) (device.User, error)
	FindUser(ctx context.Context, s device.Subject) (device.User, error)
}

// Devices is what administrators do with devices.
type Devices interface {
	Device(ctx context.Context, id device.DeviceID) (device.Device, error)
	DevicesOf(ctx context.Context, u device.UserID) ([]device.Device, error)
	CredentialsOf(ctx context.Context, id device.DeviceID) ([]device.Credential, error)
	Rename(ctx context.Context, id device.DeviceID, name string, by device.Actor) error
	Revoke(ctx context.Context, id device.DeviceID, by device.Actor) error
	Activate(ctx context.Context, id device.DeviceID, by device.Actor) error
}

// Pairings is the first screen's part of a pairing.
type Pairings interface {
	Offer(ctx context.Context, id device.UserID, by device.Actor) (device.Offer, error)
	Enrollment(ctx context.Context, id device.EnrollmentID) (device.Enrollment, error)
	Confirm(ctx context.Context, id device.EnrollmentID, matchCode string, by device.Actor) (device.Enrollment, error)
	Cancel(ctx context.Context, id device.EnrollmentID, by device.Actor) (device.Enrollment, error)
}

// Approvals is what an administrator may do to a request: take it back, and
// nothing else. Nobody but the user decides.
type Approvals interface {
	Recall(ctx context.Context, id approval.RequestID, by device.Actor) (approval.Request, error)
}

// Mount adds every route to group, behind the guard, and returns the API for its
// document.
func (a *API) Mount(engine *gin.Engine, group *gin.RouterGroup) huma.API {
	api := web.NewAPI(engine, group.Group("", a.Guard.require), "Mitome admin API", a.Version)
	a.mountUsers(api)
	a.mountErasure(api)
	a.mountUserCodes(api)
	a.mountLocks(api)
	a.mountDevices(api)
	a.mountPairings(api)
	a.mountRequests(api)
	return api
}

func get(path, id, summary string) huma.Operation {
	return huma.Operation{Method: http.MethodGet, Path: path, OperationID: id, Summary: summary}
}

func post(path, id, summary string, status int) huma.Operation {
	return huma.Operation{
		Method: http.MethodPost, Path: path, OperationID: id, Summary: summary, DefaultStatus: status,
	}
}

// none is the input of a call that takes nothing.
type none struct{}

// body wraps what is answered as JSON.
type body[T any] struct{ Body T }

// answer is body for a handler that has both values at hand.
func answer[T any](v T, err error) (*body[T], error) {
	if err != nil {
		return nil, err
	}
	return &body[T]{v}, nil
}
