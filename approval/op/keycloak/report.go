package keycloak

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// Report implements op.Adapter. It calls the realm's CIBA callback, whose address
// comes from the configuration and never from what was received.
func (a *Adapter) Report(ctx context.Context, r approval.Request) error {
	status, ok := statusOf(r)
	if !ok {
		return nil // Keycloak lets its own requests lapse and has no word for the rest
	}
	answer, err := a.post.Post(ctx, op.Call{
		URL: a.base + CallbackPath, Host: a.host,
		Header: header(r.Handle),
		Body:   []byte(`{"status":"` + status + `"}`),
	})
	if err != nil {
		return err
	}
	return classify(answer)
}

// RepeatSafe implements op.Adapter: see the package's Why.
func (a *Adapter) RepeatSafe(s approval.State) bool { return s != approval.Approved }

// statusOf is Keycloak's word for how r ended. Clients hear access_denied for
// either no; Keycloak's event log tells the user's (CONSENT_DENIED) from ours
// (NOT_ALLOWED).
func statusOf(r approval.Request) (string, bool) {
	switch r.State {
	case approval.Approved:
		return "SUCCEED", true
	case approval.Denied:
		if r.Decision != nil && (r.Decision.Reason == approval.ReasonUser || r.Decision.Reason == approval.ReasonNotMe) {
			return "UNAUTHORIZED", true
		}
		return "CANCELLED", true
	}
	return "", false
}

// notRelayed are Keycloak's words for a decision that it has recorded though it
// answers 400: its client waits for a ping and could not be pinged.
var notRelayed = []string{
	"Failed to send request to client notification endpoint",
	"Client notification endpoint not set",
}

// classify reads Keycloak's answer to a report.
func classify(a op.Answer) error {
	if a.Status != http.StatusBadRequest {
		return a.Err()
	}
	if a.Cut { // what is missing may have said that the decision was recorded
		return fmt.Errorf("%w: status 400, answer broke off", op.ErrUnsure)
	}
	var said struct {
		Description string `json:"error_description"`
	}
	if json.Unmarshal(a.Body, &said) == nil {
		for _, words := range notRelayed {
			if strings.HasPrefix(said.Description, words) {
				return op.ErrNotRelayed
			}
		}
	}
	return a.Err()
}
