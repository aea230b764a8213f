package v1

import (
	"sync"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/server/web"
)

// maxWaiters bounds the calls that wait on one node.
const maxWaiters = 10_000

// waiters are the calls that wait for a request to end. The zero value is ready.
type waiters struct {
	mu  sync.Mutex
	all int
	of  map[approval.RequestID]map[chan struct{}]bool
}

// enter puts the caller on the list for id, or returns web.ErrUnavailable. The
// channel receives when id may have ended.
func (w *waiters) enter(id approval.RequestID) (woken <-chan struct{}, leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all >= maxWaiters {
		return nil, nil, web.ErrUnavailable
	}
	if w.of == nil {
		w.of = map[approval.RequestID]map[chan struct{}]bool{}
	}
	if w.of[id] == nil {
		w.of[id] = map[chan struct{}]bool{}
	}
	c := make(chan struct{}, 1)
	w.all++
	w.of[id][c] = true
	return c, func() { w.leave(id, c) }, nil
}

func (w *waiters) leave(id approval.RequestID, c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all--
	if delete(w.of[id], c); len(w.of[id]) == 0 {
		delete(w.of, id)
	}
}

// Wake has the calls that wait for a request look at it. It does not block.
func (h *Handler) Wake(request string) {
	h.waiting.mu.Lock()
	defer h.waiting.mu.Unlock()
	for c := range h.waiting.of[approval.RequestID(request)] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
