package op

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// findTime is how long a decision waits for the request that it is about.
const findTime = 5 * time.Second

// webhook takes Mitome's decisions. Its answers are Mitome's to read: 204 for
// what is taken or known already, 503 for what shall come again.
func (o *OP) webhook(w http.ResponseWriter, r *http.Request) {
	status, body := o.takeDecision(w, r)
	o.show(rp.Message{
		Kind: Decision, Method: r.Method, URL: o.conf.Issuer + WebhookPath, Body: cut(body),
		Header: http.Header{"Webhook-Id": {r.Header.Get(standardwebhooks.HeaderWebhookID)}},
	})
	w.WriteHeader(status)
	o.show(rp.Message{Kind: Decision, Answer: true, URL: o.conf.Issuer + WebhookPath, Status: status})
}

func (o *OP) takeDecision(w http.ResponseWriter, r *http.Request) (status int, body []byte) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return http.StatusRequestEntityTooLarge, nil
	}
	if !o.genuine(body, r.Header) {
		return http.StatusUnauthorized, nil
	}
	var event struct {
		Type string  `json:"type"`
		Data request `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return http.StatusBadRequest, body
	}
	if event.Type != "request.decided" {
		return http.StatusNoContent, body // other events are not for us
	}
	return o.decide(r.Context(), event.Data), body
}

// genuine says whether Mitome signed this, by any of the secrets: while they
// change there are two.
func (o *OP) genuine(body []byte, h http.Header) bool {
	for _, hook := range o.hooks {
		if hook.Verify(body, h) == nil {
			return true
		}
	}
	return false
}

// decide carries out a decision, once.
func (o *OP) decide(ctx context.Context, d request) (status int) {
	find, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	id, ok := o.desk.find(find, d.ID)
	if !ok {
		if find.Err() != nil {
			return http.StatusServiceUnavailable
		}
		return http.StatusNotFound
	}
	s, err := o.desk.SessionByAuthReqID(ctx, id)
	if err != nil || s.Subject != d.Sub || s.ClientID != d.ClientID {
		return http.StatusBadRequest
	}
	if !d.sound() {
		return http.StatusBadRequest
	}
	if !o.desk.settle(id) {
		return http.StatusNoContent
	}
	// The client is told within this call. If that fails the decision stands all
	// the same, and Mitome, which would only say it again, is done.
	if err := o.carryOut(context.WithoutCancel(ctx), s, d); err != nil {
		o.conf.Log.WarnContext(ctx, "demo OP: client was not told", "client", s.ClientID, "error", err)
	}
	return http.StatusNoContent
}

// sound says whether d is a decision at all, and an approval in both its words:
// on the strength of one tokens are given out.
func (d request) sound() bool {
	switch d.State {
	case "approved":
		return d.Decision != nil && d.Decision.Verdict == "approve"
	case "denied", "expired", "withdrawn":
		return true
	}
	return false
}

// carryOut ends a request in go-oidc.
func (o *OP) carryOut(ctx context.Context, s *goidc.AuthnSession, d request) error {
	switch d.State {
	case "approved":
		how := map[string]any{}
		if d.Decision.ACR != "" {
			how["acr"] = d.Decision.ACR
		}
		if len(d.Decision.AMR) > 0 {
			how["amr"] = d.Decision.AMR
		}
		if d.Decision.AuthTime > 0 {
			how["auth_time"] = d.Decision.AuthTime
		}
		s.Store[storeClaims] = how
		if err := o.desk.SaveSession(ctx, s); err != nil {
			return err
		}
		return o.provider.GrantCIBARequest(ctx, s.AuthReqID)
	case "expired":
		// go-oidc says access_denied of whatever is denied, unless its time is over.
		s.ExpiresAt = min(s.ExpiresAt, int(time.Now().Unix()))
		if err := o.desk.SaveSession(ctx, s); err != nil {
			return err
		}
		return o.provider.DenyCIBARequest(ctx, s.AuthReqID, goidc.NewError(goidc.ErrorCodeExpiredToken, "nobody answered in time"))
	case "withdrawn":
		return o.provider.DenyCIBARequest(ctx, s.AuthReqID, goidc.NewError(goidc.ErrorCodeTransactionFailed, "the request was taken back"))
	}
	return o.provider.DenyCIBARequest(ctx, s.AuthReqID, goidc.NewError(goidc.ErrorCodeAccessDenied, "the user denied the request"))
}
