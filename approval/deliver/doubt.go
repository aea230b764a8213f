package deliver

import (
	"context"
	"strings"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// judge keeps the doubt about an address: what came through ends it, what was
// tried to the end begins it. What goes wrong with that is for the operator: the
// message has come to its end all the same.
func (p *Push) judge(ctx context.Context, a push.Address, r Result) Result {
	if r.Outcome != Done && r.Outcome != Late && r.Outcome != Unfit {
		return r
	}
	if err := device.Judge(ctx, p.Addresses, a, r.Outcome == Done); err != nil {
		r.Cause = strings.TrimPrefix(r.Cause+"; ", "; ") + err.Error()
	}
	return r
}
