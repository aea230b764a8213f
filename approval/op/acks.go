package op

import (
	"context"
	"sync"
	"time"

	"github.com/mitome-ciba/mitome/approval"
)

// Acks knows which requests their OP has not yet been told that we took. A
// report waits for that, because several OPs store a request only once they
// hear from us, and reject a report that comes before.
//
// It knows of this node only. For an ack under way on another node there is
// [approval.Request.ReportAfter]. The zero value is ready to use.
type Acks struct {
	mu   sync.Mutex
	held map[approval.RequestID]chan struct{}
}

// Hold has reports of id wait. The caller must call release, which lets them go
// when guard has passed, counted from then: an ack that was slow leaves the OP
// as much time to store the request as one that was not. Calling release again
// does nothing.
func (a *Acks) Hold(id approval.RequestID) (release func(guard time.Duration)) {
	gone := make(chan struct{})
	a.mu.Lock()
	if a.held == nil {
		a.held = map[approval.RequestID]chan struct{}{}
	}
	a.held[id] = gone
	a.mu.Unlock()
	var once sync.Once
	return func(guard time.Duration) {
		once.Do(func() { a.release(id, gone, guard) })
	}
}

func (a *Acks) release(id approval.RequestID, gone chan struct{}, guard time.Duration) {
	let := func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.held[id] == gone {
			delete(a.held, id)
		}
		close(gone)
	}
	if guard <= 0 {
		let()
		return
	}
	time.AfterFunc(guard, let)
}

// Wait returns when nothing holds id, or with ctx's error when that ends first.
func (a *Acks) Wait(ctx context.Context, id approval.RequestID) error {
	a.mu.Lock()
	gone, ok := a.held[id]
	a.mu.Unlock()
	if !ok {
		return ctx.Err()
	}
	select {
	case <-gone:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
