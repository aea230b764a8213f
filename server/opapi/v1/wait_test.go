package v1_test

import (
	"context"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// patience is how long a test waits for what should take milliseconds. It is
// less than the API's own second look at a request whose wake-up was lost.
const patience = 3 * time.Second

// poll waits in the background.
func (w *world) poll(id, seconds string) <-chan answer {
	w.t.Helper()
	out, before := make(chan answer, 1), w.requests.reads.Load()
	go func() {
		a, err := w.call(w.t.Context(), "GET", "/op/shop/v1/requests/"+id+"?wait="+seconds, shopKey, "", nil)
		if err == nil {
			out <- a
		}
		close(out)
	}()
	w.until(func() bool { return w.requests.reads.Load() >= before+2 }) // it is on the list, and has looked
	return out
}

// until waits for what other goroutines are about to do.
func (w *world) until(ok func() bool) {
	w.t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatal("it never came about")
		}
	}
}

func soon(t *testing.T, from <-chan answer) answer {
	t.Helper()
	select {
	case a := <-from:
		return a
	case <-time.After(patience):
		t.Fatal("nobody was woken")
		return answer{}
	}
}

// TestWait: whoever waits is woken by the end of the request, of that one alone,
// and the database is read no more often than that.
func TestWait(t *testing.T) {
	each(t, func(w *world) {
		p := w.pair(w.user("shop", "s-1"))
		r, other := w.ask("ref-1", of("s-1")).want(w.t, 201), w.ask("ref-2", of("s-1")).want(w.t, 201)
		first, second := w.poll(r.ID, "30"), w.poll(r.ID, "30")
		before := w.requests.reads.Load()
		w.deny(p, other.ID, false)
		w.deny(p, r.ID, false)
		for _, waiting := range []<-chan answer{first, second} {
			if got := soon(w.t, waiting).want(w.t, 200); got.State != "denied" || got.ID != r.ID {
				w.t.Errorf("got %+v", got)
			}
		}
		if n := w.requests.reads.Load() - before; n != 2 {
			w.t.Errorf("the two read %d times, want once each", n)
		}
		if got := soon(w.t, w.answered(r.ID, "30")).want(w.t, 200); got.State != "denied" {
			w.t.Errorf("of what has ended: %+v", got)
		}
	})
}

// answered asks for what needs no waiting.
func (w *world) answered(id, seconds string) <-chan answer {
	out := make(chan answer, 1)
	go func() {
		if a, err := w.call(w.t.Context(), "GET", "/op/shop/v1/requests/"+id+"?wait="+seconds, shopKey, "", nil); err == nil {
			out <- a
		}
	}()
	return out
}

// TestWaitEnds: a wait has its own end, the request's, and one by cancelling.
func TestWaitEnds(t *testing.T) {
	w := newSQLite(t)
	w.pair(w.user("shop", "s-1"))
	r := w.ask("ref-1", of("s-1")).want(t, 201)
	if got := soon(t, w.poll(r.ID, "1")).want(t, 200); got.State != "pending" {
		t.Errorf("after a second: %+v", got)
	}
	waiting := w.poll(r.ID, "30")
	w.cancel(r.ID).want(t, 200)
	if got := soon(t, waiting).want(t, 200); got.State != "withdrawn" {
		t.Errorf("cancelled: %+v", got)
	}
	short := w.ask("ref-2", with(of("s-1"), m{"expires_in": 10})).want(t, 201)
	w.ahead.Add(int64(9 * time.Second))
	if got := soon(t, w.poll(short.ID, "30")).want(t, 200); got.State != "expired" {
		t.Errorf("lapsed, with no sweeper running: %+v", got)
	}
	for _, wrong := range []string{"31", "-1", "x"} {
		must(w.call(t.Context(), "GET", "/op/shop/v1/requests/"+r.ID+"?wait="+wrong, shopKey, "", nil))(t).
			wantProblem(t, 400, "invalid_request", "invalid_request")
	}
}

// TestWaitEndsWithTheServer: a server that stops answers those who wait.
func TestWaitEndsWithTheServer(t *testing.T) {
	w := newSQLite(t)
	w.pair(w.user("shop", "s-1"))
	r := w.ask("ref-1", of("s-1")).want(t, 201)
	waiting := w.poll(r.ID, "30")
	close(w.stopping)
	if got := soon(t, waiting).want(t, 200); got.State != "pending" {
		t.Errorf("got %+v", got)
	}
}

// TestWaitHungUp: a caller that leaves gives its place back.
func TestWaitHungUp(t *testing.T) {
	w := newSQLite(t)
	p := w.pair(w.user("shop", "s-1"))
	r := w.ask("ref-1", of("s-1")).want(t, 201)
	ctx, leave := context.WithCancel(t.Context())
	gone, before := make(chan error, 1), w.requests.reads.Load()
	go func() {
		_, err := w.call(ctx, "GET", "/op/shop/v1/requests/"+r.ID+"?wait=30", shopKey, "", nil)
		gone <- err
	}()
	w.until(func() bool { return w.requests.reads.Load() >= before+2 })
	leave()
	if err := <-gone; err == nil {
		t.Fatal("it was answered")
	}
	waiting := w.poll(r.ID, "30")
	w.deny(p, r.ID, false)
	soon(t, waiting).want(t, 200)
}

// TestWaitOnAnotherNode: the decision is made on one node and waited for on
// another.
func TestWaitOnAnotherNode(t *testing.T) {
	url, ring := storetest.PostgresURL(t), seal.New()
	here := newWorld(t, storetest.Open(t, url, ring), ring)
	there := newWorld(t, storetest.Open(t, url, ring), ring)
	p := here.pair(here.user("shop", "s-1"))
	// The nodes hear one another only once both listen, so it is asked and decided
	// until a decision has been heard well before the second look.
	for try := range 20 {
		r := here.ask("ref-"+string(rune('a'+try)), of("s-1")).want(t, 201)
		waiting, began := there.poll(r.ID, "30"), time.Now()
		here.deny(p, r.ID, false)
		a := <-waiting
		if a.want(t, 200).State != "denied" {
			t.Fatalf("got %s", a.body)
		}
		if time.Since(began) < patience {
			return
		}
	}
	t.Error("no decision of the other node was ever heard in time")
}
