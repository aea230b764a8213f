package userapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// The measures of a long poll.
const (
	waitFor     = 25 * time.Second // below the listener's own limit, and that of most proxies
	lookEvery   = 500 * time.Millisecond
	maxWaiters  = 2000 // of one node: each costs an indexed read a look
	waitersEach = 4    // of one session, as with sockets
)

// waiters counts the calls that wait. The zero value is ready.
type waiters struct {
	mu   sync.Mutex
	all  int
	each map[session.ID]int
}

// enter makes room for one more, or returns web.ErrUnavailable.
func (w *waiters) enter(id session.ID) (leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all >= maxWaiters || w.each[id] >= waitersEach {
		return nil, web.ErrUnavailable
	}
	if w.each == nil {
		w.each = map[session.ID]int{}
	}
	w.all++
	w.each[id]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all--
		if w.each[id]--; w.each[id] == 0 {
			delete(w.each, id)
		}
	}, nil
}

type waitIn struct {
	InLocale
	Since string `query:"since" maxLength:"64" doc:"The cursor of the answer before; empty to be answered at once"`
}

type waitOut struct {
	Body struct {
		Requests []requestOut `json:"requests"`
		Cursor   string       `json:"cursor"`
	}
}

// patient lets a call last longer than what a client may take to send one. Once
// the read deadline has passed, net/http takes a caller who waits in silence for
// one who has hung up.
func patient(c *gin.Context) {
	err := http.NewResponseController(c.Writer).SetReadDeadline(time.Time{})
	if err != nil { // only a test's recorder has none
		web.Fail(c, err)
		return
	}
	c.Next()
}

// wait returns what waits for the caller as soon as that is not what the cursor
// stands for, and in any case after a while: for pages that cannot have a socket.
func (h *Handler) wait(ctx context.Context, in *waitIn) (*waitOut, error) {
	leave, err := h.waiting.enter(session.ID(sessionID(ctx)))
	if err != nil {
		return nil, err
	}
	defer leave()
	deadline, look := time.NewTimer(waitFor), time.NewTicker(lookEvery)
	defer deadline.Stop()
	defer look.Stop()
	for over := false; ; {
		pending, err := h.Approvals.Pending(ctx, who(ctx))
		if err != nil {
			return nil, err
		}
		if cursor := cursorOf(pending); cursor != in.Since || over {
			return h.waited(ctx, in, cursor)
		}
		select {
		case <-look.C:
		case <-deadline.C:
			over = true
		case <-web.Stopping(ctx):
			over = true // the next call comes to another node, or when this one is back
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if ctx, err = h.again(ctx); err != nil {
			return nil, err
		}
	}
}

// again reads the session anew: a device that was revoked while it waited hears
// nothing more.
func (h *Handler) again(ctx context.Context) (context.Context, error) {
	s, err := h.Sessions.Store.Session(ctx, session.ID(sessionID(ctx)))
	if err != nil {
		return nil, err
	}
	return session.With(ctx, s), nil
}

func (h *Handler) waited(ctx context.Context, in *waitIn, cursor string) (*waitOut, error) {
	list, err := h.listRequests(ctx, &in.InLocale)
	if err != nil {
		return nil, err
	}
	var out waitOut
	out.Body.Requests, out.Body.Cursor = list.Body.Requests, cursor
	return &out, nil
}

// cursorOf stands for a list of requests. What changes between the two reads of
// wait is found by the next call, because the cursor is that of the first.
func cursorOf(pending []approval.Request) string {
	h := sha256.New()
	for _, r := range pending {
		h.Write([]byte(r.ID + "\n"))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))[:22]
}
