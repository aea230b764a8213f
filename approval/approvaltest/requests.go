package approvaltest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

func requestKept(t *testing.T, s Stores) {
	u := s.People.NewUser(t, "corp", "A")
	want := Request(u.ID)
	want.OnlyDevice = "d"
	got := s.create(t, want, approval.Notify{Address: "a1"}, approval.Notify{Address: "a2"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("as created: %s", diff)
	}
	if diff := cmp.Diff(want, s.get(t, want.ID)); diff != "" {
		t.Errorf("as read: %s", diff)
	}
	if n := s.Jobs(t, want.ID, "notify"); n != 2 {
		t.Errorf("%d notify jobs, want one an address", n)
	}
	for _, id := range []approval.RequestID{"", "none", "a\x00b", "\xff"} {
		if _, err := s.Requests.Request(t.Context(), id); !errors.Is(err, approval.ErrNotFound) {
			t.Errorf("%q: got %v, want ErrNotFound", id, err)
		}
	}
}

// requestOfNobody: where an OP hears of a refusal only by a report, the request
// is stored denied, and it has no user.
func requestOfNobody(t *testing.T, s Stores) {
	want, _, err := approval.Step(Request(""), approval.Refused{Reason: approval.ReasonUnknownUser}, Start)
	if err != nil {
		t.Fatal(err)
	}
	s.create(t, want, approval.Report{})
	if diff := cmp.Diff(want, s.get(t, want.ID)); diff != "" {
		t.Error(diff)
	}
	if n := s.Jobs(t, want.ID, "report"); n != 1 {
		t.Errorf("%d reports, want 1", n)
	}
}

func oneRequestARef(t *testing.T, s Stores) {
	ctx := t.Context()
	u := s.People.NewUser(t, "corp", "A")
	same := make([]approval.Request, 8)
	for i := range same {
		same[i] = Request(u.ID)
		same[i].RefHash = same[0].RefHash
	}
	stored := make([]approval.Request, len(same))
	errs := devicetest.Race(len(same), func(i int) (err error) {
		stored[i], err = s.Requests.CreateRequest(ctx, same[i], []approval.Effect{approval.Notify{Address: "a"}}, byOP)
		return err
	})
	devicetest.OneWins(t, errs, approval.ErrDuplicate)
	winner := same[slices.Index(errs, nil)]
	for i, r := range stored {
		if diff := cmp.Diff(winner, r); diff != "" {
			t.Errorf("caller %d was given another request: %s", i, diff)
		}
	}
	jobs := 0
	for _, r := range same {
		jobs += s.Jobs(t, r.ID, "notify")
	}
	if jobs != 1 {
		t.Errorf("%d notify jobs, want 1", jobs)
	}
	elsewhere := Request(u.ID)
	elsewhere.OP, elsewhere.RefHash = "shop", winner.RefHash
	if _, err := s.Requests.CreateRequest(ctx, elsewhere, nil, byOP); err != nil {
		t.Errorf("the same reference at another OP: %v", err)
	}
	for op, want := range map[string]approval.Request{winner.OP: winner, "shop": elsewhere} {
		if got, err := s.Requests.RequestByRef(ctx, op, winner.RefHash); err != nil || got.ID != want.ID {
			t.Errorf("by the reference at %s: got %s, %v, want %s", op, got.ID, err, want.ID)
		}
	}
	if _, err := s.Requests.RequestByRef(ctx, "nobody", winner.RefHash); !errors.Is(err, approval.ErrNotFound) {
		t.Errorf("by the reference at a third: %v, want %v", err, approval.ErrNotFound)
	}
}

func firstDecisionWins(t *testing.T, s Stores) {
	ctx := t.Context()
	r, d := s.fresh(t)
	verdicts := []approval.Verdict{approval.Approve, approval.Deny}
	errs := devicetest.Race(8, func(i int) error {
		return s.Requests.UpdateRequest(ctx, decide(r, d, verdicts[i%2]))
	})
	devicetest.OneWins(t, errs, approval.ErrConflict)
	winner := decide(r, d, verdicts[slices.Index(errs, nil)%2]).Next
	winner.Version++
	if diff := cmp.Diff(winner, s.get(t, r.ID)); diff != "" {
		t.Error(diff)
	}
	if n := s.Jobs(t, r.ID, "report"); n != 1 {
		t.Errorf("%d reports, want 1", n)
	}
}

func loserLeavesNothing(t *testing.T, s Stores) {
	ctx := t.Context()
	r, d := s.fresh(t)
	won := approval.Change{Next: r, By: device.Mitome}
	won.Next.State = approval.Withdrawn
	if err := s.Requests.UpdateRequest(ctx, won); err != nil {
		t.Fatal(err)
	}
	lost := decide(r, d, approval.Approve)
	lost.Evidence = &approval.Evidence{Request: r.ID, JWS: "x.y.z", At: Start}
	lost.Effects = append(lost.Effects, approval.Clear{Address: "a1"})
	if err := s.Requests.UpdateRequest(ctx, lost); !errors.Is(err, approval.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if got := s.get(t, r.ID); got.State != approval.Withdrawn || got.Decision != nil {
		t.Errorf("got %s, %+v", got.State, got.Decision)
	}
	if _, err := s.Evidence.Evidence(ctx, r.ID); !errors.Is(err, approval.ErrNotFound) {
		t.Errorf("evidence of a decision that lost: %v", err)
	}
	for _, kind := range []string{"report", "clear"} {
		if n := s.Jobs(t, r.ID, kind); n != 0 {
			t.Errorf("%d jobs of kind %s, want none", n, kind)
		}
	}
}

func pendingFor(t *testing.T, s Stores) {
	a, b, c := s.People.NewUser(t, "corp", "A"), s.People.NewUser(t, "corp", "B"), s.People.NewUser(t, "corp", "C")
	at := func(u device.User, created, life time.Duration) approval.RequestID {
		r := Request(u.ID)
		r.CreatedAt, r.ExpiresAt = Start.Add(created), Start.Add(created+life)
		return s.create(t, r).ID
	}
	late := at(a, 3*time.Second, time.Minute)
	oldest := at(a, time.Second, time.Minute)
	ofB := at(b, 2*time.Second, time.Minute)
	over := at(a, 0, 10*time.Second)
	settled := s.get(t, at(a, 0, time.Minute))
	settled.State = approval.Withdrawn
	if err := s.Requests.UpdateRequest(t.Context(), approval.Change{Next: settled}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		users []device.UserID
		now   time.Duration
		want  []approval.RequestID
	}{
		{"oldest first", []device.UserID{a.ID}, 5 * time.Second, []approval.RequestID{over, oldest, late}},
		{"over at ExpiresAt", []device.UserID{a.ID}, 10 * time.Second, []approval.RequestID{oldest, late}},
		{"several users", []device.UserID{b.ID, c.ID, a.ID}, 10 * time.Second, []approval.RequestID{oldest, ofB, late}},
		{"nothing waits", []device.UserID{c.ID}, 0, nil},
		{"nobody", nil, 0, nil},
		{"an empty user", []device.UserID{""}, 0, nil},
	} {
		got, err := s.Requests.PendingFor(t.Context(), test.users, Start.Add(test.now))
		if diff := cmp.Diff(test.want, ids(got)); err != nil || diff != "" {
			t.Errorf("%s: %v, %s", test.name, err, diff)
		}
	}
}

func dueRequests(t *testing.T, s Stores) {
	u := s.People.NewUser(t, "corp", "A")
	ending := func(at time.Duration) approval.RequestID {
		r := Request(u.ID)
		r.ExpiresAt = Start.Add(at)
		return s.create(t, r).ID
	}
	third, first, second := ending(3*time.Second), ending(time.Second), ending(2*time.Second)
	ending(time.Hour)
	settled := s.get(t, ending(time.Second))
	settled.State = approval.Expired
	if err := s.Requests.UpdateRequest(t.Context(), approval.Change{Next: settled}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		now   time.Duration
		limit int
		want  []approval.RequestID
	}{
		{time.Minute, 10, []approval.RequestID{first, second, third}},
		{time.Minute, 2, []approval.RequestID{first, second}},
		{time.Second, 10, []approval.RequestID{first}}, // at ExpiresAt it is over
		{0, 10, nil},
	} {
		got, err := s.Requests.DueRequests(t.Context(), Start.Add(test.now), test.limit)
		if diff := cmp.Diff(test.want, ids(got)); err != nil || diff != "" {
			t.Errorf("at %v, limit %d: %v, %s", test.now, test.limit, err, diff)
		}
	}
}

func handleBlanked(t *testing.T, s Stores) {
	ctx := t.Context()
	kept, d := s.fresh(t)
	if err := s.Requests.UpdateRequest(ctx, decide(kept, d, approval.Deny)); err != nil {
		t.Fatal(err)
	}
	if got := s.get(t, kept.ID).Handle; got != kept.Handle {
		t.Error("the handle is gone before the report left")
	}
	s.EndReport(t, kept.ID, approval.ReportRefused, "403")
	if s.get(t, kept.ID).Handle != "" {
		t.Error("the handle outlived its report")
	}
	withdrawn, _ := s.fresh(t)
	withdrawn.State = approval.Withdrawn
	if err := s.Requests.UpdateRequest(ctx, approval.Change{Next: withdrawn}); err != nil {
		t.Fatal(err)
	}
	if s.get(t, withdrawn.ID).Handle != "" {
		t.Error("the handle outlived a request of which nobody is told")
	}
}
