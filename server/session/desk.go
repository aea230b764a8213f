package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
)

// DeskLife is how long a sign-in at the OP lets a user pair: long enough to
// fetch the phone, too short to be found open.
const DeskLife = 10 * time.Minute

// Desk is a user who has just signed in at her OP, at the screen in front of
// her. It may offer her a pairing and confirm that, and stands for no device:
// nothing can be decided from it.
type Desk struct {
	ID        ID
	User      device.UserID
	OP        string
	IP        netip.Addr // where she signed in from; for the audit log, not kept
	AuthTime  time.Time  // when she signed in, as the OP says
	CreatedAt time.Time
	ExpiresAt time.Time
}

// DeskStore keeps desks. Package server/store implements it.
type DeskStore interface {
	CreateDesk(ctx context.Context, d Desk) error
	// Desk returns ErrUnauthorized if there is none or it is over.
	Desk(ctx context.Context, id ID) (Desk, error)
	// EndDesk is no error where there is none.
	EndDesk(ctx context.Context, id ID) error
}

// OpenDesk stores d, whose ID and times it fills in, and returns the cookie for
// the browser that it is for.
func (k *Keeper) OpenDesk(ctx context.Context, d Desk) (*http.Cookie, Desk, error) {
	token, now := newToken(), k.Now()
	d.ID, d.CreatedAt, d.ExpiresAt = idOf(token), now, now.Add(DeskLife)
	if err := k.Desks.CreateDesk(ctx, d); err != nil {
		return nil, Desk{}, fmt.Errorf("create desk: %w", err)
	}
	return cookie(DeskCookieName, token, DeskLife), d, nil
}

// PeekDesk returns the desk of the browser that asks for a page, if it has one.
func (k *Keeper) PeekDesk(r *http.Request) (Desk, bool) {
	if mayChange(r) {
		return Desk{}, false
	}
	d, err := k.desk(r)
	return d, err == nil
}

// desk returns the desk of the browser that sent r, by the rules of byCookie.
func (k *Keeper) desk(r *http.Request) (Desk, error) {
	token, err := cookieOf(r, DeskCookieName)
	if err != nil {
		return Desk{}, err
	}
	if mayChange(r) {
		if err := k.SameOrigin(r); err != nil {
			return Desk{}, err
		}
	}
	d, err := k.Desks.Desk(r.Context(), idOf(token))
	if err != nil {
		return Desk{}, err
	}
	if !k.Now().Before(d.ExpiresAt) {
		return Desk{}, ErrUnauthorized
	}
	return d, nil
}

// deskKey is the key of the desk in a call's context.
type deskKey struct{}

// RequireDesk lets only calls from a desk pass, and puts it into their context.
func RequireDesk(k *Keeper, fail func(*gin.Context, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		d, err := k.desk(c.Request)
		if err != nil {
			fail(c, err)
			c.Abort()
			return
		}
		c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), deskKey{}, d))
		c.Next()
	}
}

// DeskFrom returns the desk in ctx, if there is one.
func DeskFrom(ctx context.Context) (Desk, bool) {
	d, ok := ctx.Value(deskKey{}).(Desk)
	return d, ok
}

func newToken() string {
	raw := make([]byte, tokenBytes)
	rand.Read(raw) // never fails, says crypto/rand
	return base64.RawURLEncoding.EncodeToString(raw)
}
