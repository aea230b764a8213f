package approval

import (
	"encoding/json"
	"slices"
	"strings"
)

// withheld are the extras of an ask that are never shown: what has a place of
// its own on the screen, what must be typed there, and what is a secret or a
// person's name between the client and its OP.
var withheld = []string{
	"binding_message", "user_code", "acr_values", "scope", "client_id", "requested_expiry",
	"login_hint", "login_hint_token", "id_token_hint", "client_notification_token",
	"auth_req_id", "request", "client_assertion", "client_assertion_type", "client_secret",
}

// Withheld reports whether the extra of that name is never shown to a user.
func Withheld(name string) bool { return slices.Contains(withheld, strings.ToLower(name)) }

// showable returns c without what is withheld. It is done when the request is
// made, so that a code never comes as far as the store or the view.
func showable(c map[string]json.RawMessage) map[string]json.RawMessage {
	var out map[string]json.RawMessage
	for k, v := range c {
		if Withheld(k) {
			continue
		}
		if out == nil {
			out = map[string]json.RawMessage{}
		}
		if !json.Valid(v) { // some OPs pass on a parameter as it was; as JSON it is a string
			v, _ = json.Marshal(string(v)) // a string never fails
		}
		out[k] = v
	}
	return out
}
