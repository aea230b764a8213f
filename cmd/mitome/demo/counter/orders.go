package counter

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
)

const (
	maxOrders = 100              // that are remembered
	grace     = 10 * time.Second // for an answer of the last moment
)

// Orders are what was asked for lately. The zero value is ready for use.
type Orders[T any] struct {
	mu    sync.Mutex
	all   map[string]T
	queue []string // their ids, oldest first
}

// Keep remembers an order.
func (o *Orders[T]) Keep(id string, order T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = map[string]T{}
	}
	o.all[id] = order
	o.queue = append(o.queue, id)
	if len(o.queue) > maxOrders {
		delete(o.all, o.queue[0])
		o.queue = o.queue[1:]
	}
}

// Find returns an order, or ErrNotFound.
func (o *Orders[T]) Find(id string) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	order, ok := o.all[id]
	if !ok {
		return order, ErrNotFound
	}
	return order, nil
}

// Refused is what a page is told of a request that the OP did not take.
func Refused(err error) error {
	var said *rp.Error
	if errors.As(err, &said) {
		return &Refusal{http.StatusConflict, said.Code}
	}
	return &Refusal{http.StatusBadGateway, "unreachable"}
}

// Wait waits for the end of an order, which may take minutes. A page that goes
// away does not end it: the OP gives its tokens away once.
func Wait(w http.ResponseWriter, r *http.Request, p *rp.Pending) (*rp.Tokens, error) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // what cannot be set has none
	ctx, stop := context.WithDeadline(context.WithoutCancel(r.Context()), p.ExpiresAt.Add(grace))
	defer stop()
	return p.Wait(ctx)
}

// Outcome is how an order ended (approved, denied, expired or failed), and the
// OP's word for it.
func Outcome(err error) (state, code string) {
	var said *rp.Error
	errors.As(err, &said)
	switch {
	case err == nil:
		return "approved", ""
	case errors.Is(err, rp.ErrAccessDenied):
		return "denied", said.Code
	case errors.Is(err, rp.ErrExpiredToken):
		return "expired", said.Code
	case said != nil:
		return "failed", said.Code
	}
	return "failed", "unreachable"
}
