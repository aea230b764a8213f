package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/mitome-ciba/mitome/server/userapi"
)

// Public is what phones and browsers see.
type Public struct {
	URL     string
	RPID    string
	Listen  string   // listen.devices
	KeyIDs  []string // of the published keys; nil if the key file could not be read
	TLS     bool     // the devices listener serves TLS itself
	Proxies int      // how many trusted_proxies there are
}

const keysPath = "/.well-known/jwks.json"

// CheckNames looks at what needs no network.
func (p Public) CheckNames(r *Report) {
	if suffix, _ := publicsuffix.PublicSuffix(p.RPID); suffix == p.RPID && strings.Contains(p.RPID, ".") {
		r.Fault("rp id", "rp_id %s is a suffix under which anybody can have a name, so browsers make no passkey for it; set rp_id to the host of public_url, before anybody pairs.", p.RPID)
	} else {
		r.OK("rp id", "Passkeys are bound to %s.", p.RPID)
	}
	u, err := url.Parse(p.URL)
	if err == nil && u.Scheme == "https" && !p.TLS && p.Proxies == 0 {
		r.Warn("public url", "public_url is https and listen.devices serves no TLS, so a proxy stands in front of it; name its address in trusted_proxies, or logs and limits take all callers for one.")
	}
}

// Check goes the way that a phone goes, and looks whether it ends at this
// Mitome: the published keys are those of the key file here.
func (p Public) Check(ctx context.Context, r *Report, c Caller) {
	const check = "public url"
	a, err := c.do(ctx, call{url: p.URL + keysPath})
	if err != nil {
		r.Fault(check, "Phones cannot reach %s: %s.", p.URL, Why(err, p.URL))
		return
	}
	r.certificate(check, hostOf(p.URL), a, c.Now())
	var set struct {
		Keys []struct{ Kid string }
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &set) != nil || len(set.Keys) == 0 {
		r.Fault(check, "%s", p.notUs(a))
		return
	}
	for _, k := range set.Keys {
		if p.KeyIDs != nil && !slices.Contains(p.KeyIDs, k.Kid) {
			r.Fault(check, "A Mitome with other keys answers at %s; have the proxy lead to %s, or restart the nodes that still run with an older key file.", p.URL, p.Listen)
			return
		}
	}
	r.OK(check, "This Mitome answers at %s.", p.URL)
	p.socket(ctx, r, c)
}

// socket looks whether the beginning of a WebSocket gets as far as Mitome, which
// says so although it lets nobody in without a session.
func (p Public) socket(ctx context.Context, r *Report, c Caller) {
	const check = "public url"
	a, err := c.do(ctx, call{url: p.URL + "/v1/socket", header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"bWl0b21lLWRvY3Rvci4uLg=="},
	}})
	switch {
	case err != nil:
		r.Fault(check, "WebSockets do not get through, so phones hear of nothing: %s.", Why(err, p.URL))
	case a.header.Get(userapi.UpgradeHeader) == "websocket":
		r.OK(check, "WebSockets get through.")
	default:
		r.Fault(check, "WebSockets do not get through (%s), so phones hear of nothing; have the proxy pass them on (nginx: proxy_http_version 1.1, and the headers Upgrade and Connection).", a.said())
	}
}

// notUs says what answers in our place.
func (p Public) notUs(a answer) string {
	said := p.URL + keysPath + " answers " + a.said()
	switch {
	case a.redirects():
		return said + "; set public_url to the address where it ends, because pages and passkeys are bound to that."
	case a.status == http.StatusBadGateway, a.status == http.StatusServiceUnavailable, a.status == http.StatusGatewayTimeout:
		return said + ": the proxy does not reach Mitome; see whether mitome serve runs, and whether the proxy leads to " + p.Listen + "."
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return said + "; have the proxy let everybody through: Mitome asks who they are itself."
	case a.status == http.StatusBadRequest && strings.Contains(string(a.body), "HTTPS"):
		return said + ": TLS is expected there; write https:// into public_url."
	}
	return said + ", which is not Mitome; have the proxy lead every path of " + p.URL + " to " + p.Listen + "."
}
