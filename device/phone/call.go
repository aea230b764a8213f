package phone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The bounds of one call.
const (
	callTimeout = 20 * time.Second
	dialTimeout = 10 * time.Second
	maxBody     = 1 << 20
)

// Problem is the server's refusal (RFC 9457).
type Problem struct {
	Status     int    // the HTTP status
	Type       string // "urn:mitome:…", the same in every language
	Title      string // for people
	TriesLeft  int    // of a typed code, for this request; -1 if that is not the matter
	RetryAfter int    // seconds to wait; 0 if that is not the matter
}

// Error implements error.
func (p *Problem) Error() string {
	return fmt.Sprintf("%s (%d %s)", p.Title, p.Status, p.Type)
}

// ProblemOf returns the server's refusal that err wraps, or nothing. Apps need
// it where the language on the other side knows no errors.As.
func ProblemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// problem reads a refusal. What stands in it is for a screen, perhaps a
// terminal, so it is cut short and stripped of control characters.
func problem(status int, body []byte) *Problem {
	var in struct {
		Type       string `json:"type"`
		Title      string `json:"title"`
		TriesLeft  *int   `json:"tries_left"`
		RetryAfter int    `json:"retry_after"`
	}
	p := &Problem{Status: status, Type: "about:blank", Title: http.StatusText(status), TriesLeft: -1}
	if json.Unmarshal(body, &in) != nil {
		return p
	}
	if in.Type != "" {
		p.Type = printable(in.Type)
	}
	if in.Title != "" {
		p.Title = printable(in.Title)
	}
	if in.TriesLeft != nil {
		p.TriesLeft = *in.TriesLeft
	}
	p.RetryAfter = in.RetryAfter
	return p
}

func printable(s string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s))
	return string(runes[:min(len(runes), 200)])
}

// get and post are calls with the phone's token.
func (p *Phone) get(path string, out any) error { return p.call("GET", path, nil, out) }

func (p *Phone) post(path string, in, out any) error { return p.call("POST", path, in, out) }

func (p *Phone) call(method, path string, in, out any) error {
	token := p.token()
	if token == "" {
		return ErrNotPaired
	}
	return p.callAs(token, method, path, in, out)
}

// callAs makes one call; an empty token proves the key alone. It decodes the
// answer into out, unless that is nil, or returns a *Problem.
func (p *Phone) callAs(token secret, method, path string, in, out any) error {
	h, err := p.headers(token, method, path)
	if err != nil {
		return err
	}
	return p.callWith(h, method, path, in, out)
}

// callWith makes one call with h and nothing else to say who calls.
func (p *Phone) callWith(h http.Header, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode body: %w", err)
		}
		body = bytes.NewReader(data)
		h.Set("Content-Type", "application/json")
	}
	req, err := http.NewRequestWithContext(p.ctx, method, p.server+path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header = h
	resp, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("call server: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	switch {
	case len(data) > maxBody:
		return errors.New("phone: answer is too large")
	case resp.StatusCode/100 != 2:
		return problem(resp.StatusCode, data)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// headers are those that every call carries, the socket's upgrade too.
func (p *Phone) headers(token secret, method, path string) (http.Header, error) {
	proof, err := p.proof(method, p.server+path, token)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	h := http.Header{}
	h.Set("DPoP", proof)
	h.Set("Accept-Language", p.locale)
	if token != "" {
		h.Set("Authorization", "DPoP "+string(token))
	}
	return h, nil
}

// newClient is an HTTP client that follows no redirect, because a token and its
// proof are for one server only.
func newClient() *http.Client {
	return &http.Client{
		Timeout: callTimeout,
		Transport: &http.Transport{
			Proxy: proxy, DialContext: dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialTimeout,
			MaxIdleConns: 4, IdleConnTimeout: 90 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// isLocal reports whether host is this machine by its very name.
func isLocal(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// dial connects. A name under localhost is this machine whatever a resolver
// says (RFC 6761 §6.3): plain HTTP is allowed for it on that condition only.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !isLocal(host) || net.ParseIP(host) != nil {
		return d.DialContext(ctx, network, addr)
	}
	conn, err := d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return d.DialContext(ctx, network, net.JoinHostPort("::1", port))
	}
	return conn, nil
}

// proxy is the environment's, but never for this machine.
func proxy(r *http.Request) (*url.URL, error) {
	if isLocal(r.URL.Hostname()) {
		return nil, nil
	}
	return http.ProxyFromEnvironment(r)
}

// retryable reports whether the same call may fare better later.
func retryable(err error) bool {
	p := ProblemOf(err)
	return p == nil || p.Status >= 500 || p.Status == http.StatusTooManyRequests || p.Status == http.StatusRequestTimeout
}

// requestPath is the path of one request's resource.
func requestPath(id, rest string) string { return "/v1/requests/" + url.PathEscape(id) + rest }

// String implements fmt.Stringer; it keeps the token out of a careless %v.
func (p *Phone) String() string { return "phone at " + strconv.Quote(p.server) }

// GoString implements fmt.GoStringer.
func (p *Phone) GoString() string { return p.String() }
