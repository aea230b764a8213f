package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// SignIn is how users of a connection sign in to pair by themselves.
type SignIn struct {
	Name         string // of the connection
	Issuer       string
	InternalURL  string
	ClientID     string
	ClientSecret string // empty for a public client
	RedirectURL  string
}

// Check reads the OP's metadata and knocks with the client's own name: a client
// or a redirect URI that the OP does not know is what is wrong most often.
func (s SignIn) Check(ctx context.Context, r *Report, c Caller) {
	check := "sign-in " + s.Name
	target, host := s.reach(strings.TrimSuffix(s.Issuer, "/") + discoveryPath)
	a, err := c.do(ctx, call{url: target, host: host})
	if err != nil {
		r.Fault(check, "The OP cannot be asked: %s.", Why(err, target))
		return
	}
	var d discovery
	if a.status != http.StatusOK || json.Unmarshal(a.body, &d) != nil || d.Authorize == "" || d.Token == "" {
		r.Fault(check, "%s answers %s and is no discovery document of an OP; mend signin.issuer or signin.internal_url.", target, a.said())
		return
	}
	if d.Issuer != s.Issuer {
		r.Fault(check, "signin.issuer is %s, but the OP calls itself %s; write that.", s.Issuer, printable(d.Issuer))
		return
	}
	if s.authorize(ctx, r, c, d) && s.token(ctx, r, c, d) {
		r.OK(check, "The OP knows client %s and its redirect URI %s.", s.ClientID, s.RedirectURL)
	}
}

// authorize begins a sign-in as a browser would, and goes no further.
func (s SignIn) authorize(ctx context.Context, r *Report, c Caller, d discovery) bool {
	q := url.Values{
		"client_id": {s.ClientID}, "redirect_uri": {s.RedirectURL}, "response_type": {"code"}, "scope": {"openid"},
		"state": {"mitome-doctor"}, "nonce": {"mitome-doctor"},
		// The example of RFC 7636, appendix B; nobody will redeem a code with it.
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	target, host := s.reach(d.Authorize)
	join := "?"
	if strings.Contains(target, "?") {
		join = "&"
	}
	a, err := c.do(ctx, call{url: target + join + q.Encode(), host: host})
	check := "sign-in " + s.Name
	switch {
	case err != nil:
		r.Fault(check, "The OP's page to sign in cannot be reached: %s.", Why(err, target))
	case a.status >= 500:
		r.Fault(check, "The OP's page to sign in answers %s; see the OP's log.", a.said())
	case a.status >= 400:
		r.Fault(check, "The OP refuses client %s with redirect URI %s (%s); register both there, letter by letter.", s.ClientID, s.RedirectURL, a.said())
	case a.redirects() && strings.HasPrefix(a.location, s.RedirectURL):
		if u, err := url.Parse(a.location); err == nil && u.Query().Get("error") != "" {
			r.Fault(check, "The OP refuses client %s: %s; allow it the code flow with PKCE (S256).", s.ClientID, printable(u.Query().Get("error")+" "+u.Query().Get("error_description")))
			return false
		}
		return true
	default:
		return true
	}
	return false
}

// token redeems a code that never was. An OP that takes the client's secret says
// invalid_grant; one that does not says invalid_client.
func (s SignIn) token(ctx context.Context, r *Report, c Caller, d discovery) bool {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {"mitome-doctor"}, "redirect_uri": {s.RedirectURL},
		"client_id": {s.ClientID}, "code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
	}
	target, host := s.reach(d.Token)
	in := call{method: http.MethodPost, url: target, host: host, kind: "application/x-www-form-urlencoded"}
	switch basic := len(d.Methods) == 0 || slices.Contains(d.Methods, "client_secret_basic"); {
	case s.ClientSecret != "" && basic: // as the server does it
		in.user, in.password = url.QueryEscape(s.ClientID), url.QueryEscape(s.ClientSecret)
	case s.ClientSecret != "":
		form.Set("client_secret", s.ClientSecret)
	}
	in.body = form.Encode()
	a, err := c.do(ctx, in)
	if err != nil {
		r.Fault("sign-in "+s.Name, "The OP's token endpoint cannot be reached: %s.", Why(err, target))
		return false
	}
	var said struct{ Error string }
	_ = json.Unmarshal(a.body, &said) // without it: not what we look for
	switch said.Error {
	case "invalid_client", "unauthorized_client":
		r.Fault("sign-in "+s.Name, "The OP does not take the secret of client %s; compare signin.client_secret (or its file) with the OP's.", s.ClientID)
		return false
	}
	return true
}

// reach leads a URL of the OP's the way that internal_url says.
func (s SignIn) reach(target string) (way, host string) {
	u, err := url.Parse(target)
	from, err2 := url.Parse(s.Issuer)
	to, err3 := url.Parse(s.InternalURL)
	if err != nil || err2 != nil || err3 != nil || s.InternalURL == "" || u.Host != from.Host {
		return target, ""
	}
	host = u.Host
	u.Scheme, u.Host = to.Scheme, to.Host
	return u.String(), host
}
