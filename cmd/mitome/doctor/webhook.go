package doctor

import (
	"context"
	"net/http"
)

// Webhook is where decisions are sent on a connection of kind webhook.
type Webhook struct {
	Name   string
	URL    string       // empty: the OP asks by long poll
	Client *http.Client // with the guard that the connection has
}

// Check knocks at the OP's endpoint as a stranger would: by the way that decisions
// go, but without a signature. An endpoint that is well refuses that.
func (w Webhook) Check(ctx context.Context, r *Report, c Caller) {
	check := "op " + w.Name
	if w.URL == "" {
		r.OK(check, "It fetches decisions by long poll; there is nothing to call.")
		return
	}
	c.Client = w.Client
	a, err := c.do(ctx, call{method: http.MethodPost, url: w.URL, kind: "application/json", body: `{"type":"mitome.doctor"}`})
	if err != nil {
		r.Fault(check, "Decisions cannot be sent: %s.", Why(err, w.URL))
		return
	}
	if a.hasDate {
		r.clock(check, a.ahead)
	}
	r.certificate(check, hostOf(w.URL), a, c.Now())
	switch {
	case a.redirects():
		r.Fault(check, "The webhook's URL redirects (%s), and Mitome does not follow; write the address where it ends into webhook.url.", a.said())
	case a.status == http.StatusNotFound, a.status == http.StatusGone, a.status == http.StatusMethodNotAllowed:
		r.Fault(check, "The webhook's URL answers %s to a POST; mend the path in webhook.url, because such an answer to a decision gives it up.", a.said())
	case a.status >= 500:
		r.Warn(check, "The webhook's URL answers %s; see the OP's log.", a.said())
	case a.status < 300:
		r.Warn(check, "The webhook's URL takes what nobody has signed (%s); have the OP verify webhook-signature, or whoever finds the URL can approve there.", a.said())
	default:
		r.OK(check, "The webhook at %s answers, and refuses what nobody has signed.", hostOf(w.URL))
	}
}
