package approval

import (
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// RequestID names a request inside Mitome. It is not the auth_req_id: some OPs
// never tell the authentication device what that is (see [Request.Handle]).
// Knowing it gives no right to anything.
type RequestID string

// NewRequestID returns a fresh random id.
func NewRequestID() RequestID { return RequestID(rand.Text()) }

// Request is one CIBA authentication request as Mitome sees it: an OP asks that
// a user approve something on her authentication device before ExpiresAt.
type Request struct {
	ID          RequestID
	OP          string          // configured name of the OP that asked
	RefHash     []byte          // SHA-256 of Ask.Ref; unique per OP
	Fingerprint []byte          // keyed hash of Ask.Body, which may hold a short code
	Handle      Secret          // what the OP needs back; sealed at rest, blanked once the report is settled
	UserID      device.UserID   // empty if the OP meant nobody we know; then the request is denied
	OnlyDevice  device.DeviceID // that sees it and decides, alone; empty: any of the user's

	ClientID       string
	ClientName     string
	Scope          []string
	BindingMessage string // NFC; empty if the OP sent none
	ACRValues      []string
	Context        map[string]json.RawMessage // shown, not interpreted
	Code           Code
	Quiet          Quiet // why it was not pushed; empty: it was

	State    State
	Decision *Decision // nil until decided

	CreatedAt   time.Time
	ExpiresAt   time.Time
	ReportAfter time.Time // no report leaves earlier
	Version     int       // grows by one on each stored change; see Store.UpdateRequest
}

// State is where a request stands. Every state but Pending is final.
type State string

// The states of a request.
const (
	Pending   State = "pending"
	Approved  State = "approved"
	Denied    State = "denied"
	Expired   State = "expired"
	Withdrawn State = "withdrawn" // the OP or an administrator took it back
)

// Final reports whether no event can move a request out of s.
func (s State) Final() bool { return s != Pending }

// StateAt is the state that a reader at the given time must see: a pending
// request is expired from ExpiresAt on, whether or not the sweeper has been by.
func (r Request) StateAt(now time.Time) State {
	if r.State == Pending && !now.Before(r.ExpiresAt) {
		return Expired
	}
	return r.State
}

// Decision is how a request was answered and what proves by whom.
type Decision struct {
	Verdict      Verdict             `json:"verdict"`
	Reason       Reason              `json:"reason,omitempty"`
	At           time.Time           `json:"at"`
	AuthTime     time.Time           `json:"auth_time,omitzero"`   // when the passkey signed; zero for a denial
	Device       device.DeviceID     `json:"device,omitempty"`     // of the session that answered
	Credential   device.CredentialID `json:"credential,omitempty"` // the passkey that signed; empty for a denial
	ACR          string              `json:"acr,omitempty"`        // what was achieved and asked for
	AMR          []string            `json:"amr,omitempty"`        // RFC 8176
	UserVerified bool                `json:"user_verified,omitempty"`
	BackedUp     bool                `json:"backed_up,omitempty"`
	UserCode     string              `json:"user_code,omitempty"`     // "verified", never the code
	Rules        []string            `json:"rules,omitempty"`         // of an approval: the configured rules about the ceremony that it had to keep
	FrozenUntil  time.Time           `json:"frozen_until,omitzero"`   // of a denial that the user's passkey backed: the client asks her nothing until then
	ByCapability bool                `json:"by_capability,omitempty"` // a denial from a notification: no session said who it was
}

// Verdict is a yes or a no.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Deny    Verdict = "deny"
)

// Reason says why a request was denied. It is for the operator, the audit log
// and OPs that can carry it.
type Reason string

// The reasons of a denial.
const (
	ReasonUser           Reason = "user_denied"              // the user said no
	ReasonNotMe          Reason = "not_started_by_user"      // the user said "I did not start this"
	ReasonUserCode       Reason = "user_code_exhausted"      // too many wrong codes
	ReasonUnknownUser    Reason = "unknown_user_id"          // nobody we know, or nobody with a device
	ReasonHintToken      Reason = "expired_login_hint_token" // the code that says who is meant is over
	ReasonBindingMessage Reason = "invalid_binding_message"  // not fit to be shown
	ReasonACR            Reason = "acr_unmet"                // the ceremony does not reach what was asked
	ReasonScope          Reason = "invalid_scope"            // the client may not ask for that
	ReasonUserCodeShape  Reason = "invalid_user_code"        // not fit to be typed
	ReasonLocked         Reason = "user_locked"              // the user, or an administrator, stopped everything
	ReasonNoUserCode     Reason = "missing_user_code"        // there must be something to type, and was not
)
