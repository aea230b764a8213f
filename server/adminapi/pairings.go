package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// Pairing is where a pairing stands, as the first screen sees it.
type Pairing struct {
	ID         string    `json:"id"`
	User       string    `json:"user"`
	State      string    `json:"state"`
	MatchCode  string    `json:"match_code,omitempty" doc:"From the claim on: the phone shows it too."`
	DeviceName string    `json:"device_name,omitempty"`
	Device     string    `json:"device,omitempty" doc:"Its id, once completed."`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

func pairingOf(e device.Enrollment) Pairing {
	return Pairing{
		ID: string(e.ID), User: string(e.User), State: string(e.State), MatchCode: e.MatchCode,
		DeviceName: e.DeviceName, Device: string(e.Device), CreatedAt: e.CreatedAt.UTC(), ExpiresAt: e.ExpiresAt.UTC(),
	}
}

// Offer is a pairing that a phone may claim, with the link that lets it.
type Offer struct {
	Pairing
	Link string `json:"link" doc:"For the QR code. It is a secret: whoever opens it first may pair."`
}

type (
	pairingPath struct {
		ID string `path:"id" maxLength:"64"`
	}
	offerIn struct {
		Body struct {
			User string `json:"user" minLength:"1" maxLength:"64"`
		}
	}
	confirmIn struct {
		ID   string `path:"id" maxLength:"64"`
		Body struct {
			MatchCode string `json:"match_code" minLength:"1" maxLength:"32"`
		}
	}
)

func (a *API) mountPairings(api huma.API) {
	web.Register(api, post("/v1/pairings", "offer-pairing", "Begin to pair a phone with a user", http.StatusCreated), a.offer)
	web.Register(api, get("/v1/pairings/{id}", "get-pairing", "Where a pairing stands"), a.getPairing)
	web.Register(api, post("/v1/pairings/{id}/confirm", "confirm-pairing",
		"Say that the phone shows the same code", http.StatusOK), a.confirm)
	web.Register(api, post("/v1/pairings/{id}/cancel", "cancel-pairing", "Take a pairing back", http.StatusOK), a.cancel)
}

// offer puts the secret behind the #, so that it reaches no server and no log
// when a phone opens the link.
func (a *API) offer(ctx context.Context, in *offerIn) (*body[Offer], error) {
	o, err := a.Pairings.Offer(ctx, device.UserID(in.Body.User), actorOf(ctx))
	return answer(Offer{pairingOf(o.Enrollment), a.PublicURL + "/pair#" + string(o.Secret)}, err)
}

func (a *API) getPairing(ctx context.Context, in *pairingPath) (*body[Pairing], error) {
	e, err := a.Pairings.Enrollment(ctx, device.EnrollmentID(in.ID))
	return answer(pairingOf(e), err)
}

func (a *API) confirm(ctx context.Context, in *confirmIn) (*body[Pairing], error) {
	e, err := a.Pairings.Confirm(ctx, device.EnrollmentID(in.ID), in.Body.MatchCode, actorOf(ctx))
	return answer(pairingOf(e), err)
}

func (a *API) cancel(ctx context.Context, in *pairingPath) (*body[Pairing], error) {
	e, err := a.Pairings.Cancel(ctx, device.EnrollmentID(in.ID), actorOf(ctx))
	return answer(pairingOf(e), err)
}
