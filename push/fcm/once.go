package fcm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"firebase.google.com/go/v4/messaging"

	"github.com/mitome-ciba/mitome/push"
)

const (
	maxAnswer = 64 << 10
	// overQuota is how long Google wants us to wait where it names no time.
	overQuota = time.Minute
)

var errTwice = errors.New("fcm: second attempt refused")

// attempt is the one HTTP request of a Send, and what came of it.
type attempt struct {
	bearer string
	end    context.CancelFunc // ends the SDK's wait for another attempt

	made   bool
	err    error // no answer
	status int
	header http.Header
	body   []byte
}

type attemptKey struct{}

// once is a transport that makes the first request of an attempt, and no other.
type once struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper. It reads the whole answer before it
// ends the attempt's context, because the SDK reads it after.
func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	a, ok := r.Context().Value(attemptKey{}).(*attempt)
	if !ok || a.made {
		return nil, errTwice
	}
	a.made = true
	defer a.end()
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+a.bearer)
	resp, err := o.base.RoundTrip(r)
	if err != nil {
		a.err = err
		return nil, err
	}
	defer resp.Body.Close()
	if a.body, a.err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); a.err != nil {
		return nil, a.err
	}
	a.status, a.header = resp.StatusCode, resp.Header
	resp.Body = io.NopCloser(bytes.NewReader(a.body))
	return resp, nil
}

// attempt lets send make its one request and reads what came of it.
func (s *Sender) attempt(ctx context.Context, m *messaging.Message, send func(context.Context, *messaging.Message) (string, error)) error {
	token, fresh, err := s.tokens.get(ctx, s.now)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &attempt{bearer: token.AccessToken, end: cancel}
	_, err = send(context.WithValue(ctx, attemptKey{}, a), m)
	if a.status == http.StatusUnauthorized {
		s.tokens.drop(token)
		if !fresh { // it may have been withdrawn in the hour since; a new one decides
			return push.Later(0, errors.New("fcm: access token no longer accepted"))
		}
	}
	return a.outcome(err, s.now())
}

// outcome is what the answer says, in the words of push. The text of an error
// is made of our words and of Google's codes; its sentences may quote a token.
func (a *attempt) outcome(err error, now time.Time) error {
	said := a.words()
	cause := fmt.Errorf("fcm: answer %d %s", a.status, said)
	switch {
	case !a.made:
		return fmt.Errorf("%w: fcm: refused by the SDK", push.ErrUnfit)
	case a.status == 0:
		return push.Later(0, a.err)
	case a.status == http.StatusOK && err == nil:
		return nil
	case said.is("UNREGISTERED"), said.badToken:
		return fmt.Errorf("%w: %w", push.ErrGone, cause)
	case a.status == 400, a.status == 413:
		return fmt.Errorf("%w: %w", push.ErrUnfit, cause)
	// 404 without a word of the token is about the project.
	case a.status == 401, a.status == 403, a.status == 404:
		return fmt.Errorf("%w: %w", push.ErrBroken, cause)
	}
	wait := push.ParseRetryAfter(a.header, now)
	if a.status == http.StatusTooManyRequests && wait == 0 {
		wait = overQuota
	}
	return push.Later(wait, cause)
}

// words are what Google says besides the status.
type words struct {
	codes    []string
	badToken bool // it is the token that is malformed
}

func (w words) is(code string) bool {
	for _, c := range w.codes {
		if c == code {
			return true
		}
	}
	return false
}

// String implements fmt.Stringer by the codes that are known; another is not
// repeated, because nobody knows what stands in it.
func (w words) String() string {
	for _, code := range []string{
		"UNREGISTERED", "SENDER_ID_MISMATCH", "THIRD_PARTY_AUTH_ERROR", "QUOTA_EXCEEDED", "INVALID_ARGUMENT",
		"UNAVAILABLE", "INTERNAL", "UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "RESOURCE_EXHAUSTED",
	} {
		if w.is(code) {
			return code
		}
	}
	return "(no known code)"
}

func (a *attempt) words() (w words) {
	var doc struct {
		Error struct {
			Status  string
			Details []struct {
				ErrorCode       string
				FieldViolations []struct{ Field string }
			}
		}
	}
	if json.Unmarshal(a.body, &doc) != nil {
		return words{}
	}
	for _, d := range doc.Error.Details {
		w.codes = append(w.codes, d.ErrorCode)
		for _, v := range d.FieldViolations {
			w.badToken = w.badToken || v.Field == "message.token"
		}
	}
	w.codes = append(w.codes, doc.Error.Status)
	return w
}
