package doctor

import (
	"context"
	"net/http"
)

// Authlete is a connection of that kind.
type Authlete struct {
	Name        string
	CallbackURL string // empty: the OP waits or asks
}

// Check tells the OP a decision on a request that never was. Its callback
// authenticates nobody, so all that can be seen is whether it is there.
func (o Authlete) Check(ctx context.Context, r *Report, c Caller) {
	check := "op " + o.Name
	if o.CallbackURL == "" {
		r.OK(check, "It waits for decisions or asks for them; there is nothing to call.")
		return
	}
	a, err := c.do(ctx, call{
		method: http.MethodPost, url: o.CallbackURL, kind: "application/json",
		body: `{"request_id":"mitome-doctor","result":"deny","state":null}`,
	})
	if err != nil {
		r.Fault(check, "Decisions cannot be told: %s.", Why(err, o.CallbackURL))
		return
	}
	if a.hasDate {
		r.clock(check, a.ahead)
	}
	r.certificate(check, hostOf(o.CallbackURL), a, c.Now())
	switch {
	case a.redirects():
		r.Fault(check, "%s, where decisions are told, redirects (%s), and Mitome does not follow; write the address where it ends into server_url.", o.CallbackURL, a.said())
	case a.status == http.StatusBadRequest:
		r.OK(check, "Decisions can be told at %s.", hostOf(o.CallbackURL))
	case a.status >= 500:
		r.Warn(check, "%s, where decisions are told, answers %s; see the OP's log.", o.CallbackURL, a.said())
	case a.status < 300:
		r.Warn(check, "%s takes a decision on a request that never was (%s); see whether server_url leads to the OP at all.", o.CallbackURL, a.said())
	default:
		r.Fault(check, "%s, where decisions are told, answers %s; mend server_url, or have the proxy in front of the OP let Mitome through.", o.CallbackURL, a.said())
	}
}
