package apns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sideshow/apns2"

	"github.com/mitome-ciba/mitome/push"
)

const maxAnswer = 64 << 10

var errTwice = errors.New("apns: second attempt refused")

// call is the one HTTP request of a Send, and what the library does not tell of
// the answer.
type call struct {
	made   bool
	err    error // no answer; the library's own would name the token
	status int
	header http.Header
}

type callKey struct{}

// once is a transport that makes the first request of a call, and no other.
type once struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	c, ok := r.Context().Value(callKey{}).(*call)
	if !ok || c.made {
		return nil, errTwice
	}
	c.made = true
	resp, err := o.base.RoundTrip(r)
	if err != nil {
		c.err = err
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		c.err = err
		return nil, err
	}
	c.status, c.header = resp.StatusCode, resp.Header
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// attempt sends n to a, once.
func (s *Sender) attempt(ctx context.Context, a push.Address, n *apns2.Notification) error {
	if err := ctx.Err(); err != nil {
		return push.Later(0, err)
	}
	if err := s.lapsed(); err != nil {
		return err
	}
	world, device, _ := strings.Cut(string(a.Target), ":")
	n.DeviceToken = device
	c := &call{}
	answer, err := s.worlds[world].PushWithContext(context.WithValue(ctx, callKey{}, c), n)
	if err != nil || answer == nil {
		answer = &apns2.Response{} // an answer that is not Apple's is judged by its status
	}
	if s.notOurs(c.err) {
		return fmt.Errorf("%w: apns: the certificate was not taken: %w", push.ErrBroken, c.err)
	}
	err = c.outcome(answer, a.Since, s.now())
	if answer.Reason == apns2.ReasonBadDeviceToken && errors.Is(err, push.ErrGone) {
		err = push.Elsewhere(err, push.Target(otherWorld[world]+":"+device))
	}
	return err
}

// otherWorld is where a token may be good that is not in this one. An app cannot
// tell which of the two it was built for.
var otherWorld = map[string]string{"production": "sandbox", "sandbox": "production"}

// outcome is what the answer says, in the words of push.
func (c *call) outcome(answer *apns2.Response, since, now time.Time) error {
	verdict, known := reasons[answer.Reason]
	reason := answer.Reason
	if !known { // nobody knows what stands in it
		verdict, reason = byStatus(c.status), "(no known reason)"
	}
	cause := fmt.Errorf("apns: answer %d %s", c.status, reason)
	switch {
	case !c.made:
		return fmt.Errorf("%w: apns: refused by the library", push.ErrUnfit)
	case c.status == 0:
		return push.Later(0, c.err)
	case c.status == http.StatusOK:
		return nil
	// Apple says since when the token is dead. If the device registered it again
	// after that, the news is stale.
	case c.status == http.StatusGone && !since.IsZero() && !answer.Timestamp.After(since):
		return push.Later(0, errors.New("apns: gone before it was registered"))
	case errors.Is(verdict, push.ErrLater):
		return push.Later(push.ParseRetryAfter(c.header, now), cause)
	}
	return fmt.Errorf("%w: %w", verdict, cause)
}

// reasons is what Apple's words come to. A token of the other world
// (BadDeviceToken) is dead at this target, which names its world; a wrong topic
// is our own setting and must cost nobody an address.
var reasons = map[string]error{
	apns2.ReasonBadDeviceToken: push.ErrGone,
	apns2.ReasonUnregistered:   push.ErrGone,
	apns2.ReasonExpiredToken:   push.ErrGone,

	apns2.ReasonDeviceTokenNotForTopic:    push.ErrBroken,
	apns2.ReasonTopicDisallowed:           push.ErrBroken,
	apns2.ReasonBadTopic:                  push.ErrBroken,
	apns2.ReasonMissingTopic:              push.ErrBroken,
	apns2.ReasonBadCertificate:            push.ErrBroken,
	apns2.ReasonBadCertificateEnvironment: push.ErrBroken,
	apns2.ReasonExpiredProviderToken:      push.ErrBroken,
	apns2.ReasonForbidden:                 push.ErrBroken,
	apns2.ReasonInvalidProviderToken:      push.ErrBroken,
	apns2.ReasonMissingProviderToken:      push.ErrBroken,

	apns2.ReasonPayloadTooLarge: push.ErrUnfit,

	apns2.ReasonTooManyRequests:             push.ErrLater,
	apns2.ReasonTooManyProviderTokenUpdates: push.ErrLater,
	apns2.ReasonInternalServerError:         push.ErrLater,
	apns2.ReasonServiceUnavailable:          push.ErrLater,
	apns2.ReasonShutdown:                    push.ErrLater,
}

// byStatus judges an answer without a word that we know. Only Apple's own words
// may cost a device its address.
func byStatus(status int) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return push.ErrBroken
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge:
		return push.ErrUnfit
	}
	return push.ErrLater
}
