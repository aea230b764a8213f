package policy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
)

var noon = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

// prompts asks for one push after the other, at these times after noon, and
// returns which were pushed.
func prompts(l policy.Limits, p approval.Prompts, after ...time.Duration) (pushed []time.Duration) {
	book := policy.LimitBook{"corp": l}
	for _, d := range after {
		var why approval.Quiet
		if p, why = book.Prompt(approval.Request{OP: "corp", CreatedAt: noon.Add(d)}, p); why == "" {
			pushed = append(pushed, d)
		}
	}
	return pushed
}

// every returns count times, step apart.
func every(step time.Duration, count int) (out []time.Duration) {
	for i := range count {
		out = append(out, time.Duration(i)*step)
	}
	return out
}

func TestPromptsSinceTheLastApproval(t *testing.T) {
	const m = time.Minute
	short, long := policy.DefaultLimits(), policy.DefaultLimits()
	short.PromptsLong = policy.NoLimit
	long.PromptsShort = policy.NoLimit
	none := long
	none.PromptsLong = policy.NoLimit
	for _, tt := range []struct {
		name  string
		l     policy.Limits
		after []time.Duration
		want  []time.Duration
	}{
		{"three in five minutes", short, every(m, 6), []time.Duration{0, m, 2 * m, 5 * m}},
		{"ten an hour", long, every(m, 60), every(m, 10)},
		{"and another when the first is an hour old", long, append(every(m, 11), 60*m), append(every(m, 10), 60*m)},
		{"no limit", none, every(time.Second, 50), every(time.Second, 50)},
		{"off", policy.Limits{Off: true}, every(0, 50), every(0, 50)},
	} {
		if got := prompts(tt.l, approval.Prompts{}, tt.after...); !slices.Equal(got, tt.want) {
			t.Errorf("%s: pushed after %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestTheWaitGrows: who goes on asking a user who never approves waits 30 s, then
// twice as long each time, and never longer than an hour.
func TestTheWaitGrows(t *testing.T) {
	l := policy.DefaultLimits()
	l.PromptsShort, l.PromptsLong = 1, policy.NoLimit
	book := policy.LimitBook{"corp": l}
	var p approval.Prompts
	now := noon
	for i, want := range []time.Duration{
		30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute,
		32 * time.Minute, time.Hour, time.Hour, time.Hour,
	} {
		var why approval.Quiet
		if p, why = book.Prompt(approval.Request{OP: "corp", CreatedAt: now}, p); why != "" {
			t.Fatalf("%d: quiet for %s", i, why)
		}
		if got := p.Until.Sub(now); got != want {
			t.Errorf("wait %d is %v, want %v", i, got, want)
		}
		early := approval.Request{OP: "corp", CreatedAt: p.Until.Add(-time.Microsecond)}
		if _, why := book.Prompt(early, p); why != approval.QuietPrompts {
			t.Errorf("before wait %d is over: %q", i, why)
		}
		now = now.Add(max(want, 5*time.Minute)) // the window has passed too
	}
}

func TestPendingPrompts(t *testing.T) {
	for _, tt := range []struct {
		name           string
		l              policy.Limits
		client, others int
		want           approval.Quiet
	}{
		{"nothing waits", policy.DefaultLimits(), 0, 0, ""},
		{"four of others wait", policy.DefaultLimits(), 0, 4, ""},
		{"five of others wait", policy.DefaultLimits(), 0, 5, approval.QuietPending},
		{"one of this client waits", policy.DefaultLimits(), 1, 0, approval.QuietPending},
		{"no limit", policy.Limits{PendingPerClient: -1, PendingPerUser: -1, PromptsShort: -1, PromptsLong: -1}, 9, 90, ""},
		{"off", policy.Limits{Off: true}, 9, 90, ""},
	} {
		p := approval.Prompts{OfClient: tt.client, OfUser: tt.client + tt.others}
		got, why := policy.LimitBook{"corp": tt.l}.Prompt(approval.Request{OP: "corp", CreatedAt: noon}, p)
		if why != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, why, tt.want)
		}
		if why != "" && len(got.Recent) != 0 {
			t.Errorf("%s: what was not pushed is counted", tt.name)
		}
	}
}

func TestQuietHoursOfClients(t *testing.T) {
	l := policy.DefaultLimits()
	l.AlwaysPrompt = []string{"alarm"}
	book := policy.LimitBook{"corp": l}
	p := approval.Prompts{Hours: approval.Hours{Zone: "Asia/Tokyo", From: 20 * 60, To: 22 * 60}} // noon is 21:00 there
	for client, want := range map[string]approval.Quiet{"shop": approval.QuietHours, "alarm": ""} {
		if _, why := book.Prompt(approval.Request{OP: "corp", ClientID: client, CreatedAt: noon}, p); why != want {
			t.Errorf("%s: got %q, want %q", client, why, want)
		}
	}
}

func TestLimitsCheck(t *testing.T) {
	faults := map[string]bool{}
	policy.Limits{PendingPerClient: -2, PendingPerUser: -2, PromptsShort: -2, PromptsLong: 101, FirstWait: 2, LongestWait: 1,
		ClientRate: -2, OPRate: -2, BreakerUsers: -2, FastestApproval: new(time.Duration(-1))}.
		Check(func(key, _ string) { faults[key] = true })
	for _, key := range []string{"pending_per_client", "pending_per_user", "prompts_per_5m", "prompts_per_hour", "longest_wait",
		"client_per_minute", "op_per_minute", "breaker_users", "fastest_approval"} {
		if !faults[key] {
			t.Errorf("%s is not refused", key)
		}
	}
	policy.Limits{FastestApproval: new(time.Minute)}.Check(func(key, _ string) { delete(faults, key) })
	if faults["fastest_approval"] {
		t.Error("fastest_approval of a minute is not refused")
	}
	policy.DefaultLimits().Check(func(key, text string) { t.Errorf("default %s %s", key, text) })
}
