package doctor

import (
	"context"
	"errors"

	"github.com/mitome-ciba/mitome/push"
)

// Pusher is a push channel that can ask its service whether our credentials are
// good, without sending anything to anybody.
type Pusher interface {
	Probe(ctx context.Context) error
}

// CheckPush asks one channel's service about our credentials. Settings are the
// keys of the configuration to look at.
func CheckPush(ctx context.Context, r *Report, p Pusher, check, settings string) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	err := p.Probe(ctx)
	switch {
	case err == nil:
		r.OK(check, "The service takes our credentials.")
	case errors.Is(err, push.ErrBroken):
		r.Fault(check, "The service refuses our credentials (%s), so no device hears of anything by this channel; look at %s, at whether the key was withdrawn, and at the clock of this machine. See docs/push.md.", printable(err.Error()), settings)
	default:
		r.Fault(check, "The service could not be asked (%s); see whether this machine may call it: through a firewall by name, without a proxy.", printable(err.Error()))
	}
}
