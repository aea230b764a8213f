package userapi

import (
	"context"
	"encoding/json"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// before is the session that a browser had, if any, when it signs in again.
type beforeKey struct{}

// atDoor lets in who may have lost the session: a page of ours, not too often.
func (h *Handler) atDoor(c *gin.Context) {
	ctx := c.Request.Context()
	err := h.Sessions.SameOrigin(c.Request)
	if err == nil {
		err = h.unlocks.Take(web.IP(ctx), h.Sessions.Now())
	}
	if err != nil {
		web.Fail(c, err)
		return
	}
	if s, err := h.Sessions.Authenticate(c.Request); err == nil && s.JKT == "" {
		c.Request = c.Request.WithContext(context.WithValue(ctx, beforeKey{}, s.ID))
	}
	c.Next()
}

type unlockOptionsOut struct {
	Body struct {
		ID      string          `json:"id"`
		Options json.RawMessage `json:"options" doc:"WebAuthn's {\"publicKey\": PublicKeyCredentialRequestOptions}, naming no passkey"`
	}
}

// beginUnlock asks for whatever passkey the browser has.
func (h *Handler) beginUnlock(ctx context.Context, _ *struct{}) (*unlockOptionsOut, error) {
	var out unlockOptionsOut
	var err error
	out.Body.ID, out.Body.Options, err = h.Unlocks.BeginUnlock(ctx)
	return &out, err
}

type unlockIn struct {
	Body struct {
		ID        string     `json:"id" minLength:"1" maxLength:"64"`
		Assertion jsonObject `json:"assertion" doc:"PublicKeyCredential, as JSON"`
	}
}

type unlockOut struct {
	SetCookie string `header:"Set-Cookie"`
	Body      struct {
		Device deviceOut `json:"device"`
	}
}

// unlock gives the browser of the passkey that answered a session of its own.
func (h *Handler) unlock(ctx context.Context, in *unlockIn) (*unlockOut, error) {
	d, a, err := h.Unlocks.Unlock(ctx, in.Body.ID, in.Body.Assertion.raw)
	if err != nil {
		return nil, err
	}
	token, s := h.Sessions.New("")
	before, _ := ctx.Value(beforeKey{}).(session.ID)
	by := phone(ctx)
	err = h.Sessions.Store.SignIn(ctx, session.SignIn{Session: s, Before: before, Device: d.ID, Used: a.Use(), By: by})
	if err != nil {
		return nil, err
	}
	if before != "" {
		h.Sockets.Leave(string(before))
	}
	out := unlockOut{SetCookie: h.Sessions.Cookie(token, s).String()}
	out.Body.Device, err = h.deviceOut(ctx, d, true)
	return &out, err
}

type signOutOut struct {
	SetCookie string `header:"Set-Cookie"`
}

// signOut ends the session here. The devices stay what they are; a passkey signs
// in again.
func (h *Handler) signOut(ctx context.Context, _ *struct{}) (*signOutOut, error) {
	s, _ := session.From(ctx)
	if err := h.Sessions.Store.EndSession(ctx, s.ID, phone(ctx)); err != nil {
		return nil, err
	}
	h.Sockets.Leave(string(s.ID))
	var out signOutOut
	if s.JKT == "" {
		out.SetCookie = session.NoCookie(session.CookieName).String()
	}
	return &out, nil
}
