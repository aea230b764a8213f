package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// What each error of an adapter comes to, for a state that is not safe to repeat
// and one that is, with time left and in the last moment.
func TestReportOutcomes(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("%w: why", err) }
	const again = deliver.Outcome("")
	tests := []struct {
		name                       string
		err                        error
		approved, denied, lastTime deliver.Outcome // lastTime: of a denial
	}{
		{"taken", nil, deliver.Done, deliver.Done, deliver.Done},
		{"taken, client not told", wrapped(op.ErrNotRelayed), deliver.NotRelayed, deliver.NotRelayed, deliver.NotRelayed},
		{"refused", wrapped(op.ErrRefused), deliver.Refused, deliver.Refused, deliver.Refused},
		{"may have arrived", wrapped(op.ErrUnsure), deliver.Unsure, again, deliver.Unsure},
		{"never left", wrapped(op.ErrNotSent), again, again, deliver.TooLate},
		{"an adapter that breaks its word", errors.New("oops"), deliver.Unsure, again, deliver.Unsure},
	}
	for _, tt := range tests {
		for _, c := range []struct {
			state approval.State
			late  bool
			want  deliver.Outcome
		}{{approval.Approved, false, tt.approved}, {approval.Denied, false, tt.denied}, {approval.Denied, true, tt.lastTime}} {
			t.Run(fmt.Sprintf("%s/%s/last %v", tt.name, c.state, c.late), func(t *testing.T) {
				w := newWorld(t)
				w.op.err = tt.err
				r := w.settled(c.state)
				if c.late {
					w.pass(r.ExpiresAt.Add(op.Margin).Sub(w.clock) - time.Millisecond)
				}
				j := w.claim()
				res := w.report(j)
				if res.Outcome != c.want || res.Outcome == again && res.Again != time.Second {
					t.Errorf("got %+v, want outcome %q", res, c.want)
				}
				if tt.err != nil && res.Cause != tt.err.Error() {
					t.Errorf("cause is %q, want %q", res.Cause, tt.err)
				}
				want := []string{"denied"}
				if c.state == approval.Approved {
					want = []string{"mark", "approved"} // the mark comes first, and only where it is needed
				}
				if !slices.Equal(w.op.events, want) {
					t.Errorf("events %v, want %v", w.op.events, want)
				}
				w.end(j, res)
				if l := w.listed(approval.Query{}); c.want != again && l[0].Report != approval.ReportState(c.want) {
					t.Errorf("listed as %q, want %q", l[0].Report, c.want)
				}
			})
		}
	}
}

// TestAnOPSaysWhen: an OP that names a time is told again no earlier, and never
// after the request's own.
func TestAnOPSaysWhen(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{0: time.Second, 7 * time.Second: 7 * time.Second, time.Hour: -1} {
		w := newWorld(t)
		w.op.err = fmt.Errorf("status 429: %w", &op.Later{Err: op.ErrUnsure, After: after})
		r := w.settled(approval.Denied)
		end := r.ExpiresAt.Add(op.Margin).Sub(w.clock)
		got := w.report(w.claim()).Again
		if want >= 0 && got != want || want < 0 && (got <= 7*time.Second || got >= end) {
			t.Errorf("%v: again after %v, want %v (all is over in %v)", after, got, want, end)
		}
	}
}

// The words that operators read are the outcomes of this package, to the letter.
func TestOutcomesAreTheOperatorsWords(t *testing.T) {
	for got, want := range map[deliver.Outcome]approval.ReportState{
		deliver.Done: approval.Reported, deliver.NotRelayed: approval.ReportNotRelayed, deliver.Refused: approval.ReportRefused,
		deliver.Unsure: approval.ReportUnsure, deliver.TooLate: approval.ReportTooLate,
	} {
		if string(got) != string(want) {
			t.Errorf("outcome %q, operators' word %q", got, want)
		}
	}
}

// A worker may die at any point. Each report is afterwards told, or shown as
// unsure, and never told twice where that does harm.
func TestReportAfterACrash(t *testing.T) {
	for _, c := range []struct {
		state approval.State
		point string
		die   func(w *world, j outbox.Job)
		want  deliver.Outcome
		told  int
	}{
		{approval.Approved, "before the mark", func(*world, outbox.Job) {}, deliver.Done, 1},
		{approval.Approved, "after the mark", func(w *world, j outbox.Job) {
			if err := w.MarkSending(w.t.Context(), j); err != nil {
				w.t.Fatal(err)
			}
		}, deliver.Unsure, 0},
		{approval.Approved, "after the answer", func(w *world, j outbox.Job) { w.report(j) }, deliver.Unsure, 1},
		{approval.Denied, "before sending", func(*world, outbox.Job) {}, deliver.Done, 1},
		{approval.Denied, "after the answer", func(w *world, j outbox.Job) { w.report(j) }, deliver.Done, 2},
	} {
		t.Run(string(c.state)+"/"+c.point, func(t *testing.T) {
			w := newWorld(t)
			w.settled(c.state)
			c.die(w, w.claim())
			w.pass(outbox.DefaultLease + time.Second) // whoever held it is dead
			j := w.claim()
			res := w.report(j)
			w.end(j, res)
			told := len(w.op.events) - count(w.op.events, "mark")
			if res.Outcome != c.want || told != c.told {
				t.Errorf("got %+v, told %d times; want %q, told %d times", res, told, c.want, c.told)
			}
			unsure := w.listed(approval.Query{Unsure: true})
			if (len(unsure) == 1) != (c.want == deliver.Unsure) {
				t.Errorf("%d requests are listed as unsure, want it exactly if the outcome is", len(unsure))
			}
		})
	}
}

func count(list []string, s string) (n int) {
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}

// The OP was down and comes back: the mark of an attempt that never left is taken
// off, so the next one is free to send.
func TestReportThatNeverLeftIsSentAgain(t *testing.T) {
	w := newWorld(t)
	w.settled(approval.Approved)
	w.op.err = op.ErrNotSent
	for range 3 {
		j := w.claim()
		res := w.report(j)
		if res.Outcome != "" {
			t.Fatalf("got %+v, want another attempt", res)
		}
		w.end(j, res)
		w.pass(res.Again)
	}
	w.op.err = nil
	j := w.claim()
	if res := w.report(j); j.Sending || res.Outcome != deliver.Done {
		t.Errorf("got %+v (mark %v), want it done", res, j.Sending)
	}
}

// An OP that stays down: attempts go on until the time is over, the last one
// while it still matters, and then it is too late.
func TestReportGivesUpWhenTheTimeIsOver(t *testing.T) {
	w := newWorld(t)
	r := w.settled(approval.Approved)
	w.op.err = op.ErrNotSent
	var last time.Time
	for {
		j := w.claim()
		last = w.clock
		res := w.report(j)
		w.end(j, res)
		if res.Outcome == deliver.TooLate {
			break
		}
		if res.Outcome != "" || j.Attempts > 50 {
			t.Fatalf("got %+v after %d attempts", res, j.Attempts)
		}
		w.pass(res.Again)
	}
	if left := r.ExpiresAt.Add(op.Margin).Sub(last); left < 0 || left > 2*time.Second {
		t.Errorf("the last attempt was made %v before the end, want just before it", left)
	}
	if l := w.listed(approval.Query{}); l[0].Report != approval.ReportTooLate {
		t.Errorf("listed as %q, want %q", l[0].Report, approval.ReportTooLate)
	}
}

func TestReportIsNotSent(t *testing.T) {
	tests := []struct {
		name    string
		state   approval.State
		prepare func(w *world, r approval.Request)
		want    deliver.Result
	}{
		{"before the OP has stored the request", approval.Denied, func(w *world, r approval.Request) { w.clock = r.ReportAfter.Add(-300 * time.Millisecond) },
			deliver.Result{Again: 300 * time.Millisecond, Cause: "OP needs time to store the request"}},
		{"when the time is over", approval.Approved, func(w *world, r approval.Request) { w.clock = r.ExpiresAt.Add(op.Margin) },
			deliver.Result{Outcome: deliver.TooLate, Cause: "no time left"}},
		{"to a connection that is gone", approval.Approved, func(w *world, _ approval.Request) { w.op = nil },
			deliver.Result{Again: time.Second, Cause: "no such connection is configured"}},
		{"when the lease is lost", approval.Approved, func(w *world, _ approval.Request) { w.op.markFails = true },
			deliver.Result{Again: time.Second, Cause: "mark: " + outbox.ErrLeaseLost.Error()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.settled(tt.state)
			j := w.claim()
			fake := w.op
			tt.prepare(w, r)
			p := &deliver.Reporter{Requests: w.DB, Acks: w.acks, Backoff: outbox.Backoff, Now: w.now}
			if w.op != nil {
				p.Adapters = map[string]op.Adapter{"corp": w.op}
			}
			got := p.Report(t.Context(), job(j), func(context.Context) error { return outbox.ErrLeaseLost })
			if got != tt.want || len(fake.events) != 0 {
				t.Errorf("got %+v, sent %v; want %+v, nothing sent", got, fake.events, tt.want)
			}
		})
	}
}

// Who answered in the last second answered in time.
func TestReportMayUseTheMargin(t *testing.T) {
	w := newWorld(t)
	r := w.settled(approval.Approved)
	w.clock = r.ExpiresAt.Add(op.Margin - time.Second)
	if res := w.report(w.claim()); res.Outcome != deliver.Done {
		t.Errorf("got %+v, want it sent", res)
	}
}

// An expiry is news only after the time is over.
func TestExpiryIsReported(t *testing.T) {
	w := newWorld(t)
	r := w.settled(approval.Expired)
	w.clock = r.ExpiresAt.Add(10 * time.Second)
	if res := w.report(w.claim()); res.Outcome != deliver.Done || !slices.Equal(w.op.events, []string{"expired"}) {
		t.Errorf("got %+v, sent %v; want the OP told", res, w.op.events)
	}
}

func TestReportWaitsForTheAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.settled(approval.Approved)
		j := w.claim()
		release := w.acks.Hold(r.ID)
		start := time.Now()
		ended := make(chan deliver.Result, 1)
		go func() { ended <- w.report(j) }()
		time.Sleep(2 * time.Second)
		if len(w.op.events) != 0 {
			t.Errorf("events %v before the OP was answered", w.op.events)
		}
		release(500 * time.Millisecond)
		if res := <-ended; res.Outcome != deliver.Done || time.Since(start) != 2500*time.Millisecond {
			t.Errorf("got %+v after %v, want it done after 2.5s", res, time.Since(start))
		}
	})
}

func TestReportIsObserved(t *testing.T) {
	w := newWorld(t)
	w.settled(approval.Denied)
	var got []string
	p := &deliver.Reporter{
		Requests: w.DB, Adapters: map[string]op.Adapter{"corp": w.op}, Acks: w.acks, Backoff: outbox.Backoff, Now: w.now,
		Observe: func(op string, s approval.State, o deliver.Outcome) { got = append(got, fmt.Sprint(op, s, o)) },
	}
	j := w.claim()
	w.op.err = op.ErrNotSent
	p.Report(t.Context(), job(j), nil)
	w.op.err = nil
	p.Report(t.Context(), job(j), nil)
	if want := []string{fmt.Sprint("corp", approval.Denied, deliver.Done)}; !slices.Equal(got, want) {
		t.Errorf("observed %v, want %v: ends, not attempts", got, want)
	}
}
