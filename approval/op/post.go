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
)

// maxAnswer is how much of an OP's answer to a report is read.
const maxAnswer = 16 << 10

// Poster makes one HTTP attempt and says whether bytes may have arrived.
type Poster struct {
	client *http.Client
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
	if base == nil {
		base = http.DefaultClient
	}
	rt := base.Transport
	if rt == nil {
		rt = http.DefaultTransport
	}
	t, ok := rt.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("op: reports need an *http.Transport, not %T", rt)
	}
	t = t.Clone()
	t.DisableKeepAlives = true
	t.ForceAttemptHTTP2, t.TLSNextProto = false, nil
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.NextProtos = slices.DeleteFunc(t.TLSClientConfig.NextProtos, func(p string) bool { return p == "h2" })
	return &Poster{&http.Client{
		Transport:     t,
		Timeout:       base.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
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
	req, err := newRequest(ctx, c)
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
	return Answer{resp.StatusCode, body, err != nil}, nil
}

func newRequest(ctx context.Context, c Call) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(c.Body))
	if err != nil {
		return nil, err
	}
	req.GetBody = nil // a body that cannot be read anew cannot be sent anew
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
