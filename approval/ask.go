package approval

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// Ask is an OP's request in Mitome's words, as its connector read it from the
// OP's own dialect. Nothing in it has been judged yet.
type Ask struct {
	ID      RequestID // from NewRequestID; known before it is stored, so that a report can wait for the ack
	OP      string    // configured name of the OP
	Ref     string    // what makes it the same request again: jti, tid, Idempotency-Key; at most 1,024 bytes
	Body    []byte    // what was received, for telling a repetition from a forgery under the same Ref
	Handle  Secret    // what the OP wants back
	Subject device.Subject
	// HintToken is the code that a device shows, in place of a Subject; DeviceRef,
	// beside a Subject, what the OP was given for such a code. With either the
	// request goes to that device alone.
	HintToken, DeviceRef device.Secret

	ClientID       string
	ClientName     string // empty where the OP does not say: the page then shows ClientID
	Scope          []string
	BindingMessage string
	UserCode       string // the code that the consumption device shows, if the OP forwards one
	ACRValues      []string
	Context        map[string]json.RawMessage // request_context, authorization_details and other extras, as received

	ExpiresAt time.Time
	// Guard is how long after the request's creation no report may leave: some
	// OPs store the request only after our ack.
	Guard time.Duration
	// ReportsRefusals: the OP's answer to its request has no word for a refusal,
	// so the request is taken, denied, and the denial reported.
	ReportsRefusals bool
}

// Format implements fmt.Formatter: an Ask holds a code and names of people, and
// prints as its ids.
func (a Ask) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "ask %s of %s", a.ID, a.OP) }

// LogValue implements slog.LogValuer.
func (a Ask) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(a)) }

// Secret is a string that must not be read by people: it prints as [secret].
type Secret string

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// String implements fmt.Stringer.
func (Secret) String() string { return "[secret]" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "[secret]" }

// MarshalJSON implements json.Marshaler.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"[secret]"`), nil }
