package show

import (
	"time"

	"github.com/mitome-ciba/mitome/approval"
)

// version names the form of View.
const version = "mitome/view/v1"

// View is one request as one user sees it, word for word. Whoever shows a
// request shows this and adds nothing to it: its bytes are what a passkey signs.
//
// Texts from outside (the binding message, names, details) are plain text. They
// hold no invisible characters, and it is for whoever shows them to escape them
// and to isolate their direction (<bdi>).
type View struct {
	Version        string             `json:"v"`
	Request        approval.RequestID `json:"request"`
	Locale         string             `json:"locale"`
	Kind           Kind               `json:"kind"`
	Title          string             `json:"title"`
	Headline       string             `json:"headline,omitempty"` // the amount of a payment that has one; it also stands in Details
	OP             string             `json:"op"`                 // what users know the OP as
	Client         Client             `json:"client"`
	BindingMessage string             `json:"binding_message,omitempty"`
	Scopes         []Scope            `json:"scopes,omitempty"`
	Details        []Detail           `json:"details,omitempty"`
	Omitted        string             `json:"omitted,omitempty"` // set if something could not be shown, and says so
	Refused        string             `json:"refused,omitempty"` // set if this can be denied and not approved, and says why; Words.Approve is empty then
	Place          *Place             `json:"place,omitempty"`   // where this was started, against where the viewer is; words only
	Prompt         string             `json:"prompt,omitempty"`  // set if a code must be typed; never holds the code
	RequestedAt    time.Time          `json:"requested_at"`
	ExpiresAt      time.Time          `json:"expires_at"`
	Words          Words              `json:"words"`
	Ended          Ended              `json:"ended"`
}

// Kind is what sort of thing is to be approved, so that a payment never looks
// like a sign-in (OWASP Transaction Authorization 1.4).
type Kind string

// The kinds.
const (
	SignIn  Kind = "sign_in"
	Payment Kind = "payment"
	Action  Kind = "action" // anything else that authorization_details ask for
)

// Client is who asks.
type Client struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"` // as the OP says
	Label string `json:"label"`          // what to show: the name, or the id
}

// Scope is one thing that the client may do if the user approves.
type Scope struct {
	Scope string `json:"scope"`
	Text  string `json:"text"`  // a sentence, or the scope itself
	Known bool   `json:"known"` // false: Text is the scope itself, for want of a sentence
}

// Detail is one fact of authorization_details, request_context or another extra.
type Detail struct {
	Name  string `json:"name"`  // where it stood, as in request_context.ip
	Label string `json:"label"` // a word for it, or the name itself
	Value string `json:"value"`
	Known bool   `json:"known"` // false: Label is the name itself, for want of a word
}

// Words are the fixed texts around a request.
type Words struct {
	Client      string `json:"client"`
	OP          string `json:"op"`
	Message     string `json:"message"`
	Scopes      string `json:"scopes"`
	Details     string `json:"details"`
	RequestedAt string `json:"requested_at"`
	ExpiresAt   string `json:"expires_at"`
	Approve     string `json:"approve"`
	Deny        string `json:"deny"`
	NotMe       string `json:"not_me"`
	Warning     string `json:"warning"`
}

// Ended is what to say once the request is over.
type Ended struct {
	Approved  string `json:"approved"`
	Denied    string `json:"denied"`
	Expired   string `json:"expired"`
	Withdrawn string `json:"withdrawn"`
}
