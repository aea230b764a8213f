package shop

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// Mode is how the shop hears of the answer, as rp.Mode: each is a client of its
// own at the OP, because a client is registered with one mode.
type Mode string

// The modes of CIBA.
const (
	Poll Mode = "poll"
	Ping Mode = "ping"
	Push Mode = "push"
)

// Modes are those that can be chosen, in the order in which they are offered.
var Modes = []Mode{Poll, Ping, Push}

// Name is who asks, as the OP should know its clients: a house that has a coffee
// bar, a telephone, a door and a web shop.
const Name = "Kado House"

// DetailTypes are the types of authorization_details that the cases use, which
// the OP has to know.
var DetailTypes = []string{"payment_initiation", "door"}

// asked is how long the user has to answer.
const asked = 2 * time.Minute

// Case is a thing to ask for. Its words for people are in words/, under
// case.<Name>.
type Case struct {
	Name string
	// Message is the binding message by language; the user compares it with what
	// she sees or hears where she stands.
	Message map[string]string
	// Code says that the consumption device shows a code which the user types on
	// her phone: who cannot see the till cannot have it approved.
	Code bool
	ACR  string // asked for, if it matters
	// Details are the authorization_details, RFC 9396.
	Details []map[string]any
	// Context is the request_context of FAPI-CIBA.
	Context map[string]any
}

// Cases are what the demo offers, in this order. Each has the binding message
// that suits it: a short one where there is a screen to compare it with, a
// sentence where somebody reads it out, the name of the thing where there is no
// screen, and next to none where the details say it better.
var Cases = []Case{
	{
		Name: "till", Code: true, ACR: "phr",
		Message: map[string]string{"en": "Cappuccino, till 3, 540 JPY", "ja": "カプチーノ 3番レジ 540円"},
	},
	{
		Name: "call",
		Message: map[string]string{
			"en": "Call 7731: Taro Yamada of our call centre opens your customer file",
			"ja": "受付7731: 電話口の山田太郎が、お客様の登録情報を開きます",
		},
		Context: map[string]any{"device": "Call centre, desk 12"},
	},
	{
		Name:    "lock",
		Message: map[string]string{"en": "Front door", "ja": "正面玄関"},
		Details: []map[string]any{{
			"type": "door", "actions": []string{"open"},
			"locations": []string{"Front door", "Staircase", "2nd floor"},
		}},
	},
	{
		Name:    "pay",
		Message: map[string]string{"en": "Order 88-1047", "ja": "ご注文 88-1047"},
		Details: []map[string]any{{
			"type":                              "payment_initiation",
			"instructedAmount":                  map[string]any{"amount": "12400", "currency": "JPY"},
			"creditorName":                      Name,
			"remittanceInformationUnstructured": "88-1047",
		}},
	},
}

// CaseOf finds a case by its name.
func CaseOf(name string) (Case, bool) {
	for _, c := range Cases {
		if c.Name == name {
			return c, true
		}
	}
	return Case{}, false
}

// Request is what the shop asks the OP for. The code is the one that the till
// shows, empty where the case has none.
func (c Case) Request(user, language, code string) rp.Request {
	message, ok := c.Message[language]
	if !ok {
		message = c.Message["en"]
	}
	return rp.Request{
		LoginHint: user, Scope: "openid", BindingMessage: message, UserCode: code, ACRValues: c.ACR,
		RequestedExpiry: asked, RequestContext: c.Context, AuthorizationDetails: c.Details,
	}
}

// NewCode is a code for the till to show, empty where the case has none.
func (c Case) NewCode() (string, error) {
	if !c.Code {
		return "", nil
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("draw code: %w", err)
	}
	return fmt.Sprintf("%06d", n), nil
}
