package webhook

import (
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// Representation is a request as its OP sees it, in the API's answers and in
// webhooks alike: without the code, and without what was shown.
type Representation struct {
	ID        string    `json:"id" doc:"Mitome's name of the request"`
	State     string    `json:"state" enum:"pending,approved,denied,expired,withdrawn" doc:"All but pending are final"`
	Sub       string    `json:"sub,omitempty" doc:"Your own subject of the user, also where she was found by a login_hint"`
	ClientID  string    `json:"client_id"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at" doc:"From then on no answer is taken; a decision of the last second may still be on its way"`
	Decision  *Decision `json:"decision,omitempty" doc:"Of approved and denied"`

	DeliveredTo map[string]int `json:"delivered_to,omitempty" doc:"How many addresses of the user's devices were reached while the request waited, by channel: websocket (shown by an open page or app), webpush, fcm, apns (taken by the push service)"`
}

// Decision is how a request was answered.
type Decision struct {
	Verdict  string    `json:"verdict" enum:"approve,deny"`
	Reason   string    `json:"reason,omitempty" doc:"Of a denial: user_denied, not_started_by_user, user_code_exhausted or acr_unmet"`
	At       time.Time `json:"at"`
	AuthTime int64     `json:"auth_time,omitempty" doc:"Unix seconds: when the passkey signed"`
	ACR      string    `json:"acr,omitempty" doc:"The first of acr_values that was reached"`
	AMR      []string  `json:"amr,omitempty" doc:"RFC 8176"`
	UserCode string    `json:"user_code,omitempty" enum:"verified" doc:"verified, if a code was typed"`
	Evidence string    `json:"evidence,omitempty" doc:"JWS (compact) over what was shown, what was signed and by which device; its keys are at /.well-known/jwks.json of the devices' listener"`
}

// Represent is r in these words.
func Represent(r approval.Request, a op.About) Representation {
	out := Representation{
		ID: string(r.ID), State: string(r.State), Sub: a.Subject, ClientID: r.ClientID,
		CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt),
		DeliveredTo: a.DeliveredTo,
	}
	d := r.Decision
	if d == nil {
		return out
	}
	out.Decision = &Decision{
		Verdict: string(d.Verdict), Reason: string(d.Reason), At: moment(d.At),
		ACR: d.ACR, AMR: d.AMR, UserCode: d.UserCode, Evidence: a.Evidence,
	}
	if !d.AuthTime.IsZero() {
		out.Decision.AuthTime = d.AuthTime.Unix()
	}
	return out
}

// moment is t as the store keeps it, so that the first answer says what all later
// ones say.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
