package op

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// maxAnswer is how much of an OP's answer to a report is read.
const maxAnswer = 16 << 10

// Poster makes one HTTP attempt and says whether bytes may have arrived.
type Poster struct {
	client *http.Client
	pooled bool // connections are kept, and net/http may repeat by itself
}

// Call is what an adapter wants sent.
type Call struct {
	URL    string
	Host   string // Host header, if it differs from the URL's
	Header http.Header
	Body   []byte
}

// Answer is what an OP said to a Call.
type Answer struct {
	Status int
	Body   []byte // at most its first 16 KiB
	Cut    bool   // the body broke off
	// After is how long the OP wants to be left alone (Retry-After, in seconds).
	After time.Duration
}

// NewPoster makes a poster that reaches OPs as base does (proxy, TLS, dialer),
// but never sends anything twice, and never to a place it was not told of.
//
// net/http repeats a request by itself when a kept-alive connection turns out
// to be dead, and on HTTP/2 when the server refuses a stream. Each is harmless
// by the rules of HTTP and not by those of an OP that takes a repetition as an
// attack. So every attempt has a connection of its own, speaks HTTP/1.1, and an
// error before that connection stands proves that nothing was sent.
func NewPoster(base *http.Client) (*Poster, error) {
	t, timeout, err := transportOf(base)
	if err != nil {
		return nil, err
	}
	t.DisableKeepAlives = true
	t.ForceAttemptHTTP2, t.TLSNextProto = false, nil
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.NextProtos = slices.DeleteFunc(t.TLSClientConfig.NextProtos, func(p string) bool { return p == "h2" })
	return newPoster(t, timeout, false), nil
}

// NewPooledPoster makes a poster that keeps its connections, for OPs to which
// every report may be repeated: what net/http might send twice does no harm
// there, and a handshake for each report does cost.
func NewPooledPoster(base *http.Client) (*Poster, error) {
	t, timeout, err := transportOf(base)
	if err != nil {
		return nil, err
	}
	t.MaxIdleConnsPerHost = max(t.MaxIdleConnsPerHost, pooledConns)
	return newPoster(t, timeout, true), nil
}

// pooledConns is how many connections to one OP are kept: as many as reports
// leave at once.
const pooledConns = 64

// transportOf is a copy of how base reaches others, and how long it waits.
func transportOf(base *http.Client) (*http.Transport, time.Duration, error) {
	if base == nil {
		base = http.DefaultClient
	}
	rt := base.Transport
	if rt == nil {
		rt = http.DefaultTransport
	}
	t, ok := rt.(*http.Transport)
	if !ok {
		return nil, 0, fmt.Errorf("op: reports need an *http.Transport, not %T", rt)
	}
	return t.Clone(), base.Timeout, nil
}

func newPoster(t *http.Transport, timeout time.Duration, pooled bool) *Poster {
	return &Poster{&http.Client{
		Transport:     t,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, pooled}
}

// Post makes one attempt at c. It returns the OP's answer, whatever it says, or
// an error that wraps ErrNotSent or ErrUnsure and holds nothing that was sent.
func (p *Poster) Post(ctx context.Context, c Call) (Answer, error) {
	connected := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// Not WroteHeaders: the transport writes on a goroutine of its own, so
		// after a cancellation bytes may leave though the hook has not run yet.
		// This one runs before anything is handed to that goroutine.
		GotConn: func(httptrace.GotConnInfo) { connected = true },
	})
	req, err := p.newRequest(ctx, c)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: request cannot be built", ErrNotSent)
	}
	resp, err := p.client.Do(req)
	switch {
	case err != nil && connected:
		return Answer{}, fmt.Errorf("%w: %w", ErrUnsure, blind(err))
	case err != nil:
		return Answer{}, fmt.Errorf("%w: %w", ErrNotSent, bare(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return Answer{resp.StatusCode, body, err != nil, retryAfter(resp.Header)}, nil
}

// retryAfter reads the header's usual form, and takes no other.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

func (p *Poster) newRequest(ctx context.Context, c Call) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(c.Body))
	if err != nil {
		return nil, err
	}
	if !p.pooled {
		req.GetBody = nil // a body that cannot be read anew cannot be sent anew
	}
	req.Host = c.Host
	for k, v := range c.Header {
		req.Header[k] = v
	}
	return req, nil
}

// Err classifies a by its status alone: nil, ErrUnsure where a proxy may have
// spoken for an OP that was already at work, ErrRefused for all else.
func (a Answer) Err() error {
	switch {
	case a.Status >= 200 && a.Status < 300:
		return nil
	case a.Status >= 500,
		a.Status == http.StatusRequestTimeout,
		a.Status == http.StatusTooEarly,
		a.Status == http.StatusTooManyRequests:
		return fmt.Errorf("%w: status %s", ErrUnsure, strconv.Itoa(a.Status))
	}
	return fmt.Errorf("%w: status %s", ErrRefused, strconv.Itoa(a.Status))
}

// Later is an error of which the OP says when to try again.
type Later struct {
	Err   error
	After time.Duration
}

// Error implements error.
func (e *Later) Error() string { return e.Err.Error() }

// Unwrap returns what it came to.
func (e *Later) Unwrap() error { return e.Err }

// bare takes the URL off err, which for some OPs holds a secret.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// blind reduces what went wrong after the connection stood to what holds no
// word of the other side's, who may have sent our secret back to us:
// net/http quotes an answer that it cannot read.
func blind(err error) error {
	for _, known := range []error{
		context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF,
		syscall.ECONNRESET, syscall.EPIPE,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errors.New("answer cannot be read")
}
