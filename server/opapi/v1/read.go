package v1

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/server/web"
)

// ByID is the input of a call about one request.
type ByID struct {
	Name string `path:"name" maxLength:"32"`
	ID   string `path:"id" maxLength:"64"`
}

type getIn struct {
	ByID
	Wait int `query:"wait" minimum:"0" maximum:"30" default:"0" doc:"Seconds to wait for the end of the request"`
}

// The measures of a long poll.
const (
	maxWait   = 30 * time.Second
	answerIn  = 10 * time.Second // beyond the wait, for a slow line
	lookEvery = 5 * time.Second  // in case a wake-up was lost
)

// patient lets a call last longer than the listener's own limits. Once the read
// deadline has passed, net/http takes a caller who waits in silence for one who
// has hung up.
func patient(c *gin.Context) {
	rc := http.NewResponseController(c.Writer)
	err := errors.Join(rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Now().Add(maxWait+answerIn)))
	if err != nil { // only a test's recorder has none
		web.Fail(c, err)
		return
	}
	c.Next()
}

// get returns one request, at once or as soon as it is final.
func (h *Handler) get(ctx context.Context, in *getIn) (*oneOut, error) {
	read := func() (approval.Request, error) {
		return h.Requests.Asked(ctx, approval.RequestID(in.ID), callerOf(ctx).name)
	}
	r, err := read()
	if err == nil && in.Wait > 0 && !r.State.Final() {
		r, err = h.wait(ctx, r, time.Duration(in.Wait)*time.Second, read)
	}
	if err != nil {
		return nil, err
	}
	return h.represent(ctx, r)
}

// wait reads r again when it is woken, when r's time is over, and at the end of
// the wait.
func (h *Handler) wait(ctx context.Context, r approval.Request, d time.Duration, read func() (approval.Request, error)) (approval.Request, error) {
	woken, leave, err := h.waiting.enter(r.ID)
	if err != nil {
		return r, err
	}
	defer leave()
	over, lapse, look := time.NewTimer(d), time.NewTimer(max(r.ExpiresAt.Sub(h.Now()), 0)), time.NewTicker(lookEvery)
	defer over.Stop()
	defer lapse.Stop()
	defer look.Stop()
	for last := false; ; {
		// Before the first sleep too: it may have ended before we were on the list.
		if r, err = read(); err != nil || last || r.State.Final() {
			return r, err
		}
		select {
		case <-woken:
		case <-lapse.C:
		case <-look.C:
		case <-over.C:
			last = true
		case <-web.Stopping(ctx):
			last = true // the next call comes to another node, or when this one is back
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

// cancel takes a request back. Saying it twice is as good as once; what has come
// to another end stays as it is.
func (h *Handler) cancel(ctx context.Context, in *ByID) (*oneOut, error) {
	c, id := callerOf(ctx), approval.RequestID(in.ID)
	r, err := h.Requests.Asked(ctx, id, c.name)
	if err == nil && r.State == approval.Pending {
		r, err = h.Requests.Recall(ctx, id, c.by)
		if errors.Is(err, approval.ErrSettled) { // between the two, maybe by another such call
			r, err = h.Requests.Asked(ctx, id, c.name)
		}
	}
	if err == nil && r.State != approval.Withdrawn {
		err = approval.ErrSettled
	}
	if err != nil {
		return nil, err
	}
	return h.represent(ctx, r)
}
