package opapi

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/server/web"
)

// The measures of a held call.
const (
	maxHeld   = 10_000           // on one node
	answerIn  = 10 * time.Second // beyond the request's time, for a slow line
	lookEvery = 5 * time.Second  // in case a wake-up was lost
)

// held are the calls whose OP waits for a decision. The zero value is ready.
type held struct {
	mu  sync.Mutex
	all int
	of  map[approval.RequestID][]chan struct{}
}

// enter puts the caller on the list for id, or returns web.ErrUnavailable.
func (h *held) enter(id approval.RequestID) (woken <-chan struct{}, leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all >= maxHeld {
		return nil, nil, web.ErrUnavailable
	}
	if h.of == nil {
		h.of = map[approval.RequestID][]chan struct{}{}
	}
	c := make(chan struct{}, 1)
	h.of[id] = append(h.of[id], c)
	h.all++
	return c, func() { h.leave(id, c) }, nil
}

func (h *held) leave(id approval.RequestID, c chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all--
	var others []chan struct{}
	for _, other := range h.of[id] {
		if other != c {
			others = append(others, other)
		}
	}
	if h.of[id] = others; len(others) == 0 {
		delete(h.of, id)
	}
}

// Wake has the calls that wait for a request look at it. It does not block.
func (h *Handler) Wake(request string) {
	h.held.mu.Lock()
	defer h.held.mu.Unlock()
	for _, c := range h.held.of[approval.RequestID(request)] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// errStopping ends held calls when the node stops: nobody can wait for it.
var errStopping = errors.New("opapi: this node stops")

// hold returns req at once, or as it ended if the OP of this ask waits for that.
// An error means that nobody will be told: the OP hung up, or we stop.
func (v *visit) hold(ask approval.Ask, req approval.Request) (approval.Request, error) {
	waiter, ok := v.adapter.(op.Waiter)
	if !ok || !waiter.Waits(ask) {
		return req, nil
	}
	v.held = true
	rc := http.NewResponseController(v.c.Writer)
	// Once the read deadline has passed, net/http takes a caller who waits in
	// silence for one who has hung up.
	if err := errors.Join(rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(req.ExpiresAt.Add(answerIn))); err != nil {
		return req, err
	}
	woken, leave, err := v.h.held.enter(req.ID)
	if err != nil {
		return req, err
	}
	defer leave()
	return v.wait(req, woken)
}

func (v *visit) wait(req approval.Request, woken <-chan struct{}) (approval.Request, error) {
	ctx := v.c.Request.Context()
	lapse, look := time.NewTimer(max(time.Until(req.ExpiresAt), 0)), time.NewTicker(lookEvery)
	defer lapse.Stop()
	defer look.Stop()
	for {
		// Before the first sleep too: it may have ended before we were on the list.
		now, err := v.h.Requests.Asked(ctx, req.ID, v.name)
		if err != nil || now.State.Final() {
			now.ID = req.ID
			return now, err
		}
		select {
		case <-woken:
		case <-lapse.C:
		case <-look.C:
		case <-web.Stopping(ctx):
			return req, errStopping
		case <-ctx.Done():
			return req, ctx.Err()
		}
	}
}

// authenticate takes a call of an OP that is made for Authlete's simulator: a
// request, or the question how one stands.
func (h *Handler) authenticate(c *gin.Context) error {
	name := c.Param("name")
	poller, ok := h.Adapters[name].(op.Poller)
	if !ok {
		return web.ErrNotFound
	}
	if c.Param("call") != "result" {
		return h.receive(c)
	}
	ctx := c.Request.Context()
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, web.MaxBody+1)
	ref, err := "", errElsewhere
	if h.Networks.Admit(name, remoteIP(c)) {
		ref, err = poller.Poll(c.Request)
	}
	var req approval.Request
	if err == nil {
		req, err = h.Requests.AskedUnder(ctx, ref, name)
	}
	poller.Result(c.Writer, req, err)
	if err != nil {
		h.Log.WarnContext(ctx, "op question not answered", "op", name, "ip", remoteIP(c), "err", err)
	}
	if h.Observe != nil && errors.Is(err, op.ErrUnauthentic) {
		h.Observe(name, Unauthentic)
	}
	return nil
}
