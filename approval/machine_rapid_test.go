package approval_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
)

// life is a request that things happen to, and what has become of it so far.
type life struct {
	r       approval.Request
	now     time.Time
	reports int
	clears  int
	ended   approval.Event // what ended it
}

// TestAnyHistory sends whatever may happen, in any order and at any time, through
// Step, and holds each step against what is true of all of them. What it finds it
// shrinks to the shortest history that shows it.
func TestAnyHistory(t *testing.T) {
	for range 20 { // times a hundred, which is rapid's default
		rapid.Check(t, anyHistory)
	}
}

func anyHistory(t *rapid.T) {
	l := &life{now: t0, r: approval.Request{
		ID: "r", OP: "corp", UserID: "u", State: approval.Pending, CreatedAt: t0,
		ExpiresAt: t0.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "lives for")) * time.Second),
		Code:      approval.Code{Tries: rapid.IntRange(0, approval.MaxCodeTries).Draw(t, "tries spent")},
	}}
	t.Repeat(map[string]func(*rapid.T){
		"time passes": func(t *rapid.T) {
			l.now = l.now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "for")))
		},
		"something happens": func(t *rapid.T) { l.step(t, anyEvent().Draw(t, "event")) },
		"":                  l.holds,
	})
	l.end(t)
}

// anyEvent is an event, and of a decision any, those that nobody ought to make too.
func anyEvent() *rapid.Generator[approval.Event] {
	return rapid.Custom(func(t *rapid.T) approval.Event {
		switch rapid.IntRange(0, 6).Draw(t, "which") {
		case 0, 1:
			return approval.Answered{Decision: approval.Decision{
				Verdict: rapid.SampledFrom([]approval.Verdict{approval.Approve, approval.Deny, "", "shrug"}).Draw(t, "verdict"),
				Reason:  rapid.SampledFrom([]approval.Reason{"", approval.ReasonUser, approval.ReasonNotMe}).Draw(t, "reason"),
				Device:  device.DeviceID(rapid.SampledFrom([]string{"", "d"}).Draw(t, "device")),
			}}
		case 2:
			return approval.CodeTried{}
		case 3:
			return approval.CodeWrong{}
		case 4:
			return approval.Refused{Reason: approval.ReasonACR}
		case 5:
			return approval.Lapsed{}
		}
		return approval.Recalled{ByOP: rapid.Bool().Draw(t, "by the OP")}
	})
}

// step has ev happen now, and checks what may come of it.
func (l *life) step(t *rapid.T, ev approval.Event) {
	was := l.r
	next, effects, err := approval.Step(was, ev, l.now)
	again, sameEffects, sameErr := approval.Step(was, ev, l.now)
	if !reflect.DeepEqual(next, again) || !slices.Equal(effects, sameEffects) || (err == nil) != (sameErr == nil) {
		t.Fatalf("%T: the same step twice: %+v and %+v", ev, next, again)
	}
	if !reflect.DeepEqual(was, l.r) {
		t.Fatalf("%T changed the request that it was given", ev)
	}
	switch {
	case was.State.Final() && !errors.Is(err, approval.ErrSettled):
		t.Fatalf("%T after the end: %v", ev, err)
	case err != nil && (!reflect.DeepEqual(next, was) || effects != nil):
		t.Fatalf("%T failed with %v, and it moved: %+v, %v", ev, err, next, effects)
	case err != nil:
		return
	}
	l.ends(t, ev, next, effects)
	l.r = next
	for _, e := range effects {
		switch e.(type) {
		case approval.Report:
			l.reports++
		case approval.Clear:
			l.clears++
		}
	}
}

// ends checks who may bring a request to which end, and when, and that nothing else
// of it changes.
func (l *life) ends(t *rapid.T, ev approval.Event, next approval.Request, effects []approval.Effect) {
	late := !l.now.Before(l.r.ExpiresAt)
	answer, isAnswer := ev.(approval.Answered)
	_, isLapse := ev.(approval.Lapsed)
	_, isRecall := ev.(approval.Recalled)
	for _, rule := range []struct {
		holds bool
		what  string
	}{
		{next.State != approval.Approved || isAnswer && answer.Decision.Verdict == approval.Approve, "approved without the user's yes"},
		{next.State != approval.Approved || !late, "approved after its time"},
		{next.State != approval.Denied || !late, "denied after its time"},
		{next.State != approval.Expired || isLapse && late, "expired before its time"},
		{next.State != approval.Withdrawn || isRecall, "withdrawn by nobody"},
		{next.State.Final() || len(effects) == 0, "told somebody of nothing"},
		{next.Code.Tries >= l.r.Code.Tries && next.Code.Tries <= l.r.Code.Tries+1, "tries taken off, or too many charged"},
	} {
		if !rule.holds {
			t.Fatalf("%T at %v of %v: %s", ev, l.now.Sub(t0), l.r.ExpiresAt.Sub(t0), rule.what)
		}
	}
	if next.State.Final() {
		l.ended = ev
	}
	same := next
	same.State, same.Decision, same.Code = l.r.State, l.r.Decision, l.r.Code
	if !reflect.DeepEqual(same, l.r) {
		t.Fatalf("%T changed what is not its own: %+v", ev, next)
	}
}

// holds is what is true of a request at any time.
func (l *life) holds(t *rapid.T) {
	r := l.r
	decided := r.State == approval.Approved || r.State == approval.Denied
	recall, recalled := l.ended.(approval.Recalled)
	reports := 0
	if r.State.Final() && !(recalled && recall.ByOP) {
		reports = 1
	}
	clears := 0
	if r.State.Final() {
		clears = 1
	}
	switch {
	case l.reports != reports || l.clears != clears:
		t.Fatalf("%s by %T: told %d times and cleared %d, want %d and %d", r.State, l.ended, l.reports, l.clears, reports, clears)
	case decided != (r.Decision != nil):
		t.Fatalf("%s with decision %+v", r.State, r.Decision)
	case r.Decision != nil && (r.Decision.Verdict == approval.Approve) != (r.State == approval.Approved):
		t.Fatalf("%s with verdict %s", r.State, r.Decision.Verdict)
	case r.Code.Tries > approval.MaxCodeTries:
		t.Fatalf("%d tries", r.Code.Tries)
	}
}

// end: whatever has happened, a request comes to an end when its time is over, and
// its user can refuse it until then.
func (l *life) end(t *rapid.T) {
	if l.r.State.Final() {
		return
	}
	no := approval.Answered{Decision: approval.Decision{Verdict: approval.Deny, Reason: approval.ReasonUser}}
	if l.now.Before(l.r.ExpiresAt) {
		if next, _, err := approval.Step(l.r, no, l.now); err != nil || next.State != approval.Denied {
			t.Fatalf("a no: %s, %v", next.State, err)
		}
	}
	l.now = l.r.ExpiresAt
	l.step(t, no)
	l.step(t, approval.Lapsed{})
	if l.r.State != approval.Expired {
		t.Fatalf("at its end it is %s", l.r.State)
	}
	l.holds(t)
}
