package userapi

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	gorilla "github.com/gorilla/websocket"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push/websocket"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// UpgradeHeader says "websocket" in the answer to a call that arrived as the
// beginning of a WebSocket.
const UpgradeHeader = "X-Mitome-Upgrade"

// arrived tells it to whoever calls, before anybody is asked who she is: a proxy
// that does not pass an upgrade on looks well in every other way, and then phones
// hear of nothing. That is what mitome doctor asks for.
func arrived(c *gin.Context) {
	if gorilla.IsWebSocketUpgrade(c.Request) {
		c.Header(UpgradeHeader, "websocket")
	}
}

// returning spares who comes back to a socket, and brought a ticket, the look at
// the database. The session's own token and its proof are still asked for, by
// what comes after this.
func (h *Handler) returning(c *gin.Context) {
	client, ok := h.Sockets.Redeem(c.Request)
	if !ok {
		return
	}
	s := session.Session{ID: session.ID(client.Session), JKT: client.Proof, ExpiresAt: client.Until}
	for _, id := range client.Devices {
		s.Devices = append(s.Devices, device.Device{ID: device.DeviceID(id)}) // all that socket needs
	}
	c.Request = c.Request.WithContext(session.WithKnown(c.Request.Context(), s))
}

// socket hands an authenticated call over to the hub and returns at once, so
// that nothing of the HTTP server's is kept for an idle socket.
func (h *Handler) socket(c *gin.Context) error {
	s, _ := session.From(c.Request.Context())
	if len(s.Devices) == 0 {
		return session.ErrNoDevice // it would never hear anything
	}
	client := websocket.Client{Session: string(s.ID), Proof: s.JKT, Until: s.ExpiresAt}
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
