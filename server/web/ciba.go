package web

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// ciba is the mark of an operation whose problems bear CIBA's codes.
const ciba = "mitome/ciba"

// CIBA marks an operation that OPs call: its problems say in a member error
// which of CIBA's codes (Core §13) the OP may give its own client, and what does
// not fit is 400 there, as in OAuth, and not 422.
func CIBA(op huma.Operation) huma.Operation {
	if op.Metadata == nil {
		op.Metadata = map[string]any{}
	}
	op.Metadata[ciba] = true
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	return op
}

func speaksCIBA(op *huma.Operation) bool { return op != nil && op.Metadata[ciba] == true }

// codes are CIBA's words for our types. A type that is not here is a matter
// between the OP and us, of which its client must not hear.
var codes = map[string]string{
	"urn:mitome:invalid_request":          "invalid_request",
	"urn:mitome:too_large":                "invalid_request",
	"urn:mitome:unsupported_media_type":   "invalid_request",
	"urn:mitome:unauthorized":             "unauthorized_client",
	"urn:mitome:unknown_user_id":          "unknown_user_id",
	"urn:mitome:expired_login_hint_token": "expired_login_hint_token",
	"urn:mitome:invalid_binding_message":  "invalid_binding_message",
	"urn:mitome:missing_user_code":        "missing_user_code",
	"urn:mitome:invalid_user_code":        "invalid_user_code",
	"urn:mitome:invalid_scope":            "invalid_scope",
	"urn:mitome:acr_unmet":                "access_denied",
}

// InCIBA adds CIBA's code to p, if it has one.
func (p *Problem) InCIBA() *Problem {
	p.Code = codes[p.Type]
	if p.Status == http.StatusUnprocessableEntity {
		p.Status = http.StatusBadRequest
	}
	return p
}
