package authlete

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// settling is how long after our answer the OP may not yet know the request_id
// that we gave it. It then answers 400, as it does to one that it has forgotten.
const settling = 5 * time.Second

// decision is what the OP's callback takes.
type decision struct {
	RequestID string  `json:"request_id"`
	Result    string  `json:"result"`
	State     *string `json:"state"` // the simulator gives back what it was given: nothing
}

// Report implements op.Adapter. It tells an OP in mode ASYNC; the others hold
// their calls open, or ask.
func (a *Adapter) Report(ctx context.Context, r approval.Request) error {
	if r.Handle == callSync || r.Handle == callPoll || !r.State.Final() {
		return nil
	}
	if a.cfg.ServerURL == "" { // it was set when the OP asked
		return fmt.Errorf("%w: server_url is not set", op.ErrNotSent)
	}
	body, err := json.Marshal(decision{RequestID: string(r.Handle), Result: resultOf(r.State)})
	if err != nil {
		return fmt.Errorf("%w: decision cannot be written", op.ErrNotSent)
	}
	got, err := a.post.Post(ctx, op.Call{
		URL: a.cfg.CallbackURL(), Body: body,
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
	})
	if err != nil {
		return err
	}
	if got.Status == http.StatusBadRequest && a.now().Before(r.ReportAfter.Add(settling)) {
		return fmt.Errorf("%w: status 400, perhaps before it was stored", op.ErrUnsure)
	}
	return got.Err()
}

// resultOf is the simulator's word for how a request ended. One that an
// administrator took back is a no.
func resultOf(s approval.State) string {
	switch s {
	case approval.Approved:
		return "allow"
	case approval.Denied, approval.Withdrawn:
		return "deny"
	}
	return "timeout"
}
