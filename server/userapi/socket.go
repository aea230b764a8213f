package userapi

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/push/websocket"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// socket hands an authenticated call over to the hub and returns at once, so
// that nothing of the HTTP server's is kept for an idle socket.
func (h *Handler) socket(c *gin.Context) error {
	s, _ := session.From(c.Request.Context())
	if len(s.Devices) == 0 {
		return session.ErrNoDevice // it would never hear anything
	}
	client := websocket.Client{Session: string(s.ID), Until: s.ExpiresAt}
	for _, d := range s.Devices {
		client.Devices = append(client.Devices, string(d.ID))
	}
	c.Status(http.StatusSwitchingProtocols) // for the log; the hub writes its own
	err := h.Sockets.Accept(c.Writer, c.Request, client)
	switch {
	case errors.Is(err, websocket.ErrUpgrade):
		return web.ErrBody
	case errors.Is(err, websocket.ErrFull):
		return web.ErrUnavailable
	}
	return err
}
