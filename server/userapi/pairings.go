package userapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// newSession is a session that will be stored once its claim was granted, so
// that trying secrets fills no table.
type newSession struct {
	token   string
	session session.Session
}

// newSessionKey is its key in the call's context.
type newSessionKey struct{}

// claimant finds out who claims: a session that there is already, and that gets
// one more device, or an app's key or a browser that has no session yet.
func (h *Handler) claimant(c *gin.Context) {
	ctx := c.Request.Context()
	err := h.claims.Take(web.IP(ctx), h.Sessions.Now())
	var s session.Session
	var fresh *newSession
	if err == nil {
		s, fresh, err = h.claimedBy(c.Request)
	}
	if err != nil {
		web.Fail(c, err)
		return
	}
	if fresh != nil {
		ctx = context.WithValue(ctx, newSessionKey{}, fresh)
	}
	c.Request = c.Request.WithContext(session.With(ctx, s))
	c.Next()
}

// claimedBy returns the session that claims; fresh if there is none yet.
func (h *Handler) claimedBy(r *http.Request) (s session.Session, fresh *newSession, err error) {
	var jkt string
	switch {
	case session.HasToken(r):
		s, err = h.Sessions.Authenticate(r)
		return s, nil, err
	case session.HasProof(r) || !session.FromPage(r):
		jkt, err = h.Sessions.Proof(r)
	default:
		if err = h.Sessions.SameOrigin(r); err != nil {
			break
		}
		s, err = h.Sessions.Authenticate(r)
		if !errors.Is(err, session.ErrUnauthorized) {
			return s, nil, err
		}
		err = nil // a browser that comes for the first time
	}
	if err != nil {
		return session.Session{}, nil, err
	}
	token, s := h.Sessions.New(jkt)
	return s, &newSession{token, s}, nil
}

type claimIn struct {
	Body struct {
		Secret     string `json:"secret" minLength:"1" maxLength:"128" doc:"From the QR code"`
		DeviceName string `json:"device_name" minLength:"1" maxLength:"256" doc:"What the phone calls itself"`
	}
}

type claimOut struct {
	SetCookie string `header:"Set-Cookie" doc:"For a browser, in place of access_token"`
	Body      struct {
		Pairing
		AccessToken string `json:"access_token,omitempty" doc:"Absent if the caller sent a token or cookie: it keeps that one"`
		TokenType   string `json:"token_type,omitempty"`
	}
}

// Pairing is an enrollment as the phone may see it.
type Pairing struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	MatchCode string    `json:"match_code" doc:"To be compared with the first screen"`
	ExpiresAt time.Time `json:"expires_at"`
}

func pairingOf(e device.Enrollment) Pairing {
	return Pairing{string(e.ID), string(e.State), e.MatchCode, e.ExpiresAt.UTC()}
}

// claim trades the secret of the QR code for a place in the pairing and, for a
// phone that has none yet, a session.
func (h *Handler) claim(ctx context.Context, in *claimIn) (*claimOut, error) {
	e, err := h.Pairings.Claim(ctx, device.Claim{
		Secret: device.Secret(in.Body.Secret), Session: sessionID(ctx),
		DeviceName: in.Body.DeviceName, By: phone(ctx),
	})
	if err != nil {
		return nil, err
	}
	var out claimOut
	out.Body.Pairing = pairingOf(e)
	if fresh, ok := ctx.Value(newSessionKey{}).(*newSession); ok {
		if err := h.Sessions.Store.CreateSession(ctx, fresh.session); err != nil {
			return nil, fmt.Errorf("create session: %w", err)
		}
		// A token that scripts could read would be worth more to a thief than a
		// cookie is.
		if fresh.session.JKT == "" {
			out.SetCookie = h.Sessions.Cookie(fresh.token, fresh.session).String()
		} else {
			out.Body.AccessToken, out.Body.TokenType = fresh.token, "DPoP"
		}
	}
	return &out, nil
}

// ByID is the input of a call about one thing. It is exported, as the other
// embedded structs here are, because huma fills no field of one that is not.
type ByID struct {
	ID string `path:"id" maxLength:"64"`
}

func (b ByID) named() string { return b.ID }

type pairingOut struct{ Body Pairing }

func (h *Handler) pairing(ctx context.Context, in *ByID) (*pairingOut, error) {
	e, err := h.Pairings.ClaimedBy(ctx, device.EnrollmentID(in.ID), sessionID(ctx))
	if err != nil {
		return nil, err
	}
	return &pairingOut{pairingOf(e)}, nil
}

type optionsOut struct {
	Body struct {
		Options json.RawMessage `json:"options" doc:"WebAuthn's {\"publicKey\": PublicKeyCredentialCreationOptions}"`
	}
}

func (h *Handler) beginPasskey(ctx context.Context, in *ByID) (*optionsOut, error) {
	options, err := h.Pairings.BeginPasskey(ctx, device.EnrollmentID(in.ID), sessionID(ctx))
	if err != nil {
		return nil, err
	}
	var out optionsOut
	out.Body.Options = options
	return &out, nil
}

type passkeyIn struct {
	ByID
	Body struct {
		Credential jsonObject `json:"credential" doc:"PublicKeyCredential, as JSON"`
	}
}

type passkeyOut struct {
	Body struct {
		Device deviceOut `json:"device"`
	}
}

// finishPasskey ends the pairing: from here on there is a device.
func (h *Handler) finishPasskey(ctx context.Context, in *passkeyIn) (*passkeyOut, error) {
	d, err := h.Pairings.FinishPasskey(ctx, device.NewPasskey{
		Enrollment: device.EnrollmentID(in.ID), Session: sessionID(ctx),
		Response: in.Body.Credential.raw, By: phone(ctx),
	})
	if err != nil {
		return nil, err
	}
	h.Sockets.Join(sessionID(ctx), string(d.ID))
	var out passkeyOut
	out.Body.Device, err = h.deviceOut(ctx, d, true)
	return &out, err
}
