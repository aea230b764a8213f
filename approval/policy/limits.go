package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/mitome-ciba/mitome/approval"
)

// NoLimit is the setting that takes a limit away.
const NoLimit = -1

// Limits is how much the clients of one connection may ask. A zero number stands
// for its default, [NoLimit] for none.
type Limits struct {
	Off bool `koanf:"off" desc:"true: nothing is limited for what this connection asks, and quiet hours are not kept. For measurements and conformance suites." default:"false"`

	PendingPerClient int `koanf:"pending_per_client" desc:"How many pending requests of one client for one user are pushed. What is over is listed when she opens Mitome, and not pushed. -1: no limit, as for the numbers below." default:"1"`
	PendingPerUser   int `koanf:"pending_per_user" desc:"How many pending requests of all clients for one user are pushed." default:"5"`
	PromptsShort     int `koanf:"prompts_per_5m" desc:"How many requests are pushed to one user within 5 minutes, since she last approved one." default:"3"`
	PromptsLong      int `koanf:"prompts_per_hour" desc:"How many within an hour, at most 100." default:"10"`

	FirstWait   time.Duration `koanf:"first_wait" desc:"How long nothing is pushed to a user for whom one of these two was reached; twice as long each further time, until she approves one." default:"30s"`
	LongestWait time.Duration `koanf:"longest_wait" desc:"The longest such wait." default:"1h"`

	FastestApproval *time.Duration `koanf:"fastest_approval" desc:"An approval that comes sooner after its challenge is refused: a person and a passkey take longer. 0s: none is. For phones in software." default:"200ms"`

	ClientRate   int           `koanf:"client_per_minute" desc:"How many requests one client may ask for in a minute. What is over is refused as if the user were unknown." default:"1200"`
	OPRate       int           `koanf:"op_per_minute" desc:"How many all clients of this connection may." default:"12000"`
	BreakerUsers int           `koanf:"breaker_users" desc:"For how many different users one client may ask in a minute. Who asks for more has a list of them: all that this client asks is then refused for breaker_wait." default:"600"`
	BreakerWait  time.Duration `koanf:"breaker_wait" desc:"How long." default:"5m"`

	AlwaysPrompt []string `koanf:"always_prompt" desc:"Clients (client_id) whose requests are pushed in a user's quiet hours too." derived:"none"`
}

// DefaultLimits returns what is in force where nothing is configured.
func DefaultLimits() Limits {
	return Limits{
		PendingPerClient: 1, PendingPerUser: 5, PromptsShort: 3, PromptsLong: 10,
		FirstWait: 30 * time.Second, LongestWait: time.Hour, FastestApproval: new(200 * time.Millisecond),
		ClientRate: 1200, OPRate: 12_000, BreakerUsers: 600, BreakerWait: 5 * time.Minute,
	}
}

const (
	short      = 5 * time.Minute
	long       = time.Hour
	maxPrompts = 100 // are remembered

	longestHold = 5 * time.Second // or a person would be kept waiting
)

// Check tells fault about everything that is wrong with l, by key.
func (l Limits) Check(fault func(key, text string)) {
	for key, n := range map[string]int{
		"pending_per_client": l.PendingPerClient, "pending_per_user": l.PendingPerUser, "prompts_per_5m": l.PromptsShort,
		"client_per_minute": l.ClientRate, "op_per_minute": l.OPRate, "breaker_users": l.BreakerUsers,
	} {
		if n < NoLimit {
			fault(key, "must be a number, or -1 for no limit.")
		}
	}
	if l.PromptsLong < NoLimit || l.PromptsLong > maxPrompts {
		fault("prompts_per_hour", fmt.Sprintf("must be at most %d, or -1 for no limit.", maxPrompts))
	}
	if f := l.FastestApproval; f != nil && (*f < 0 || *f > longestHold) {
		fault("fastest_approval", fmt.Sprintf("must be between 0s and %s.", longestHold))
	}
	if l.LongestWait < l.FirstWait {
		fault("longest_wait", "must not be shorter than first_wait.")
	}
}

// LimitBook holds the limits of every connection. It implements
// [approval.Limits].
type LimitBook map[string]Limits

// of returns the limits of a connection.
func (b LimitBook) of(op string) Limits {
	if l, ok := b[op]; ok {
		return l
	}
	return DefaultLimits()
}

// Limited implements [approval.Limits].
func (b LimitBook) Limited(op string) bool { return !b.of(op).Off }

// Fastest implements [approval.Limits].
func (b LimitBook) Fastest(op string) time.Duration {
	l := b.of(op)
	if l.Off || l.FastestApproval == nil {
		return 0
	}
	return *l.FastestApproval
}

// Prompt implements [approval.Limits]. Every push counts, however its request
// ends: one that she ignores costs her as much attention as one that she denies.
// Only an approval shows that it was she who was at it (NIST SP 800-63B-4
// §3.1.3.2).
func (b LimitBook) Prompt(r approval.Request, p approval.Prompts) (approval.Prompts, approval.Quiet) {
	l, now := b.of(r.OP), r.CreatedAt
	if l.Off {
		return p, ""
	}
	if p.Hours.Hold(now) && !slices.Contains(l.AlwaysPrompt, r.ClientID) {
		return p, approval.QuietHours
	}
	if reached(p.OfClient, l.PendingPerClient) || reached(p.OfUser, l.PendingPerUser) {
		return p, approval.QuietPending
	}
	p.Recent = slices.DeleteFunc(slices.Clone(p.Recent), func(t time.Time) bool { return now.Sub(t) >= long })
	if now.Before(p.Until) || l.full(p.Recent, now) {
		return p, approval.QuietPrompts
	}
	p.Recent = append(p.Recent, now)
	p.Recent = p.Recent[max(0, len(p.Recent)-maxPrompts):]
	if l.full(p.Recent, now) {
		p.Until = now.Add(l.wait(p.Streak))
		p.Streak++
	}
	return p, ""
}

// full reports whether these prompts are as many as may be.
func (l Limits) full(recent []time.Time, now time.Time) bool {
	var lately int
	for _, t := range recent {
		if now.Sub(t) < short {
			lately++
		}
	}
	return reached(lately, l.PromptsShort) || reached(len(recent), l.PromptsLong)
}

// wait is how long nothing is pushed after limits were reached times in a row.
func (l Limits) wait(times int) time.Duration {
	w := l.FirstWait
	for range times {
		if w >= l.LongestWait/2 {
			return l.LongestWait
		}
		w *= 2
	}
	return min(w, l.LongestWait)
}

// reached reports whether n is as many as limit lets there be.
func reached(n, limit int) bool { return limit != NoLimit && n >= limit }
