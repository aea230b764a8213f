package op

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxSigned is how long a signed request may be good for, in seconds: FAPI 1.0
// part 2 §5.2.2 no. 13.
const maxSigned = 3600

// aside are the parameters that may stand beside a signed request: they say who
// the client is (CIBA Core §7.1.1).
var aside = []string{"request", "client_id", "client_secret", "client_assertion", "client_assertion_type"}

// signed is what a signed request says that go-oidc does not look at.
type signed struct {
	Expiry    float64         `json:"exp"`
	NotBefore float64         `json:"nbf"`
	Context   json.RawMessage `json:"request_context"`
}

// readSigned reads a signed request. It is not verified here: go-oidc does that
// before it calls the hook, and refuses what this cannot read.
func readSigned(request string) (s signed) {
	parts := strings.Split(request, ".")
	if len(parts) != 3 {
		return s
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return s
	}
	_ = json.Unmarshal(payload, &s)
	return s
}

// amiss is what is wrong with a request, signed or not, that go-oidc would let
// pass; nothing if that is not so.
func amiss(form url.Values) (description string) {
	if raw := form.Get("requested_expiry"); raw != "" {
		if n, err := strconv.Atoi(raw); err != nil || n <= 0 {
			return "requested_expiry is not a positive number"
		}
	}
	for name, values := range form {
		if len(values) > 1 && name != "resource" {
			return "a parameter stands there twice"
		}
	}
	if !form.Has("request") {
		return ""
	}
	for name := range form {
		if !slices.Contains(aside, name) {
			return "a parameter stands beside the signed request"
		}
	}
	if s := readSigned(form.Get("request")); s.Expiry-s.NotBefore > maxSigned {
		return "the signed request is good for more than an hour"
	}
	return ""
}

// contextOfForm is the request_context of a request, signed or not, as JSON.
func contextOfForm(form url.Values) (raw string) {
	if form.Has("request") {
		return string(readSigned(form.Get("request")).Context)
	}
	return form.Get("request_context")
}
