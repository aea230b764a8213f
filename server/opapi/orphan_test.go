package opapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/server/opapi"
)

// held reports whether a report of id would wait now.
func (w *world) held(id approval.RequestID) bool {
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Millisecond)
	defer cancel()
	return w.handler.Acks.Wait(ctx, id) != nil
}

// From the moment that a request is stored until its OP has been answered, and
// the guard after that, no report of it may leave.
func TestReportsAreHeldUntilTheAnswerIsFlushed(t *testing.T) {
	w := newWorld(t)
	var atAccept, atReply, atFlush bool
	w.requests.accepted = func(context.Context) error {
		atAccept = w.held(w.stored()[0].ID)
		return nil
	}
	w.op.replied = func(r approval.Request, _ error) { atReply = w.held(r.ID) }
	rec := &flushHook{recorder{ResponseRecorder: httptest.NewRecorder()}, func() { atFlush = w.held(w.stored()[0].ID) }}
	w.engine.ServeHTTP(rec, w.call("r1"))
	if !atAccept || !atReply || !atFlush {
		t.Errorf("held: stored %v, answering %v, flushing %v; want it held throughout", atAccept, atReply, atFlush)
	}
	if err := w.handler.Acks.Wait(t.Context(), w.stored()[0].ID); err != nil {
		t.Errorf("after the answer: %v", err)
	}
}

type flushHook struct {
	recorder
	hook func()
}

func (f *flushHook) FlushError() error {
	f.hook()
	return nil
}

// An OP that never heard our yes has given the request up.
func TestOrphanIsTakenBack(t *testing.T) {
	t.Run("the answer could not be sent", func(t *testing.T) {
		w := newWorld(t)
		rec := &recorder{httptest.NewRecorder(), errors.New("broken pipe")}
		w.engine.ServeHTTP(rec, w.call("r1"))
		w.want(opapi.Orphan, approval.Withdrawn)
	})
	t.Run("the OP hung up before", func(t *testing.T) {
		w := newWorld(t)
		ctx, hangUp := context.WithCancel(t.Context())
		w.requests.accepted = func(context.Context) error {
			hangUp()
			return nil
		}
		if got := w.post(w.call("r1").WithContext(ctx)); got != http.StatusServiceUnavailable {
			t.Errorf("answered %d, want 503: should it listen after all, it must not hear yes", got)
		}
		w.want(opapi.Orphan, approval.Withdrawn)
	})
	t.Run("the OP hung up, and that broke our work off", func(t *testing.T) {
		w := newWorld(t)
		ctx, hangUp := context.WithCancel(t.Context())
		w.requests.accepted = func(ctx context.Context) error {
			hangUp()
			return ctx.Err()
		}
		w.post(w.call("r1").WithContext(ctx))
		w.want(opapi.Orphan, approval.Withdrawn)
	})
	t.Run("it took too long", func(t *testing.T) {
		w := newWorld(t)
		w.op.within = time.Nanosecond
		if got := w.post(w.call("r1")); got != http.StatusServiceUnavailable {
			t.Errorf("answered %d, want 503", got)
		}
		w.want(opapi.Orphan, approval.Withdrawn)
	})
	t.Run("nobody knows whether it was stored", func(t *testing.T) {
		w := newWorld(t)
		w.requests.accepted = func(context.Context) error { return errors.New("commit: connection reset") }
		if got := w.post(w.call("r1")); got != http.StatusServiceUnavailable {
			t.Errorf("answered %d, want 503", got)
		}
		w.want(opapi.Fault, approval.Withdrawn)
	})
}

// Over a real connection: the OP's patience ends while we are at work.
func TestOPThatHangsUp(t *testing.T) {
	w := newWorld(t)
	working := make(chan struct{})
	w.requests.accepted = func(ctx context.Context) error {
		close(working)
		<-ctx.Done() // net/http has seen the OP go
		return nil
	}
	done := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.engine.ServeHTTP(rw, r)
		close(done)
	}))
	defer srv.Close()
	ctx, hangUp := context.WithCancel(t.Context())
	req := w.call("r1").WithContext(ctx)
	req.RequestURI = ""
	var err error
	if req.URL, err = req.URL.Parse(srv.URL + "/op/corp"); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-working
		hangUp()
	}()
	if resp, err := srv.Client().Do(req); err == nil {
		resp.Body.Close()
		t.Fatal("the call was answered")
	}
	<-done
	w.want(opapi.Orphan, approval.Withdrawn)
}

// Over a real connection: an OP that closes as soon as it has its answer, as some
// do, has heard it.
func TestAnsweredOPMayHangUp(t *testing.T) {
	w := newWorld(t)
	srv := httptest.NewServer(w.engine)
	defer srv.Close()
	for i, ref := range []string{"r1", "r2", "r3"} {
		req := w.call(ref)
		req.RequestURI, req.Close = "", true
		var err error
		if req.URL, err = req.URL.Parse(srv.URL + "/op/corp"); err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(req)
		if err != nil || resp.StatusCode != http.StatusCreated {
			t.Fatalf("%d: %v %v", i, resp, err)
		}
		resp.Body.Close()
	}
	srv.Close() // waits for the handlers
	w.want(opapi.Taken, approval.Pending, approval.Pending, approval.Pending)
}

func TestRepetitionIsOneRequest(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		if got := w.post(w.call("r1")); got != http.StatusCreated {
			t.Errorf("answered %d, want 201", got)
		}
	}
	w.want(opapi.Taken, approval.Pending)
}

// The OP has a request that it was told of; a repetition that it did not wait for
// changes nothing about that.
func TestRepetitionTakesNothingBack(t *testing.T) {
	w := newWorld(t)
	w.post(w.call("r1"))
	rec := &recorder{httptest.NewRecorder(), errors.New("broken pipe")}
	w.engine.ServeHTTP(rec, w.call("r1"))
	w.want(opapi.Orphan, approval.Pending)
}

// The repetition of a request that was taken back must not hear yes: the OP would
// wait for an answer that never comes.
func TestRepetitionOfAnOrphanIsRefused(t *testing.T) {
	w := newWorld(t)
	w.engine.ServeHTTP(&recorder{httptest.NewRecorder(), errors.New("broken pipe")}, w.call("r1"))
	if got := w.post(w.call("r1")); got != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want 503", got)
	}
	w.want(opapi.Orphan, approval.Withdrawn)
}

// The repetition comes while the first call is still at work, and the first then
// fails: what becomes of the first decides.
func TestRepetitionWaitsForTheFirst(t *testing.T) {
	w := newWorld(t)
	ctx, hangUp := context.WithCancel(t.Context())
	second := make(chan int, 1)
	w.requests.accepted = func(context.Context) error {
		go func() { second <- w.post(w.call("r1")) }()
		select {
		case status := <-second:
			t.Errorf("the repetition was answered %d while the first was at work", status)
			second <- status
		case <-time.After(50 * time.Millisecond):
		}
		hangUp()
		return nil
	}
	w.post(w.call("r1").WithContext(ctx))
	if got := <-second; got != http.StatusServiceUnavailable {
		t.Errorf("the repetition was answered %d, want 503", got)
	}
	if states := w.stored(); len(states) != 1 || states[0].State != approval.Withdrawn {
		t.Errorf("stored %v, want one, withdrawn", states)
	}
}

// A request that was denied on arrival is nobody's to take back.
func TestSettledOrphanStaysAsItIs(t *testing.T) {
	w := newWorld(t)
	w.requests.accepted = func(ctx context.Context) error {
		r := w.stored()[0]
		r.State, r.Decision = approval.Denied, &approval.Decision{Verdict: approval.Deny, At: time.Now()}
		return w.db.UpdateRequest(ctx, approval.Change{Next: r, Effects: []approval.Effect{approval.Report{}}})
	}
	w.engine.ServeHTTP(&recorder{httptest.NewRecorder(), errors.New("broken pipe")}, w.call("r1"))
	w.want(opapi.Orphan, approval.Denied)
}
