package rp

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// signedLife is how long a signed request is good for. FAPI-CIBA allows an hour.
const signedLife = 5 * time.Minute

// Request is what a client wants approved, and by whom. Exactly one of the three
// hints says who; everything else may be left out.
type Request struct {
	LoginHint      string // a name that the OP knows the user by
	LoginHintToken string // a token that identifies her, as the OP defines it
	IDTokenHint    string // an ID token that the OP issued earlier

	Scope          string // separated by spaces, with "openid" in it; empty: "openid"
	BindingMessage string // shown on both devices, so that she can compare
	UserCode       string // what the OP wants her to have told the client, or to type
	ACRValues      string // separated by spaces, the most wanted first
	Nonce          string // expected in the ID token, if the OP repeats it

	RequestedExpiry      time.Duration    // whole seconds; zero: as the OP likes
	RequestContext       map[string]any   // FAPI-CIBA: what informs user and fraud rules
	AuthorizationDetails []map[string]any // RFC 9396

	Signed bool // send it as a JWT, signed with the client's Key
}

// check refuses what no OP may accept, before it is sent.
func (r Request) check() error {
	hints := 0
	for _, h := range []string{r.LoginHint, r.LoginHintToken, r.IDTokenHint} {
		if h != "" {
			hints++
		}
	}
	switch {
	case hints != 1:
		return invalid("exactly one hint must say who the user is")
	case r.Scope != "" && !slices.Contains(strings.Fields(r.Scope), "openid"):
		return &Error{Code: ErrInvalidScope.Error(), Description: "scope lacks openid"}
	case r.RequestedExpiry < 0 || r.RequestedExpiry%time.Second != 0:
		return invalid("requested_expiry is a positive number of seconds")
	case !utf8.ValidString(r.BindingMessage) || strings.ContainsFunc(r.BindingMessage, unicode.IsControl):
		return &Error{Code: ErrInvalidBindingMessage.Error(), Description: "binding_message is not plain text"}
	}
	return nil
}

// params are the parameters of the request by CIBA's names, with the types that
// they have in a signed request.
func (r Request) params(notificationToken string) map[string]any {
	all := map[string]any{"scope": r.Scope}
	if r.Scope == "" {
		all["scope"] = "openid"
	}
	for name, value := range map[string]string{
		"login_hint": r.LoginHint, "login_hint_token": r.LoginHintToken, "id_token_hint": r.IDTokenHint,
		"binding_message": r.BindingMessage, "user_code": r.UserCode, "acr_values": r.ACRValues,
		"nonce": r.Nonce, "client_notification_token": notificationToken,
	} {
		if value != "" {
			all[name] = value
		}
	}
	if r.RequestedExpiry > 0 {
		all["requested_expiry"] = int64(r.RequestedExpiry / time.Second)
	}
	if r.RequestContext != nil {
		all["request_context"] = r.RequestContext
	}
	if len(r.AuthorizationDetails) > 0 {
		all["authorization_details"] = r.AuthorizationDetails
	}
	return all
}

// form is the body of a request without the client's authentication: its
// parameters, or the one JWT that holds them all (CIBA Core §7.1.1: then nothing
// may stand outside it).
func (c *Client) form(r Request, notificationToken string) (url.Values, error) {
	params := r.params(notificationToken)
	if r.Signed {
		signed, err := c.Key.sign(stamp(c, params, signedLife))
		if err != nil {
			return nil, fmt.Errorf("sign request: %w", err)
		}
		return url.Values{"request": {signed}}, nil
	}
	form := make(url.Values, len(params))
	for name, value := range params {
		text, err := plainValue(value)
		if err != nil {
			return nil, invalid(name + " cannot be written as JSON")
		}
		form.Set(name, text)
	}
	return form, nil
}

// plainValue writes a parameter as a form carries it: objects as JSON.
func plainValue(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	}
	text, err := json.Marshal(v)
	return string(text), err
}
