package approval_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// How much is raced for. On a machine that is busy fewer races than these are
// run, but never less than the least.
const (
	races      = 2000
	leastRaces = 64
	raceTime   = 40 * time.Second
	lanes      = 8 // requests that are raced for at once
)

// TestOneOfFourWins has a yes, a no, a cancellation and the end of its time
// race for one request, thousands of times: one of them wins, the others hear that
// it is over, and the OP is told once. Of the clocks that take part one stands just
// before the request's end and one behind it, as those of two nodes may.
func TestOneOfFourWins(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		db := storetest.SQLite(t)
		newTrack(t, db, db).run(t)
	})
	t.Run("postgres, two nodes", func(t *testing.T) {
		t.Parallel()
		url, ring := storetest.PostgresURL(t), seal.New()
		newTrack(t, storetest.Open(t, url, ring), storetest.Open(t, url, ring)).run(t)
	})
}

// track is where races are run.
type track struct {
	*world
	other *approval.Service // on another node, if the database has several
	late  []*approval.Service
	yes   []phone // one a lane
	no    []phone // of the same user
	won   map[approval.State]int
	ran   []approval.RequestID
	want  map[approval.RequestID]int // reports
}

// newTrack makes a user for each lane, on two nodes or twice on one.
func newTrack(t *testing.T, db, other *store.DB) *track {
	t.Helper()
	k := &track{
		world: newWorldOn(t, db, policy.Rules{}), won: map[approval.State]int{}, want: map[approval.RequestID]int{},
	}
	other.Now = k.Now
	on := *k.Service
	on.Store, on.Challenges, on.Failures = other, other, other
	k.other = &on
	for _, s := range []*approval.Service{k.Service, k.other} {
		late := *s
		late.Now = func() time.Time { return t0.Add(time.Hour) }
		k.late = append(k.late, &late)
	}
	for i := range lanes {
		u := k.user(t, fmt.Sprint("aiko", i))
		k.yes, k.no = append(k.yes, k.pair(t, u)), append(k.no, k.pair(t, u))
	}
	return k
}

func (k *track) run(t *testing.T) {
	for begun := time.Now(); len(k.ran) < races && (len(k.ran) < leastRaces || time.Since(begun) < raceTime); {
		k.race(t)
		if t.Failed() {
			return
		}
	}
	k.reports(t)
	t.Logf("%d races, won by %v", len(k.ran), k.won)
	for _, s := range everyState[1:] {
		if k.won[s] == 0 && len(k.ran) == races {
			t.Errorf("nobody ever came first to %s", s)
		}
	}
}

// attempt is how one of those who race for a request fared.
type attempt struct {
	to  approval.State
	err error
}

// race is one race on each lane.
func (k *track) race(t *testing.T) {
	t.Helper()
	asked, answers := k.asked(t)
	attempts := make([][3]attempt, lanes)
	var expired [2]int
	var all sync.WaitGroup
	start := make(chan struct{})
	at := func(most time.Duration, do func()) {
		wait := rand.N(most)
		all.Go(func() {
			<-start
			<-time.After(wait)
			do()
		})
	}
	ctx := t.Context()
	for i, r := range asked {
		at(2*time.Millisecond, func() {
			_, err := k.Decide(ctx, answers[i])
			attempts[i][0] = attempt{approval.Approved, err}
		})
		at(6*time.Millisecond, func() {
			_, err := k.other.Decide(ctx, no(r.ID, k.no[i]))
			attempts[i][1] = attempt{approval.Denied, err}
		})
		at(9*time.Millisecond, func() {
			_, err := k.recaller().Recall(ctx, r.ID, theOP)
			attempts[i][2] = attempt{approval.Withdrawn, err}
		})
	}
	for i, s := range k.late {
		at(12*time.Millisecond, func() {
			var err error
			if expired[i], err = s.Expire(ctx, lanes); err != nil {
				t.Errorf("expire: %v", err)
			}
		})
	}
	close(start)
	all.Wait()
	k.judge(t, asked, attempts, expired[0]+expired[1])
}

// asked is a request for each lane, and the yes to it.
func (k *track) asked(t *testing.T) ([]approval.Request, []approval.Answer) {
	t.Helper()
	asked := make([]approval.Request, lanes)
	toSign := make([]approval.ToSign, lanes)
	errs := make([]error, lanes)
	var all sync.WaitGroup
	for i := range lanes {
		all.Go(func() {
			asked[i], errs[i] = k.Accept(t.Context(), k.asks(fmt.Sprint("aiko", i)), theOP)
			if errs[i] == nil {
				toSign[i], errs[i] = k.Challenge(t.Context(), asked[i].ID, who(k.yes[i]), "en")
			}
		})
	}
	all.Wait()
	fatal(t, errors.Join(errs...))
	answers := make([]approval.Answer, lanes)
	for i, r := range asked {
		answers[i] = approval.Answer{
			Request: r.ID, Who: who(k.yes[i]), Verdict: approval.Approve, Assertion: k.yes[i].key.Get(t, toSign[i].Options),
		}
	}
	return asked, answers
}

// recaller is either node: an OP calls whichever it comes to.
func (k *track) recaller() *approval.Service {
	return []*approval.Service{k.Service, k.other}[rand.IntN(2)]
}

// judge holds what each was told against what is stored.
func (k *track) judge(t *testing.T, asked []approval.Request, attempts [][3]attempt, expired int) {
	t.Helper()
	ctx := t.Context()
	lapsed := 0
	for i, was := range asked {
		r, err := k.db.Request(ctx, was.ID)
		fatal(t, err)
		won := 0
		for _, a := range attempts[i] {
			switch {
			case a.err == nil && a.to == r.State:
				won++
			case a.err == nil:
				t.Errorf("%s: it was said to be %s, and is %s", r.ID, a.to, r.State)
			case errors.Is(a.err, approval.ErrExpired) && r.State == approval.Expired:
			// No challenge: it went with the end of the request, between two looks.
			case !errors.Is(a.err, approval.ErrSettled) && !errors.Is(a.err, approval.ErrChallenge):
				t.Errorf("%s: who came too late to make it %s heard %v", r.ID, a.to, a.err)
			}
		}
		if r.State == approval.Expired {
			lapsed++
			won++
		}
		if !r.State.Final() || won != 1 || r.Version != was.Version+1 {
			t.Errorf("%s is %s: %d were told that they did it, and it moved %d times", r.ID, r.State, won, r.Version-was.Version)
		}
		k.proven(ctx, t, r)
		k.won[r.State]++
		k.ran = append(k.ran, r.ID)
		if r.State != approval.Withdrawn { // the OP knows what it did itself
			k.want[r.ID] = 1
		}
	}
	if lapsed != expired {
		t.Errorf("%d have expired, and Expire counted %d", lapsed, expired)
	}
}

// proven checks that there is evidence of what was decided, and of nothing else.
func (k *track) proven(ctx context.Context, t *testing.T, r approval.Request) {
	t.Helper()
	if r.State != approval.Approved && r.State != approval.Denied {
		if _, err := k.db.Evidence(ctx, r.ID); !errors.Is(err, approval.ErrNotFound) || r.Decision != nil {
			t.Errorf("%s is %s, and there is evidence, %v, or a decision, %v", r.ID, r.State, err, r.Decision)
		}
		return
	}
	verdict := map[approval.State]approval.Verdict{approval.Approved: approval.Approve, approval.Denied: approval.Deny}[r.State]
	if st := k.statement(t, r.ID); st.Decision.Verdict != verdict || r.Decision.Verdict != verdict {
		t.Errorf("%s is %s, the evidence says %s, and the decision %s", r.ID, r.State, st.Decision.Verdict, r.Decision.Verdict)
	}
}

// reports counts what the OP will be told, and of how many requests.
func (k *track) reports(t *testing.T) {
	t.Helper()
	k.now = t0.Add(2 * time.Hour) // past any guard
	got := map[approval.RequestID]int{}
	for {
		jobs, err := k.db.ClaimJobs(t.Context(), 500, time.Hour)
		fatal(t, err)
		if len(jobs) == 0 {
			break
		}
		ends := make([]outbox.End, len(jobs))
		for i, j := range jobs {
			if j.Kind == "report" {
				got[approval.RequestID(j.Subject)]++
			}
			ends[i] = outbox.End{Job: j, Outcome: outbox.Done}
		}
		fatal(t, errors.Join(k.db.FinishJobs(t.Context(), ends)...))
	}
	for _, id := range k.ran {
		if got[id] != k.want[id] {
			t.Errorf("of %s there are %d reports, want %d", id, got[id], k.want[id])
		}
	}
}

// TestNobodyDecidesTwice: of many who send the same answer at once one is heard,
// whatever it is, and the passkey's counter moves once.
func TestNobodyDecidesTwice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorldOn(t, db, policy.Rules{})
		p := w.pair(t, w.user(t, "aiko"))
		for range 20 {
			r := w.accept(t, w.asks("aiko"))
			yes := w.signed(t, r.ID, p, "")
			errs := make([]error, 16)
			var all sync.WaitGroup
			for i := range errs {
				all.Go(func() { _, errs[i] = w.Decide(t.Context(), yes) })
			}
			all.Wait()
			taken := 0
			for _, err := range errs {
				if err == nil {
					taken++
				} else if !slices.ContainsFunc([]error{approval.ErrSettled, approval.ErrChallenge, approval.ErrConflict, device.ErrPasskey},
					func(known error) bool { return errors.Is(err, known) }) {
					t.Errorf("who came second heard %v", err)
				}
			}
			if taken != 1 || w.state(t, r.ID) != approval.Approved || w.jobs(t, r.ID)["report"] != 1 {
				t.Errorf("%d were taken, it is %s, want one, approved and one report", taken, w.state(t, r.ID))
			}
		}
	})
}
