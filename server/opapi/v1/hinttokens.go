package v1

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// Hints is what this package needs of approval.Service to tell whom a code means.
type Hints interface {
	// ResolveHint returns approval.ErrUnknownUser or approval.ErrHintToken; the
	// code is spent either way.
	ResolveHint(ctx context.Context, u device.HintUse) (device.ResolvedHint, error)
}

const hintTokens = "/op/{name}/v1/login-hint-tokens"

func (h *Handler) mountHints(api, tills huma.API) {
	web.Register(api, operation(http.MethodPost, hintTokens+"/resolve", "resolve-login-hint-token",
		"Whom the code that a phone shows means, once"), h.resolve)
	web.Register(tills, operation(http.MethodPost, hintTokens+"/exchange", "exchange-login-hint-token",
		"The code that a phone shows, for a login_hint_token that the OP alone can read; for a key with only: login_hint_tokens"), h.exchange)
}

// codeIn is a code as a till has read it.
type codeIn struct {
	Name string `path:"name" maxLength:"32"`
	Body struct {
		Token    string `json:"login_hint_token" minLength:"1" maxLength:"512" doc:"What the phone shows and the till read: 20 digits, spaces between them or not"`
		ClientID string `json:"client_id" minLength:"1" maxLength:"255" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"The OP's client that read it; the request must be for the same"`
	}
}

type resolveOut struct {
	Body struct {
		Sub       string    `json:"sub" doc:"Your subject of the user"`
		DeviceRef string    `json:"device_ref" doc:"Send it with sub in the request, and that goes to the device that showed the code, alone. Good once, and until expires_at. A secret."`
		ExpiresAt time.Time `json:"expires_at"`
	}
}

// resolve tells an OP whose code its client has read. The code is spent, also
// where the answer is no.
func (h *Handler) resolve(ctx context.Context, in *codeIn) (*resolveOut, error) {
	r, err := h.spend(ctx, in)
	if err != nil {
		return nil, err
	}
	var out resolveOut
	out.Body.Sub, out.Body.DeviceRef, out.Body.ExpiresAt = r.User.Subject, string(r.Ref), r.ExpiresAt.UTC()
	return &out, nil
}

type exchangeOut struct {
	Body struct {
		Token string `json:"login_hint_token" doc:"A JWE to the OP, and in it a JWS (ES256) by a key of Mitome's jwks.json: iss, aud, iat, exp (a minute), jti, sub_id (RFC 9493, iss_sub), client_id and device_ref"`
	}
}

// exchange gives the backend of a till what the OP can read and it cannot.
func (h *Handler) exchange(ctx context.Context, in *codeIn) (*exchangeOut, error) {
	r, err := h.spend(ctx, in)
	if err != nil {
		return nil, err
	}
	var out exchangeOut
	out.Body.Token, err = callerOf(ctx).conn.HintToken(webhook.Hint{
		ID: rand.Text(), Sub: r.User.Subject, DeviceRef: string(r.Ref), ClientID: in.Body.ClientID,
	}, h.SignHint)
	return &out, err
}

// spend tells whose code it is, and spends it.
func (h *Handler) spend(ctx context.Context, in *codeIn) (r device.ResolvedHint, err error) {
	c := callerOf(ctx)
	err = h.guess(c, in.Body.ClientID, func() error {
		r, err = h.Hints.ResolveHint(ctx, device.HintUse{
			Value: device.Secret(in.Body.Token), OP: c.name, ClientID: in.Body.ClientID, By: c.by,
		})
		return err
	})
	return r, err
}

// guess carries out what may be a guess at a code, unless this client of the
// caller's was wrong too often of late.
func (h *Handler) guess(c caller, client string, try func() error) error {
	end, err := h.guesses.Begin(c.name+"\x00"+client, h.Now())
	if err != nil {
		return err
	}
	err = try()
	end(errors.Is(err, approval.ErrUnknownUser)) // a code that is over was one
	return err
}
