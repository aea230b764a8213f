package approval_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// limitedWorld is a world whose connection has these limits.
func limitedWorld(t *testing.T, db *store.DB, l policy.Limits) *world {
	t.Helper()
	w := newWorldOn(t, db, policy.Rules{})
	w.Limits, w.Prompts = policy.LimitBook{"corp": l}, db
	return w
}

// asksBy is asks of another client.
func (w *world) asksBy(subject, client string) approval.Ask {
	a := w.asks(subject)
	a.ClientID = client
	return a
}

// quiet has aiko asked by client and returns why she was not pushed.
func (w *world) quiet(t *testing.T, client string) approval.Quiet {
	t.Helper()
	return w.accept(t, w.asksBy("aiko", client)).Quiet
}

// approve has p say yes to a request, a second after its challenge.
func (w *world) approve(t *testing.T, id approval.RequestID, p phone) (approval.Request, error) {
	t.Helper()
	yes := w.signed(t, id, p, "")
	w.now = w.now.Add(time.Second)
	return w.Decide(t.Context(), yes)
}

// TestWhatIsOverALimitIsListedAndNotPushed: the second request of a client waits
// beside the first, is seen by the user's devices, pushed to none of them, and
// answered like any other.
func TestWhatIsOverALimitIsListedAndNotPushed(t *testing.T) {
	w := limitedWorld(t, storetest.SQLite(t), policy.DefaultLimits())
	p := w.pair(t, w.user(t, "aiko"))
	a := devicetest.Subscription("https://push.example/a", w.now)
	_, err := w.db.AddAddress(t.Context(), device.NewAddress{Device: p.ID, Address: a, Most: 5}, admin)
	fatal(t, err)
	first, second := w.accept(t, w.asks("aiko")), w.accept(t, w.asks("aiko"))
	if first.Quiet != "" || second.Quiet != approval.QuietPending {
		t.Errorf("the first is quiet for %q, the second for %q", first.Quiet, second.Quiet)
	}
	if stored, err := w.db.Request(t.Context(), second.ID); err != nil || stored.Quiet != approval.QuietPending {
		t.Errorf("stored: %q, %v", stored.Quiet, err)
	}
	if jobs := w.jobs(t, second.ID); len(jobs) != 0 {
		t.Errorf("the second is pushed: %v", jobs)
	}
	waiting, err := w.Pending(t.Context(), who(p))
	if err != nil || len(waiting) != 2 {
		t.Errorf("%d are listed, want 2: %v", len(waiting), err)
	}
	got, err := w.approve(t, second.ID, p)
	if err != nil || got.State != approval.Approved {
		t.Errorf("the quiet one: %s, %v", got.State, err)
	}
	d, err := w.db.Device(t.Context(), p.ID)
	fatal(t, err)
	sockets, others, _ := w.due(t, func(id push.AddressID) bool {
		return slices.ContainsFunc(d.Addresses, func(a push.Address) bool { return a.ID == id && a.Channel == push.WebSocket })
	})
	if sockets != 1 || others != 0 { // an open page may list it; no push has shown it
		t.Errorf("cleared: %d sockets and %d others, want 1 and 0", sockets, others)
	}
}

// TestPendingIsCountedOfWhatWaits: what is answered, withdrawn or over makes room,
// and what was quiet takes none.
func TestPendingIsCountedOfWhatWaits(t *testing.T) {
	l := policy.DefaultLimits()
	l.PromptsShort, l.PromptsLong = policy.NoLimit, policy.NoLimit
	w := limitedWorld(t, storetest.SQLite(t), l)
	p := w.pair(t, w.user(t, "aiko"))
	first := w.accept(t, w.asks("aiko"))
	if got := w.quiet(t, "shop"); got != approval.QuietPending {
		t.Errorf("while one waits: %q", got)
	}
	_, err := w.Decide(t.Context(), no(first.ID, p))
	fatal(t, err)
	if got := w.quiet(t, "shop"); got != "" {
		t.Errorf("after it was denied: %q", got)
	}
	for i := range 4 {
		if got := w.quiet(t, fmt.Sprint("other", i)); got != "" {
			t.Errorf("of client %d: %q", i, got)
		}
	}
	if got := w.quiet(t, "sixth"); got != approval.QuietPending {
		t.Errorf("when five wait: %q", got)
	}
	w.now = w.now.Add(3 * time.Minute) // all are over, though no sweeper has been by
	if got := w.quiet(t, "shop"); got != "" {
		t.Errorf("when they are over: %q", got)
	}
}

// TestOnlyAnApprovalResetsPrompts: of three pushes in five minutes it does not
// matter how they ended, unless she approved one.
func TestOnlyAnApprovalResetsPrompts(t *testing.T) {
	l := policy.DefaultLimits()
	l.PendingPerClient, l.PendingPerUser = policy.NoLimit, policy.NoLimit
	w := limitedWorld(t, storetest.SQLite(t), l)
	p := w.pair(t, w.user(t, "aiko"))
	var quiet approval.Request
	for i := range 3 {
		r := w.accept(t, w.asks("aiko"))
		if r.Quiet != "" {
			t.Fatalf("push %d: %q", i, r.Quiet)
		}
		if i > 0 { // one is denied, one withdrawn, one left alone
			_, err := w.Decide(t.Context(), no(r.ID, p))
			fatal(t, err)
		} else {
			_, err := w.Recall(t.Context(), r.ID, theOP)
			fatal(t, err)
		}
	}
	if quiet = w.accept(t, w.asks("aiko")); quiet.Quiet != approval.QuietPrompts {
		t.Fatalf("the fourth: %q", quiet.Quiet)
	}
	_, err := w.approve(t, quiet.ID, p)
	fatal(t, err)
	if got := w.quiet(t, "shop"); got != "" {
		t.Errorf("after she approved: %q", got)
	}
}

// TestSheCanAlwaysRefuse: whatever limit is reached, a no is taken, and the wrong
// codes of somebody else do not stand in its way.
func TestSheCanAlwaysRefuse(t *testing.T) {
	w := limitedWorld(t, storetest.SQLite(t), policy.DefaultLimits())
	p := w.pair(t, w.user(t, "aiko"))
	for i := range 40 {
		r := w.accept(t, w.asksBy("aiko", fmt.Sprint("client", i%7)))
		got, err := w.Decide(t.Context(), no(r.ID, p))
		if err != nil || got.State != approval.Denied {
			t.Fatalf("no %d: %s, %v", i, got.State, err)
		}
	}
}

// TestARepeatedAskIsTheSameRequest: limits do not make another of it.
func TestARepeatedAskIsTheSameRequest(t *testing.T) {
	w := limitedWorld(t, storetest.SQLite(t), policy.DefaultLimits())
	w.pair(t, w.user(t, "aiko"))
	a := w.asks("aiko")
	first, again := w.accept(t, a), w.accept(t, a)
	if first.ID != again.ID || again.Quiet != "" {
		t.Errorf("got %s (%q), want %s", again.ID, again.Quiet, first.ID)
	}
}

// TestManyAtOnceAreNoMoreThanOneByOne: sixty asks at one moment of twelve clients
// push five requests, one a client, on both databases and by two nodes.
func TestManyAtOnceAreNoMoreThanOneByOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := policy.DefaultLimits()
		l.PromptsShort, l.PromptsLong = policy.NoLimit, policy.NoLimit
		w := limitedWorld(t, db, l)
		w.pair(t, w.user(t, "aiko"))
		var mu sync.Mutex
		var wg sync.WaitGroup
		pushed := map[string]int{}
		for i := range 60 {
			a := w.asksBy("aiko", fmt.Sprint("client", i%12))
			wg.Go(func() {
				r, err := w.Accept(t.Context(), a, theOP)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if r.Quiet == "" {
					pushed[r.ClientID]++
				}
			})
		}
		wg.Wait()
		for client, n := range pushed {
			if n != 1 {
				t.Errorf("%s: %d were pushed, want 1", client, n)
			}
		}
		if len(pushed) != 5 {
			t.Errorf("of %d clients something was pushed, want 5", len(pushed))
		}
	})
}

// closed takes nothing.
type closed struct{}

// Take implements approval.Gate.
func (closed) Take(approval.Ask, time.Time) bool { return false }

// TestTooMuchLooksLikeAStranger: what is over a bound of asking is answered as an
// ask for nobody, leaves nothing behind, and takes nothing back that was taken.
func TestTooMuchLooksLikeAStranger(t *testing.T) {
	for _, reports := range []bool{false, true} {
		w := limitedWorld(t, storetest.SQLite(t), policy.DefaultLimits())
		w.pair(t, w.user(t, "aiko"))
		before := w.asks("aiko")
		first := w.accept(t, before)
		w.Gate = closed{}
		var answers []approval.Request
		for _, subject := range []string{"aiko", "nobody"} {
			a := w.asks(subject)
			a.ReportsRefusals = reports
			r, err := w.Accept(t.Context(), a, theOP)
			if !reports {
				is(t, subject, err, approval.ErrUnknownUser)
				_, err = w.db.Request(t.Context(), a.ID)
				is(t, subject, err, approval.ErrNotFound)
				continue
			}
			fatal(t, err)
			stored, err := w.db.Request(t.Context(), r.ID)
			fatal(t, err)
			stored.ID, stored.RefHash = "", nil
			answers = append(answers, stored)
		}
		if reports {
			if diff := cmp.Diff(answers[1], answers[0]); diff != "" {
				t.Errorf("she differs from nobody: %s", diff)
			}
		}
		if again := w.accept(t, before); again.ID != first.ID || again.State != approval.Pending {
			t.Errorf("what was taken before is now %s", again.State)
		}
	}
}

// TestACodeThatIsTooMuchLooksLikeOneThatIsOver: there is no unknown user where a
// code says who is meant.
func TestACodeThatIsTooMuchLooksLikeOneThatIsOver(t *testing.T) {
	w := limitedWorld(t, storetest.SQLite(t), policy.DefaultLimits())
	w.Gate = closed{}
	a := w.asks("")
	a.HintToken = "none"
	_, err := w.Accept(t.Context(), a, theOP)
	is(t, "a code", err, approval.ErrHintToken)
}

// countedStanding counts how often it is asked.
type countedStanding struct {
	approval.Prompting
	n int
}

// Standing implements approval.Prompting.
func (c *countedStanding) Standing(ctx context.Context, u device.UserID, client string, now time.Time) (approval.Prompts, approval.Bar, error) {
	c.n++
	return c.Prompting.Standing(ctx, u, client, now)
}

// TestABarHoldsWhereLimitsAreKept: there it is read together with where the user
// stands, and for nobody as for her.
func TestABarHoldsWhereLimitsAreKept(t *testing.T) {
	w := newBarredWorld(t, storetest.SQLite(t))
	reads := &countedStanding{Prompting: w.db}
	w.Limits, w.Prompts = policy.LimitBook{}, reads
	p := w.pair(t, w.user(t, "aiko"))
	_, err := w.Decide(t.Context(), w.notMe(t, w.accept(t, w.asks("aiko")).ID, p))
	fatal(t, err)
	for _, subject := range []string{"aiko", "nobody"} {
		reads.n = 0
		_, err := w.Accept(t.Context(), w.asks(subject), theOP)
		is(t, subject, err, approval.ErrUnknownUser)
		if reads.n != 1 {
			t.Errorf("%s: read %d times, want once", subject, reads.n)
		}
	}
	if r := w.accept(t, w.asksBy("bank", "aiko")); r.State != approval.Pending || r.Quiet != "" {
		t.Errorf("another client: %s, quiet for %q", r.State, r.Quiet)
	}
}

// TestAnApprovalTakesAsLongAsAPerson: a yes that comes sooner after its challenge
// than anybody reads and moves is refused, charges no code, and is taken later.
func TestAnApprovalTakesAsLongAsAPerson(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits policy.Limits
		after  time.Duration
		want   error
	}{
		{"at once", policy.DefaultLimits(), 0, approval.ErrTooSoon},
		{"just too soon", policy.DefaultLimits(), 200*time.Millisecond - time.Microsecond, approval.ErrTooSoon},
		{"soon enough", policy.DefaultLimits(), 200 * time.Millisecond, nil},
		{"on another node, whose clock is behind", policy.DefaultLimits(), -time.Second, approval.ErrTooSoon},
		{"as it is configured", policy.Limits{FastestApproval: new(time.Second)}, 999 * time.Millisecond, approval.ErrTooSoon},
		{"no such limit", policy.Limits{}, 0, nil},
		{"no limits", policy.Limits{Off: true, FastestApproval: new(time.Hour)}, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := limitedWorld(t, storetest.SQLite(t), tt.limits)
			p := w.pair(t, w.user(t, "aiko"))
			r := w.accept(t, w.asks("aiko"))
			yes := w.signed(t, r.ID, p, "")
			asked := w.now
			w.now = asked.Add(tt.after)
			_, err := w.Decide(t.Context(), yes)
			is(t, "a yes", err, tt.want)
			if tt.want == nil {
				return
			}
			w.now = asked.Add(time.Second)
			got, err := w.Decide(t.Context(), yes)
			if err != nil || got.State != approval.Approved {
				t.Errorf("the same later: %s, %v", got.State, err)
			}
		})
	}
}

// TestADenialMayBeQuick: however soon it comes.
func TestADenialMayBeQuick(t *testing.T) {
	w := limitedWorld(t, storetest.SQLite(t), policy.Limits{FastestApproval: new(time.Hour)})
	p := w.pair(t, w.user(t, "aiko"))
	got, err := w.Decide(t.Context(), no(w.accept(t, w.asks("aiko")).ID, p))
	if err != nil || got.State != approval.Denied {
		t.Errorf("a no: %s, %v", got.State, err)
	}
}

// TestOneOfSeveralIsToBeRead: whoever is asked a second time within ten minutes is
// given a moment before she can approve; whether the first waits or is over.
func TestOneOfSeveralIsToBeRead(t *testing.T) {
	w := limitedWorld(t, storetest.SQLite(t), policy.DefaultLimits())
	w.Past = w.db
	p := w.pair(t, w.user(t, "aiko"))
	other := w.pair(t, w.user(t, "ken"))
	pause := func(want time.Duration) {
		t.Helper()
		got, err := w.Pause(t.Context(), who(p, other), approval.Request{OP: "corp", UserID: p.User})
		if err != nil || got != want {
			t.Errorf("pause %v, %v, want %v", got, err, want)
		}
	}
	pause(0)
	w.accept(t, w.asks("ken")) // is not hers
	first := w.accept(t, w.asks("aiko"))
	pause(0)
	w.accept(t, w.asks("aiko"))
	pause(approval.ReadingTime)
	w.now = w.now.Add(9 * time.Minute) // both are over
	_, err := w.Expire(t.Context(), 10)
	fatal(t, err)
	pause(approval.ReadingTime)
	w.now = w.now.Add(time.Minute)
	_, err = w.db.Request(t.Context(), first.ID)
	fatal(t, err)
	pause(0)
	w.accept(t, w.asks("aiko"))
	w.accept(t, w.asks("aiko"))
	pause(approval.ReadingTime)
	w.Limits = policy.LimitBook{"corp": {Off: true}}
	pause(0)
}
