package doctor

import (
	"context"
	"net/http"
	"net/url"
)

// Gravitee is a connection of that kind.
type Gravitee struct {
	Name                   string
	CallbackURL            string
	ClientID, ClientSecret string
	// OPs is the address of our listener for OPs, Proxied whether the operator
	// has told us of proxies in front of our listeners.
	OPs     string
	Proxied bool
}

// Check tells AM a decision on a transaction that never was. An AM that takes our
// client says 400 to it, and one that does not says 401.
func (g Gravitee) Check(ctx context.Context, r *Report, c Caller) {
	check := "op " + g.Name
	a, err := c.do(ctx, call{
		method: http.MethodPost, url: g.CallbackURL, kind: "application/x-www-form-urlencoded",
		user: g.ClientID, password: g.ClientSecret,
		body: url.Values{"tid": {"mitome-doctor"}, "state": {"mitome-doctor"}, "validated": {"false"}}.Encode(),
	})
	if err != nil {
		r.Fault(check, "Decisions cannot be told: %s.", Why(err, g.CallbackURL))
		return
	}
	if a.hasDate {
		r.clock(check, a.ahead)
	}
	r.certificate(check, hostOf(g.CallbackURL), a, c.Now())
	switch {
	case a.redirects():
		r.Fault(check, "%s, where decisions are told, redirects (%s), and Mitome does not follow; write the address where it ends into domain_url.", g.CallbackURL, a.said())
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		r.Fault(check, "Gravitee AM does not take client %s (%s); compare client_id and client_secret with the application's, which must authenticate by client_secret_basic.", g.ClientID, a.said())
	case a.status == http.StatusNotFound, a.status == http.StatusMethodNotAllowed:
		r.Fault(check, "%s, where decisions are told, answers %s; mend domain_url or callback_path, and see whether the domain has CIBA enabled.", g.CallbackURL, a.said())
	case a.status >= 500:
		r.Warn(check, "%s, where decisions are told, answers %s; see Gravitee AM's log.", g.CallbackURL, a.said())
	case a.status < 300:
		r.Warn(check, "%s takes a decision on a transaction that never was (%s); see whether domain_url leads to Gravitee AM at all.", g.CallbackURL, a.said())
	default:
		r.OK(check, "Decisions can be told at %s, as client %s.", hostOf(g.CallbackURL), g.ClientID)
	}
	g.reached(r)
}

// reached says when AM surely cannot call us, and when others can read along.
func (g Gravitee) reached(r *Report) {
	u, err := url.Parse(g.CallbackURL)
	if err != nil || onlyHere(hostOf(g.CallbackURL)) {
		return
	}
	if onlyHere(g.OPs) && !g.Proxied {
		r.Warn("op "+g.Name, "Gravitee AM is on another machine (%s), and listen.ops (%s) can be reached from this one only; set listen.ops to an address that AM reaches, or name the proxy here in trusted_proxies.", u.Hostname(), g.OPs)
	}
	if u.Scheme == "http" {
		r.Warn("op "+g.Name, "domain_url is plain http: whoever stands between sees the client's secret and each state, and with them can approve; give Gravitee AM TLS.")
	}
}
