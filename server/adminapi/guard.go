package adminapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// Guard knows administrators: by the process at the other end of a Unix socket,
// or by a bearer token of which only the hash stands here.
type Guard struct{ tokens []token }

type token struct {
	name string
	hash [sha256.Size]byte
}

// Add lets the bearer of the token with this SHA-256 (hex) in, under name.
func (g *Guard) Add(name, hash string) error {
	t := token{name: name}
	b, err := hex.DecodeString(hash)
	if err != nil || copy(t.hash[:], b) != len(t.hash) || len(b) != len(t.hash) {
		return errHash
	}
	g.tokens = append(g.tokens, t)
	return nil
}

type guardError string

func (e guardError) Error() string { return string(e) }

const errHash = guardError("adminapi: not a SHA-256 in hex")

// require lets administrators pass and puts the actor into the call's context.
func (g *Guard) require(c *gin.Context) {
	name, ok := g.nameOf(c.Request)
	if !ok {
		c.Header("WWW-Authenticate", `Bearer realm="mitome admin"`)
		c.Header("Content-Type", "application/problem+json")
		c.AbortWithStatusJSON(http.StatusUnauthorized, &web.Problem{
			Type: "urn:mitome:unauthorized", Title: "An administrator's token is needed.",
			Status: http.StatusUnauthorized,
		})
		return
	}
	by := device.Actor{Kind: device.ActorAdmin, ID: name, IP: web.IP(c.Request.Context())}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), actorKey{}, by))
	c.Next()
}

// nameOf names the administrator who makes r. A call that brings a token is
// judged by it alone, so that a wrong one never passes for want of a right one.
func (g *Guard) nameOf(r *http.Request) (string, bool) {
	if values := r.Header.Values("Authorization"); len(values) > 0 {
		scheme, given, _ := strings.Cut(values[0], " ")
		if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
			return "", false
		}
		return g.bearer(given)
	}
	uid, ok := r.Context().Value(peerKey{}).(int)
	if !ok || uid != 0 && uid != os.Geteuid() {
		return "", false
	}
	return "uid:" + strconv.Itoa(uid), true
}

// bearer compares with every token, so that time tells nothing of which.
func (g *Guard) bearer(given string) (name string, ok bool) {
	hash := sha256.Sum256([]byte(given))
	for _, t := range g.tokens {
		if subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1 {
			name, ok = t.name, true
		}
	}
	return name, ok
}

type (
	peerKey  struct{}
	actorKey struct{}
)

// WithPeer returns ctx with the user id of the process at the other end of a
// Unix socket, as the kernel names it.
func WithPeer(ctx context.Context, uid int) context.Context {
	return context.WithValue(ctx, peerKey{}, uid)
}

// actorOf is who makes the call; the guard has put it there.
func actorOf(ctx context.Context) device.Actor {
	by, _ := ctx.Value(actorKey{}).(device.Actor)
	return by
}
