// Package deskapi is what the first screen of a self-service pairing talks to: a
// user who has just signed in at her OP offers herself a pairing, compares the
// codes and confirms.
//
// # Why
//
// It is a package apart from the device API because its callers are: a desk
// stands for a user and no device, and no route here can decide, list or revoke
// anything. It sees the pairings that she offered herself, not those that an
// administrator offered her: those are the administrator's to confirm.
package deskapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/limit"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// Handler serves the desk API. All exported fields are needed.
type Handler struct {
	Sessions  *session.Keeper
	Pairings  Pairings
	PublicURL string // without a slash at its end
	Version   string // for the OpenAPI document

	offers limit.Network
}

// Pairings is what this API needs of device.Service.
type Pairings interface {
	Offer(ctx context.Context, id device.UserID, by device.Actor) (device.Offer, error)
	Enrollment(ctx context.Context, id device.EnrollmentID) (device.Enrollment, error)
	Confirm(ctx context.Context, id device.EnrollmentID, matchCode string, by device.Actor) (device.Enrollment, error)
	Cancel(ctx context.Context, id device.EnrollmentID, by device.Actor) (device.Enrollment, error)
}

// Mount adds every route to group, and returns the API for its document.
func (h *Handler) Mount(engine *gin.Engine, group *gin.RouterGroup) huma.API {
	guarded := group.Group("", session.RequireDesk(h.Sessions, web.Fail))
	api := web.NewAPI(engine, guarded, "Mitome desk API", h.Version)
	web.Register(api, operation("POST", "/v1/desk/pairings", "desk-offer-pairing", "Begin to pair a phone"), h.offer)
	web.Register(api, operation("GET", "/v1/desk/pairings/{id}", "desk-get-pairing", "Where a pairing stands"), h.pairing)
	web.Register(api, operation("POST", "/v1/desk/pairings/{id}/confirm", "desk-confirm-pairing",
		"Say that the phone shows the same code"), h.confirm)
	web.Register(api, operation("POST", "/v1/desk/pairings/{id}/cancel", "desk-cancel-pairing", "Take a pairing back"), h.cancel)
	web.Register(api, operation("DELETE", "/v1/desk", "desk-sign-out", "Leave the desk"), h.signOut)
	return api
}

func operation(method, path, id, summary string) huma.Operation {
	op := huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary}
	if id == "desk-offer-pairing" {
		op.DefaultStatus = http.StatusCreated
	}
	return op
}

// Offer is a pairing that a phone may claim, with the link that lets it.
type Offer struct {
	ID        string    `json:"id"`
	Link      string    `json:"link" doc:"A secret: whoever opens it first may pair"`
	SVG       string    `json:"svg" doc:"The link as a QR code"`
	ExpiresAt time.Time `json:"expires_at"`
}

type offerOut struct{ Body Offer }

// offer begins to pair a phone with the user who has signed in. The secret is in
// the fragment, which no browser sends anywhere, and in this answer alone.
func (h *Handler) offer(ctx context.Context, _ *struct{}) (*offerOut, error) {
	if err := h.offers.Take(web.IP(ctx), h.Sessions.Now()); err != nil {
		return nil, err
	}
	desk, by := caller(ctx)
	o, err := h.Pairings.Offer(ctx, desk.User, by)
	if err != nil {
		return nil, err
	}
	link := h.PublicURL + "/pair#" + string(o.Secret)
	svg, err := web.QR(link)
	if err != nil {
		return nil, err
	}
	return &offerOut{Offer{string(o.Enrollment.ID), link, svg, o.Enrollment.ExpiresAt.UTC()}}, nil
}

// Pairing is where a pairing stands, as the first screen sees it.
type Pairing struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	MatchCode  string    `json:"match_code,omitempty" doc:"From the claim on: the phone shows it too"`
	DeviceName string    `json:"device_name,omitempty"`
	ExpiresAt  time.Time `json:"expires_at"`
}

type pairingOut struct{ Body Pairing }

func pairingOf(e device.Enrollment) *pairingOut {
	return &pairingOut{Pairing{string(e.ID), string(e.State), e.MatchCode, e.DeviceName, e.ExpiresAt.UTC()}}
}

// ByID is the input of a call about one pairing.
type ByID struct {
	ID string `path:"id" maxLength:"64"`
}

func (h *Handler) pairing(ctx context.Context, in *ByID) (*pairingOut, error) {
	e, err := h.own(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return pairingOf(e), nil
}

type confirmIn struct {
	ByID
	Body struct {
		MatchCode string `json:"match_code" minLength:"1" maxLength:"32"`
	}
}

func (h *Handler) confirm(ctx context.Context, in *confirmIn) (*pairingOut, error) {
	e, err := h.own(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	_, by := caller(ctx)
	if e, err = h.Pairings.Confirm(ctx, e.ID, in.Body.MatchCode, by); err != nil {
		return nil, err
	}
	return pairingOf(e), nil
}

func (h *Handler) cancel(ctx context.Context, in *ByID) (*pairingOut, error) {
	e, err := h.own(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	_, by := caller(ctx)
	if e, err = h.Pairings.Cancel(ctx, e.ID, by); err != nil {
		return nil, err
	}
	return pairingOf(e), nil
}

// own returns a pairing that the caller offered herself; any other does not
// exist.
func (h *Handler) own(ctx context.Context, id string) (device.Enrollment, error) {
	e, err := h.Pairings.Enrollment(ctx, device.EnrollmentID(id))
	if err != nil {
		return device.Enrollment{}, err
	}
	desk, by := caller(ctx)
	if e.User != desk.User || e.OfferedBy.Kind != by.Kind {
		return device.Enrollment{}, device.ErrEnrollmentNotFound
	}
	return e, nil
}

type signOutOut struct {
	SetCookie string `header:"Set-Cookie"`
}

func (h *Handler) signOut(ctx context.Context, _ *struct{}) (*signOutOut, error) {
	desk, _ := caller(ctx)
	if err := h.Sessions.Desks.EndDesk(ctx, desk.ID); err != nil {
		return nil, err
	}
	return &signOutOut{session.NoCookie(session.DeskCookieName).String()}, nil
}

// caller is who sits at the desk, also in the words of the audit log.
func caller(ctx context.Context) (session.Desk, device.Actor) {
	d, _ := session.DeskFrom(ctx)
	return d, device.Actor{Kind: device.ActorUser, ID: string(d.User), IP: web.IP(ctx)}
}
