package doctor

import (
	"context"
	"net/http"

	"github.com/mitome-ciba/mitome/approval/op/keyset"
)

// Signers is where an OP publishes the keys by which it signs its calls.
type Signers struct {
	Name   string
	URL    string
	Client *http.Client // with the guard that the connection has
}

// Check fetches the keys as the server does.
func (s Signers) Check(ctx context.Context, r *Report, c Caller) {
	check := "op " + s.Name
	c.Client = s.Client
	a, err := c.do(ctx, call{url: s.URL})
	if err != nil {
		r.Fault(check, "The keys of the OP cannot be fetched, so none of its JWTs is taken: %s.", Why(err, s.URL))
		return
	}
	if a.hasDate {
		r.clock(check, a.ahead)
	}
	r.certificate(check, hostOf(s.URL), a, c.Now())
	switch {
	case a.redirects():
		r.Fault(check, "The keys of the OP are elsewhere (%s), and Mitome does not follow; write the address where they are into client_assertion.jwks_url.", a.said())
		return
	case a.status != http.StatusOK:
		r.Fault(check, "The keys of the OP cannot be fetched, so none of its JWTs is taken: %s answers %s; mend client_assertion.jwks_url.", hostOf(s.URL), a.said())
		return
	}
	keys, err := keyset.Parse(a.body)
	if err != nil {
		r.Fault(check, "What client_assertion.jwks_url answers cannot be used: %v; it must be a JWK set with public keys, each with a kid.", err)
		return
	}
	r.OK(check, "The OP publishes %d key(s) for its JWTs.", len(keys))
}
