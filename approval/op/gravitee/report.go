package gravitee

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// settling is how long after our answer AM may not yet know the transaction that
// it told us of. It then answers 400, as it does to one that it has forgotten.
const settling = 5 * time.Second

// Report implements op.Adapter. It posts to AM's callback, whose address comes
// from the configuration and never from what was received.
func (a *Adapter) Report(ctx context.Context, r approval.Request) error {
	word, ok := validated(r.State)
	if !ok {
		return nil // AM lets its own requests lapse
	}
	answer, err := a.post.Post(ctx, op.Call{
		URL: a.cfg.CallbackURL(), Header: a.cfg.header(),
		Body: []byte(string(r.Handle) + "&validated=" + word),
	})
	if err != nil {
		return err
	}
	if answer.Status == http.StatusBadRequest && a.early(r) {
		return fmt.Errorf("%w: status 400, perhaps before it was stored", op.ErrUnsure)
	}
	return answer.Err()
}

// validated is AM's word for how r ended. One that an administrator took back is
// a no: its client need not wait for the end of its time.
func validated(s approval.State) (string, bool) {
	switch s {
	case approval.Approved:
		return "true", true
	case approval.Denied, approval.Withdrawn:
		return "false", true
	}
	return "", false
}

// early reports whether AM may still be storing r.
func (a *Adapter) early(r approval.Request) bool {
	return a.now().Before(r.ReportAfter.Add(settling))
}
