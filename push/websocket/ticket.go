package websocket

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// How a ticket is used. It is given with each ping, so one that a broken line
// leaves behind has half a minute at least, and that is what a client's first five
// tries may take: 1, 2, 4, 8 and 16 seconds, less what jitter takes off them.
const (
	ticketLife = time.Minute
	// ticketSkew is how far the clock of the node that issued may be ahead of ours.
	ticketSkew = 5 * time.Second
	maxTicket  = 1 << 10 // in a header; a session with dozens of devices gets none
	// ticketMark begins the sub-protocol as which a ticket is presented: a page
	// cannot set any other header of a handshake, and what stands in the URL
	// stands in the logs of every proxy.
	ticketMark = "ticket."
)

// ticket is what a client may bring when it connects again, in place of a look
// at the database.
type ticket struct {
	Session string   `json:"s"`
	Proof   string   `json:"p,omitempty"`
	Devices []string `json:"d"`
	Until   int64    `json:"u"` // Unix milliseconds, as Issued
	Issued  int64    `json:"i"`
}

// Redeem returns who presents r's ticket, if there is a valid one and nothing
// that it says has changed since. It proves nothing: the caller must see what the
// session itself demands, its token and whatever goes with Client.Proof.
func (h *Hub) Redeem(r *http.Request) (Client, bool) {
	t, ok := h.openTicket(ticketOf(r))
	if !ok {
		return Client{}, false
	}
	c := Client{Session: t.Session, Proof: t.Proof, Devices: t.Devices, Until: time.UnixMilli(t.Until)}
	now := time.Now()
	age := now.Sub(time.UnixMilli(t.Issued))
	if age < -ticketSkew || age >= ticketLife || !now.Before(c.Until) || !h.unchanged(c, now) {
		return Client{}, false
	}
	h.observe(Redeemed)
	return c, true
}

// ticketOf is the ticket among the sub-protocols that r names.
func ticketOf(r *http.Request) string {
	for _, p := range websocket.Subprotocols(r) {
		if text, ok := strings.CutPrefix(p, ticketMark); ok {
			return text
		}
	}
	return ""
}

// ticketFor is the ticket of s as of now; empty if there is none to be had. While
// this node does not know who was revoked, it vouches for nobody.
func (h *Hub) ticketFor(s *socket, now time.Time) string {
	h.mu.Lock()
	t := ticket{
		Session: s.client.Session, Proof: s.client.Proof, Devices: s.devices,
		Until: s.client.Until.UnixMilli(), Issued: now.UnixMilli(),
	}
	ok := len(h.TicketKey) > 0 && len(s.devices) > 0 && h.looksFresh(now)
	body, err := json.Marshal(t)
	h.mu.Unlock()
	if !ok || err != nil {
		return ""
	}
	text := base64.RawURLEncoding.EncodeToString(append(h.mac(body), body...))
	if len(text) > maxTicket {
		return ""
	}
	return text
}

// openTicket reads a ticket that a node with our key made.
func (h *Hub) openTicket(text string) (t ticket, ok bool) {
	if len(h.TicketKey) == 0 || text == "" || len(text) > maxTicket {
		return t, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < sha256.Size {
		return t, false
	}
	sum, body := raw[:sha256.Size], raw[sha256.Size:]
	if !hmac.Equal(sum, h.mac(body)) || json.Unmarshal(body, &t) != nil {
		return t, false
	}
	return t, t.Session != "" && len(t.Devices) > 0
}

func (h *Hub) mac(body []byte) []byte {
	m := hmac.New(sha256.New, h.TicketKey)
	m.Write(body)
	return m.Sum(nil)
}
