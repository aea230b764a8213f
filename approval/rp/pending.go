package rp

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
)

const (
	grantType = "urn:openid:params:grant-type:ciba"
	// pushGrace is how long after expiry a push is still waited for: what the
	// user approved in the last moment is under way, and is brought only once.
	pushGrace = 5 * time.Second
)

// Pending is a request that the OP has taken and nobody has answered yet.
type Pending struct {
	AuthReqID string
	ExpiresAt time.Time
	Interval  time.Duration // between questions, as the OP said at the start

	client *Client
	began  time.Time
	nonce  string
	box    *mailbox

	turn   chan struct{} // held by the Wait that is under way
	pace   time.Duration // between questions, from the first on: what slow_down has made of Interval
	tokens *Tokens       // the end, once it is known
	err    error
}

// Wait returns the tokens once the user has approved, or how it ended otherwise:
// [ErrAccessDenied], [ErrExpiredToken] or, pushed, [ErrTransactionFailed]. The
// end is kept, so that Wait may be called again; an auth_req_id is never used
// again.
//
// If ctx ends first, Wait returns its error and the request stands as before.
func (p *Pending) Wait(ctx context.Context) (*Tokens, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p.tokens != nil || p.err != nil {
		return p.tokens, p.err
	}
	tokens, err := p.wait(ctx)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil, err
	}
	p.tokens, p.err = tokens, err
	p.client.Notifications.close(p.box)
	return tokens, err
}

func (p *Pending) wait(ctx context.Context) (*Tokens, error) {
	switch p.client.mode() {
	case Push:
		return p.awaitPush(ctx)
	case Ping:
		if p.pace == 0 { // not asked yet
			if err := p.awaitPing(ctx); err != nil {
				return nil, err
			}
		}
		return p.ask(ctx, p.pace)
	}
	return p.ask(ctx, max(p.Interval, p.pace))
}

// Poll asks once, without regard to the interval, and says
// [ErrAuthorizationPending] while nobody has answered. Wait is built on it; use
// it alone where the pace is kept elsewhere.
func (p *Pending) Poll(ctx context.Context) (*Tokens, error) {
	form := url.Values{"grant_type": {grantType}, "auth_req_id": {p.AuthReqID}}
	a, err := p.client.post(ctx, Token, p.client.token(), form)
	if err != nil {
		return nil, err
	}
	var body tokenBody
	if err := a.decode(&body); err != nil {
		return nil, err
	}
	return p.verify(ctx, body)
}

// ask polls until there is an end, first after a pause.
func (p *Pending) ask(ctx context.Context, pause time.Duration) (*Tokens, error) {
	p.pace = max(p.pace, p.Interval)
	for {
		if err := p.sleep(ctx, pause); err != nil {
			return nil, err
		}
		asked := time.Now()
		tokens, err := p.Poll(ctx)
		if err == nil {
			return tokens, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if p.pace, pause, err = p.client.slower(p.pace, time.Since(asked), err); err != nil {
			return nil, err
		}
	}
}

// slower says how an answer that was no end changes the pace, and how long to
// pause now. The pace never quickens: slow_down holds for all that follows
// (CIBA Core §11). What ends the waiting is returned as it is.
func (c *Client) slower(pace, held time.Duration, err error) (next, pause time.Duration, end error) {
	limit := max(c.maxInterval(), pace)
	wait, again := transient(err)
	switch {
	case errors.Is(err, ErrAuthorizationPending):
		if held >= pace { // the OP is long polling
			return pace, 0, nil
		}
		return pace, pace, nil
	case errors.Is(err, ErrSlowDown):
		if pace+slowDownStep > limit {
			return pace, 0, err
		}
		return pace + slowDownStep, pace + slowDownStep, nil
	case again:
		pace = min(max(2*pace, time.Second), limit)
		return pace, max(pace, wait), nil
	}
	return pace, 0, err
}

// sleep pauses, or says that the request has expired meanwhile. A ping ends the
// pause: there is something to ask for.
func (p *Pending) sleep(ctx context.Context, pause time.Duration) error {
	late := !time.Now().Add(pause).Before(p.ExpiresAt)
	if late {
		pause = time.Until(p.ExpiresAt)
	}
	pinged, err := p.pinged(ctx, pause)
	if err == nil && late && !pinged {
		return expired("nobody answered in time")
	}
	return err
}

// awaitPing waits until it is time to ask: the OP has pinged, or so little time
// is left that the ping must be taken for lost.
func (p *Pending) awaitPing(ctx context.Context) error {
	_, err := p.pinged(ctx, time.Until(p.ExpiresAt)-max(p.Interval, time.Second))
	return err
}

// pinged waits for a ping, for a while. A client that polls gets none.
func (p *Pending) pinged(ctx context.Context, while time.Duration) (bool, error) {
	timer := time.NewTimer(while)
	defer timer.Stop()
	for {
		select {
		case note := <-p.box.arrivals():
			if note.AuthReqID == p.AuthReqID {
				return true, nil
			}
		case <-timer.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// awaitPush waits for the OP to bring the tokens, or the reason why there are
// none.
func (p *Pending) awaitPush(ctx context.Context) (*Tokens, error) {
	timer := time.NewTimer(time.Until(p.ExpiresAt) + pushGrace)
	defer timer.Stop()
	select {
	case note := <-p.box.arrivals():
		switch {
		case note.AuthReqID != p.AuthReqID:
			return nil, fmt.Errorf("%w: pushed for another request", ErrResponse)
		case note.Error != "":
			return nil, &Error{Code: tidy(note.Error), Description: tidy(note.ErrorDescription)}
		}
		return p.verify(ctx, note.tokenBody)
	case <-timer.C:
		return nil, expired("nothing was pushed in time")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
