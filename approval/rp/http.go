package rp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// longPoll is how long an OP may hold a request: 30 s is CIBA's
	// recommendation (§10.1), and a client must be prepared for more.
	longPoll   = 60 * time.Second
	maxAnswer  = 1 << 20
	maxSeconds = 10 * 365 * 24 * 3600 // beyond this a number of seconds is a mistake
	maxSaid    = 300                  // characters of an OP's words that go into an error
)

// answer is what an endpoint of the OP said.
type answer struct {
	status     int
	body       []byte
	retryAfter time.Duration
}

// statusError is an answer without words of OAuth: a proxy's, or a broken OP's.
type statusError struct {
	status int
	wait   time.Duration
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%v: status %d", ErrResponse, e.status)
}

func (e *statusError) Unwrap() error { return ErrResponse }

// transportError is a call that was not answered.
type transportError struct{ err error }

func (e *transportError) Error() string { return "rp: OP did not answer: " + e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// post authenticates the client and sends form to an endpoint, once.
func (c *Client) post(ctx context.Context, kind Kind, endpoint string, form url.Values) (answer, error) {
	header := http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"},
		"Accept":       {"application/json"},
	}
	if err := c.Auth.authenticate(c, form, header); err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, errors.New("rp: endpoint is not a URL")
	}
	req.Header = header
	c.show(Message{Kind: kind, Method: req.Method, URL: endpoint, Header: cutHeader(header), Body: cutForm(form)})
	resp, err := plain(c.HTTP).Do(req)
	if err != nil {
		return answer{}, &transportError{bare(err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, &transportError{err}
	}
	c.show(Message{Kind: kind, Answer: true, URL: endpoint, Status: resp.StatusCode, Header: cutHeader(resp.Header), Body: cutJSON(body)})
	return answer{resp.StatusCode, body, retryAfter(resp.Header)}, nil
}

// plain is client with its redirects switched off, or one made for the purpose.
func plain(client *http.Client) *http.Client {
	one := http.Client{Timeout: longPoll}
	if client != nil {
		one = *client
	}
	one.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &one
}

// transient says whether asking again may help.
func transient(err error) (wait time.Duration, ok bool) {
	var status *statusError
	var said *Error
	var lost *transportError
	switch {
	case errors.As(err, &status):
		return status.wait, temporary(status.status)
	case errors.As(err, &said):
		return 0, temporary(said.Status)
	}
	return 0, errors.As(err, &lost)
}

func temporary(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}

// bare takes the URL off a transport's error: the caller knows it, and logs are
// read by others.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// tidy makes an OP's words fit for a log line.
func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > maxSaid {
		return string(runes[:maxSaid]) + "…"
	}
	return s
}
