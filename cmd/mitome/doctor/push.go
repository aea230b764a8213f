package doctor

import (
	"context"
	"errors"
	"time"

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

// lapseSoon is how long before its end a certificate is worth a warning: it takes
// a person with the right account at Apple's to make another.
const lapseSoon = 30 * 24 * time.Hour

// CheckExpiry warns of a certificate that is about to lapse. One that has lapsed
// is refused by [CheckPush]; a zero end is that of what does not lapse.
func CheckExpiry(r *Report, check string, end, now time.Time) {
	if end.IsZero() || end.Before(now) {
		return
	}
	day := end.UTC().Format(time.DateOnly)
	if end.Sub(now) < lapseSoon {
		r.Warn(check, "The certificate expires on %s, and then no device hears of anything by this channel; make a new one now, or a key, which does not expire. See docs/push.md.", day)
		return
	}
	r.OK(check, "The certificate is good until %s.", day)
}
