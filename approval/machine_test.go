package approval_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var (
	everyState = []approval.State{
		approval.Pending, approval.Approved, approval.Denied, approval.Expired, approval.Withdrawn,
	}
	told     = []approval.Effect{approval.Report{}, approval.Clear{}}
	quiet    = []approval.Effect{approval.Clear{}}
	errOther = errors.New("any other error")
)

// everyEvent is one of each event, and of each verdict.
func everyEvent() map[string]approval.Event {
	return map[string]approval.Event{
		"approve":    approval.Answered{Decision: approval.Decision{Verdict: approval.Approve, Credential: "c1"}},
		"deny":       approval.Answered{Decision: approval.Decision{Verdict: approval.Deny, Reason: approval.ReasonUser}},
		"shrug":      approval.Answered{},
		"code tried": approval.CodeTried{},
		"code wrong": approval.CodeWrong{},
		"refuse":     approval.Refused{Reason: approval.ReasonACR},
		"lapse":      approval.Lapsed{},
		"recall":     approval.Recalled{},
		"OP recalls": approval.Recalled{ByOP: true},
	}
}

type outcome struct {
	state   approval.State
	effects []approval.Effect
	err     error
}

// outcomes is what each event does to a pending request, on time and late, with
// tries left and without. What is final stays as it is and is not in the list.
func outcomes() map[string]outcome {
	pending, denied := approval.Pending, approval.Denied
	want := map[string]outcome{
		"on time/approve":                 {approval.Approved, told, nil},
		"on time/deny":                    {denied, told, nil},
		"on time/shrug":                   {pending, nil, errOther},
		"on time/code tried":              {pending, nil, nil},
		"on time/code wrong":              {pending, nil, nil},
		"on time/refuse":                  {denied, told, nil},
		"on time/lapse":                   {pending, nil, errOther},
		"on time/recall":                  {approval.Withdrawn, told, nil},
		"on time/OP recalls":              {approval.Withdrawn, quiet, nil},
		"on time, tries spent/approve":    {approval.Approved, told, nil}, // the last try was right
		"on time, tries spent/deny":       {denied, told, nil},
		"on time, tries spent/shrug":      {pending, nil, errOther},
		"on time, tries spent/refuse":     {denied, told, nil},
		"on time, tries spent/lapse":      {pending, nil, errOther},
		"on time, tries spent/recall":     {approval.Withdrawn, told, nil},
		"on time, tries spent/OP recalls": {approval.Withdrawn, quiet, nil},
		"on time, tries spent/code tried": {denied, told, nil},
		"on time, tries spent/code wrong": {denied, told, nil},
	}
	for _, when := range []string{"late", "late, tries spent"} {
		for _, ev := range []string{"approve", "deny", "shrug", "code tried", "code wrong", "refuse"} {
			want[when+"/"+ev] = outcome{pending, nil, approval.ErrExpired}
		}
		want[when+"/lapse"] = outcome{approval.Expired, told, nil}
		want[when+"/recall"] = outcome{approval.Withdrawn, told, nil}
		want[when+"/OP recalls"] = outcome{approval.Withdrawn, quiet, nil}
	}
	return want
}

// TestStep walks every state through every event, on time and late. A pair that
// the table forgets fails the test, so a new state or event cannot slip in
// without someone saying what it does.
func TestStep(t *testing.T) {
	want := outcomes()
	for _, state := range everyState {
		for when, now := range map[string]time.Time{"on time": t0, "late": t0.Add(time.Minute)} {
			for _, tries := range []int{0, approval.MaxCodeTries} {
				at := when
				if tries > 0 {
					at += ", tries spent"
				}
				for name, ev := range everyEvent() {
					t.Run(fmt.Sprintf("%s/%s/%s", state, at, name), func(t *testing.T) {
						w, ok := want[at+"/"+name]
						if !ok {
							t.Fatal("no expectation for this pair")
						}
						if state != approval.Pending {
							w = outcome{state, nil, approval.ErrSettled}
						}
						r := approval.Request{State: state, ExpiresAt: t0.Add(time.Minute), Code: approval.Code{Tries: tries}}
						checkStep(t, r, ev, now, w)
					})
				}
			}
		}
	}
}

func checkStep(t *testing.T, r approval.Request, ev approval.Event, now time.Time, w outcome) {
	t.Helper()
	got, effects, err := approval.Step(r, ev, now)
	if got.State != w.state || !slices.Equal(effects, w.effects) {
		t.Errorf("got %s %v, want %s %v", got.State, effects, w.state, w.effects)
	}
	if w.err == errOther && err == nil || w.err != errOther && !errors.Is(err, w.err) {
		t.Errorf("err = %v, want %v", err, w.err)
	}
	if err != nil && !reflect.DeepEqual(got, r) {
		t.Errorf("an error, and it moved: got %+v", got)
	}
	decided := got.State == approval.Approved || got.State == approval.Denied
	if err == nil && decided != (got.Decision != nil) {
		t.Errorf("%s with decision %v", got.State, got.Decision)
	}
}

// TestEveryEventIsTried: an event that is not in the table of TestStep would
// otherwise be tested by nobody.
func TestEveryEventIsTried(t *testing.T) {
	tried := map[string]bool{}
	for _, ev := range everyEvent() {
		tried[reflect.TypeOf(ev).Name()] = true
	}
	for _, name := range eventTypes(t) {
		if !tried[name] {
			t.Errorf("no test of event %s", name)
		}
	}
}

func TestTriesAreSpentOneByOne(t *testing.T) {
	r := approval.Request{State: approval.Pending, ExpiresAt: t0.Add(time.Minute)}
	for i := range approval.MaxCodeTries {
		var err error
		if r, _, err = approval.Step(r, approval.CodeTried{}, t0); err != nil || r.State != approval.Pending {
			t.Fatalf("try %d: %s, %v", i+1, r.State, err)
		}
		last := i+1 == approval.MaxCodeTries
		next, _, err := approval.Step(r, approval.CodeWrong{}, t0)
		if err != nil || (next.State == approval.Denied) != last {
			t.Fatalf("try %d was wrong: %s, %v", i+1, next.State, err)
		}
		if last && next.Decision.Reason != approval.ReasonUserCode {
			t.Errorf("denied for %q, want %q", next.Decision.Reason, approval.ReasonUserCode)
		}
	}
	if r.Code.Tries != approval.MaxCodeTries {
		t.Errorf("%d tries charged, want %d", r.Code.Tries, approval.MaxCodeTries)
	}
	r, _, err := approval.Step(r, approval.CodeTried{}, t0) // whoever charged the last did not live to say so
	if err != nil || r.State != approval.Denied || r.Code.Tries != approval.MaxCodeTries {
		t.Errorf("one more: %s with %d tries, %v", r.State, r.Code.Tries, err)
	}
}

// TestNothingMovesWhatIsFinal sends thousands of random histories through Step:
// whatever comes after the end changes neither state nor decision, and the OP
// is told once at most.
func TestNothingMovesWhatIsFinal(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	events := everyEvent()
	names := make([]string, 0, len(events))
	for name := range events {
		names = append(names, name)
	}
	slices.Sort(names)
	for range 5_000 {
		r := approval.Request{State: approval.Pending, ExpiresAt: t0.Add(10 * time.Second)}
		now, reports := t0, 0
		var history []string
		for range 20 {
			name := names[rng.IntN(len(names))]
			now = now.Add(time.Duration(rng.IntN(3)) * time.Second)
			history = append(history, name)
			next, effects, err := approval.Step(r, events[name], now)
			if r.State.Final() && (!reflect.DeepEqual(next, r) || !errors.Is(err, approval.ErrSettled) || effects != nil) {
				t.Fatalf("after %v: %s became %s, %v, %v", history, r.State, next.State, effects, err)
			}
			if slices.Contains(effects, approval.Effect(approval.Report{})) {
				reports++
			}
			r = next
		}
		if reports > 1 {
			t.Fatalf("after %v the OP was told %d times", history, reports)
		}
	}
}

func TestStateAt(t *testing.T) {
	end := t0.Add(time.Minute)
	for _, s := range everyState {
		r := approval.Request{State: s, ExpiresAt: end}
		want := s
		if s == approval.Pending {
			want = approval.Expired
		}
		if got := r.StateAt(end); got != want {
			t.Errorf("%s at its end: got %s, want %s", s, got, want)
		}
		if got := r.StateAt(end.Add(-1)); got != s {
			t.Errorf("%s just before: got %s", s, got)
		}
		if s.Final() == (s == approval.Pending) {
			t.Errorf("%s: Final is %v", s, s.Final())
		}
	}
}
