package v1

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// What came of an ask, for metrics; the words of opapi.
const (
	taken       = "taken"
	unauthentic = "unauthentic"
	refused     = "refused"
	failed      = "fault"
)

type createIn struct {
	Name string `path:"name" maxLength:"32"`
	Key  string `header:"Idempotency-Key" required:"true" minLength:"1" maxLength:"255" pattern:"^[!-~]+$" doc:"Names this ask. A repetition with the same body returns the request that it made the first time; use the auth_req_id."`
	Body ask
}

// ask is what an OP may say of a request. The names are CIBA's.
type ask struct {
	Sub            string   `json:"sub,omitempty" maxLength:"255" doc:"Your subject of the user; this, login_hint or login_hint_token"`
	DeviceRef      string   `json:"device_ref,omitempty" maxLength:"64" doc:"With sub: what login-hint-tokens/resolve gave; the request goes to that device alone"`
	LoginHint      string   `json:"login_hint,omitempty" maxLength:"512" doc:"E-mail, phone number or user name, as your client sent it"`
	LoginHintToken string   `json:"login_hint_token,omitempty" maxLength:"512" doc:"The code that a phone of the user shows, as your client sent it; the request goes to that phone alone, and must say something: a binding_message, details or a user_code"`
	ClientID       string   `json:"client_id" minLength:"1" maxLength:"255" pattern:"^[^\\x00-\\x1f\\x7f]*$"`
	ClientName     string   `json:"client_name,omitempty" maxLength:"255" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"What users see as the name of the client"`
	Scope          string   `json:"scope,omitempty" maxLength:"2000" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"Separated by spaces"`
	BindingMessage string   `json:"binding_message,omitempty" maxLength:"8000" doc:"Shown to the user word for word"`
	UserCode       string   `json:"user_code,omitempty" maxLength:"64" doc:"4 to 12 letters and digits, of digits alone at least 6, that your client shows, and the user types on her device; never shown there"`
	ACRValues      string   `json:"acr_values,omitempty" maxLength:"1000" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"Separated by spaces, best first"`
	Details        []object `json:"authorization_details,omitempty" maxItems:"20" doc:"RFC 9396; shown"`
	Context        *object  `json:"request_context,omitempty" doc:"FAPI-CIBA; shown"`
	ExpiresIn      int      `json:"expires_in,omitempty" minimum:"10" maximum:"3600" default:"120" doc:"Seconds in which the user can answer; no more than 600 are given, and expires_at says which. Keep your auth_req_id a few seconds longer."`
}

var errNotUTF8 = errors.New("expected UTF-8")

// UnmarshalJSON implements json.Unmarshaler. By itself encoding/json would
// replace what is not UTF-8, and the user would read that.
func (a *ask) UnmarshalJSON(b []byte) error {
	if !utf8.Valid(b) {
		return errNotUTF8
	}
	type plain ask
	return json.Unmarshal(b, (*plain)(a))
}

// Resolve implements huma.ResolverWithPath.
func (a *ask) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	said := 0
	for _, hint := range []string{a.Sub, a.LoginHint, a.LoginHintToken} {
		if hint != "" {
			said++
		}
	}
	if said != 1 {
		return []error{&huma.ErrorDetail{Location: at.With("sub"), Message: "expected one of sub, login_hint and login_hint_token"}}
	}
	if a.DeviceRef != "" && a.Sub == "" {
		return []error{&huma.ErrorDetail{Location: at.With("device_ref"), Message: "expected sub beside it"}}
	}
	return nil
}

type createdOut struct {
	Status   int
	Location string `header:"Location"`
	Body     webhook.Representation
}

// create puts a request to a user. It is durable when the OP hears of it.
func (h *Handler) create(ctx context.Context, in *createIn) (*createdOut, error) {
	c := callerOf(ctx)
	a, err := h.askOf(c, in)
	if err != nil {
		return nil, err
	}
	hold(ctx, h.Acks.Hold(a.ID))
	r, err := h.accept(ctx, a, c)
	h.observe(c.name, err)
	if errors.Is(err, approval.ErrRefReused) {
		err = fmt.Errorf("%w: %w", web.ErrKeyReused, err)
	}
	if err != nil {
		return nil, err
	}
	r.State = r.StateAt(h.Now())
	status, represent := http.StatusCreated, h.representNew
	if r.ID != a.ID {
		status, represent = http.StatusOK, h.represent
	}
	one, err := represent(ctx, r)
	if err != nil {
		return nil, err
	}
	return &createdOut{status, "/op/" + c.name + "/v1/requests/" + string(r.ID), one.Body}, nil
}

// accept is Requests.Accept, but for who guesses codes.
func (h *Handler) accept(ctx context.Context, a approval.Ask, c caller) (r approval.Request, err error) {
	if a.HintToken == "" && a.DeviceRef == "" {
		return h.Requests.Accept(ctx, a, c.by)
	}
	err = h.guess(c, a.ClientID, func() error {
		r, err = h.Requests.Accept(ctx, a, c.by)
		return err
	})
	return r, err
}

// askOf is what was sent in Mitome's words.
func (h *Handler) askOf(c caller, in *createIn) (approval.Ask, error) {
	b := in.Body
	body, err := json.Marshal(b) // not as received: two spellings of the same ask are one
	if err != nil {
		return approval.Ask{}, fmt.Errorf("spell ask: %w", err)
	}
	a := approval.Ask{
		ID: approval.NewRequestID(), OP: c.name, Ref: in.Key, Body: body,
		Subject:   device.Subject{OP: c.name, Sub: b.Sub},
		HintToken: device.Secret(b.LoginHintToken), DeviceRef: device.Secret(b.DeviceRef),
		ClientID: b.ClientID, ClientName: b.ClientName, Scope: strings.Fields(b.Scope),
		BindingMessage: b.BindingMessage, UserCode: b.UserCode, ACRValues: strings.Fields(b.ACRValues),
		ExpiresAt: h.Now().Add(time.Duration(b.ExpiresIn) * time.Second),
	}
	if b.LoginHint != "" {
		a.Subject.Hint = c.conn.HintOf(b.LoginHint)
	}
	a.Context, err = b.context()
	return a, err
}

// context is what is shown besides.
func (a ask) context() (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	if a.Context != nil && a.Context.raw != nil {
		out["request_context"] = a.Context.raw
	}
	if len(a.Details) > 0 {
		raw, err := json.Marshal(a.Details)
		if err != nil {
			return nil, fmt.Errorf("spell details: %w", err)
		}
		out["authorization_details"] = raw
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

func (h *Handler) observe(op string, err error) {
	if h.Observe == nil {
		return
	}
	for _, refusal := range []error{
		approval.ErrUnknownUser, approval.ErrHintToken, approval.ErrBindingMessage, approval.ErrACR, approval.ErrScope, approval.ErrCodeShape, approval.ErrNoCode, approval.ErrRefReused,
	} {
		if errors.Is(err, refusal) {
			h.Observe(op, refused)
			return
		}
	}
	if err != nil {
		h.Observe(op, failed)
		return
	}
	h.Observe(op, taken)
}

// object is a JSON object that is passed on as it came.
type object struct{ raw json.RawMessage }

// errNotObject is refused by huma, with the place where it stood.
var errNotObject = errors.New("expected object")

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		return errNotObject
	}
	o.raw = bytes.Clone(b)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	if o.raw == nil {
		return []byte("null"), nil
	}
	return o.raw, nil
}

// Schema implements huma.SchemaProvider.
func (*object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}
