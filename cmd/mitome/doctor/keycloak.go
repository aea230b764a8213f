package doctor

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/mitome-ciba/mitome/approval/op/keycloak"
)

const (
	discoveryPath = "/.well-known/openid-configuration"
	// strangeHost is a name that no Keycloak has (RFC 2606). One that takes it
	// for its own has no name of its own.
	strangeHost = "mitome-doctor.invalid"
)

// Keycloak is a connection of that kind.
type Keycloak struct {
	Name   string
	Config keycloak.Config
	// OPs is the address of our listener for OPs, Proxied whether the operator
	// has told us of proxies in front of our listeners.
	OPs     string
	Proxied bool
}

// discovery is what we read of an OP's metadata.
type discovery struct {
	Issuer      string   `json:"issuer"`
	Authorize   string   `json:"authorization_endpoint"`
	Token       string   `json:"token_endpoint"`
	Backchannel string   `json:"backchannel_authentication_endpoint"`
	Grants      []string `json:"grant_types_supported"`
	Methods     []string `json:"token_endpoint_auth_methods_supported"`
}

// Check asks the realm whether it is what the configuration says, and whether it
// will take a decision from here.
func (k Keycloak) Check(ctx context.Context, r *Report, c Caller) {
	check := "op " + k.Name
	base, host := k.Config.Reach()
	a, err := c.do(ctx, call{url: base + discoveryPath, host: host})
	if err != nil {
		r.Fault(check, "Keycloak cannot be asked: %s.", Why(err, base))
		return
	}
	var d discovery
	if a.status != http.StatusOK || json.Unmarshal(a.body, &d) != nil || d.Issuer == "" {
		r.Fault(check, "%s", k.notARealm(ctx, c, a))
		return
	}
	r.clock("op "+k.Name, a.ahead)
	r.certificate(check, hostOf(base), a, c.Now())
	if d.Issuer != k.Config.Issuer {
		r.Fault(check, "%s", k.otherIssuer(d.Issuer))
		return
	}
	r.OK(check, "Keycloak answers at %s and is issuer %s.", hostOf(base), d.Issuer)
	if a.took > slow {
		r.Warn(check, "Keycloak took %v to answer; it gives Mitome 5s, and users wait for the rest: see its load.", a.took.Round(100_000_000))
	}
	if d.Backchannel == "" || !slices.Contains(d.Grants, "urn:openid:params:grant-type:ciba") {
		r.Fault(check, "CIBA is switched off in this Keycloak; start it without --features-disabled=ciba.")
	}
	k.keys(ctx, r, c)
	k.callback(ctx, r, c)
	k.hostname(ctx, r, c)
	k.reached(r)
}

// notARealm says what stands at the issuer's address in place of a realm.
func (k Keycloak) notARealm(ctx context.Context, c Caller, a answer) string {
	base, host := k.Config.Reach()
	said := "Instead of its discovery document " + base + discoveryPath + " answers " + a.said()
	if u, err := url.Parse(base); err == nil && a.status == http.StatusNotFound {
		path, ok := strings.CutPrefix(u.Path, "/auth")
		if !ok {
			path = "/auth" + u.Path
		}
		u.Path = path
		if other, err := c.do(ctx, call{url: u.String() + discoveryPath, host: host}); err == nil && other.status == http.StatusOK {
			return said + ", but " + u.String() + " is a realm: mend issuer (the path begins with /auth only if Keycloak has --http-relative-path=/auth)."
		}
		return said + "; see how the realm is written in issuer (capitals count), and whether it exists."
	}
	switch {
	case a.redirects():
		return said + ", and Mitome does not follow; write the address where it ends into issuer or internal_url."
	case a.status == http.StatusBadGateway, a.status == http.StatusServiceUnavailable, a.status == http.StatusGatewayTimeout:
		return said + ": a proxy answers and Keycloak does not; see whether Keycloak runs."
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return said + "; have the proxy in front of Keycloak let Mitome through."
	}
	return said + "; see whether issuer or internal_url leads to Keycloak at all."
}

// otherIssuer says how the configured issuer and Keycloak's own differ. Keycloak
// signs its own, and Mitome takes no other.
func (k Keycloak) otherIssuer(theirs string) string {
	ours := k.Config.Issuer
	said := "issuer is " + ours + ", but Keycloak calls itself " + printable(theirs)
	switch {
	case strings.TrimPrefix(ours, "https://") == strings.TrimPrefix(theirs, "http://"):
		return said + ": it does not know of the TLS proxy in front of it; start it with --hostname=https://... or --proxy-headers=xforwarded."
	case strings.TrimSuffix(theirs, "/") == ours:
		return said + ", with a slash at its end that Keycloak itself never writes; see what stands in front of it."
	case strings.EqualFold(ours, theirs):
		return said + ": capitals count; write it the same way."
	}
	return said + "; write that into issuer, or give Keycloak the right --hostname, and internal_url to Mitome if it must go another way."
}

// keys looks for a key that signs as we accept it.
func (k Keycloak) keys(ctx context.Context, r *Report, c Caller) {
	base, host := k.Config.Reach()
	check := "op " + k.Name
	a, err := c.do(ctx, call{url: base + keycloak.CertsPath, host: host})
	var set struct {
		Keys []struct{ Alg, Use string }
	}
	switch {
	case err != nil:
		r.Fault(check, "The realm's keys cannot be read: %s.", Why(err, base))
		return
	case a.status != http.StatusOK || json.Unmarshal(a.body, &set) != nil:
		r.Fault(check, "%s answers %s instead of the realm's keys; have the proxy in front of Keycloak let Mitome through.", base+keycloak.CertsPath, a.said())
		return
	}
	var have []string
	for _, key := range set.Keys {
		if key.Use != "enc" && !slices.Contains(have, printable(key.Alg)) {
			have = append(have, printable(key.Alg))
		}
	}
	for _, alg := range have {
		if alg == "" || slices.Contains(k.Config.Algorithms, alg) { // a key may leave its alg open
			r.OK(check, "The realm publishes keys that sign %s.", strings.Join(have, ", "))
			return
		}
	}
	r.Fault(check, "The realm signs with %s, and algorithms takes only %s; add the realm's Default Signature Algorithm to algorithms.",
		orNothing(have), strings.Join(k.Config.Algorithms, ", "))
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

// callback knocks where decisions are told. Without a token Keycloak itself
// answers 401; anything else comes from what stands in front of it.
func (k Keycloak) callback(ctx context.Context, r *Report, c Caller) {
	base, host := k.Config.Reach()
	check := "op " + k.Name
	a, err := c.do(ctx, call{method: http.MethodPost, url: base + keycloak.CallbackPath, host: host})
	switch {
	case err != nil:
		r.Fault(check, "Decisions cannot be told: %s.", Why(err, base))
	case a.status != http.StatusUnauthorized && a.status != http.StatusBadRequest:
		r.Fault(check, "%s, where decisions are told, answers %s; have the proxy in front of Keycloak let POST through on that path.", base+keycloak.CallbackPath, a.said())
	default:
		r.OK(check, "Decisions can be told at %s.", hostOf(base))
	}
}

// hostname finds a Keycloak whose issuer follows whatever name it is called by.
func (k Keycloak) hostname(ctx context.Context, r *Report, c Caller) {
	base, _ := k.Config.Reach()
	a, err := c.do(ctx, call{url: base + discoveryPath, host: strangeHost})
	if err == nil && a.status == http.StatusOK && strings.Contains(string(a.body), strangeHost) {
		r.Warn("op "+k.Name, "Keycloak takes whatever name it is called by for its own, and requests of clients that call it by another name than the issuer's are refused; start it with --hostname.")
	}
}

// reached says where Keycloak must call, and when it surely cannot.
func (k Keycloak) reached(r *Report) {
	check := "op " + k.Name
	base, _ := k.Config.Reach()
	if u, err := url.Parse(base); err == nil && onlyHere(k.OPs) && !k.Proxied && !onlyHere(hostOf(u.String())) {
		r.Warn(check, "Keycloak is on another machine (%s), and listen.ops (%s) can be reached from this one only; set listen.ops to an address that Keycloak reaches, or name the proxy here in trusted_proxies.", u.Hostname(), k.OPs)
	}
	if u, err := url.Parse(k.Config.Issuer); err == nil && u.Scheme == "http" && !onlyHere(hostOf(k.Config.Issuer)) {
		r.Warn(check, "issuer is plain http: whoever stands between sees each bearer token, and with it can approve; give Keycloak TLS.")
	}
}

// onlyHere reports whether an address, host:port or unix:/path, is this machine's
// own and nobody else's.
func onlyHere(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || strings.HasPrefix(address, "unix:") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
}
