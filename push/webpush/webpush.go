// Package webpush is the channel to browsers, and to whatever speaks
// UnifiedPush: RFC 8030, with messages sealed as package ece does and a sender
// proved by VAPID (RFC 8292). Nobody needs an account for it.
//
// # Why
//
// An endpoint is a URL that a client of ours chose, so calling it is a hole in
// the firewall unless it is judged where it really leads: by push.Guard, after
// the name was resolved. A list of the known services' names would be stricter
// and would shut out every service of one's own, which UnifiedPush is for.
//
// A token is signed once for an origin and half its life, not once a message,
// because a signature costs more than all the rest of a push.
package webpush

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/push"
)

// Sender is the push.Sender of Web Push. It must not be copied.
type Sender struct {
	Client  *http.Client      // guarded, as push.Guard.Client makes it
	Guard   push.Guard        // the Client's; Check asks it where it can
	VAPID   *ecdsa.PrivateKey // P-256; every subscription is bound to its public half
	Subject string            // whom a service may write to: mailto:… or https://…
	Now     func() time.Time

	// VAPIDSince is when VAPID took the place of another key; zero if it is the
	// first. An address last said before that is bound to the old key, so where the
	// service refuses us there the address is dead and our credentials are good.
	VAPIDSince time.Time

	tokens tokens
}

const (
	// maxEndpoint is longer than any service's endpoint.
	maxEndpoint = 2048
	// maxBody is what a service must take (RFC 8030 §7.2).
	maxBody = 4096
	// maxAnswer is how much of an answer is read, so that the connection can be
	// used again. Nothing in it is of use.
	maxAnswer = 16 << 10
)

// errEndpoint says nothing of the endpoint, which is a secret.
var errEndpoint = errors.New("webpush: not an endpoint that may be called")

// Channel implements push.Sender.
func (*Sender) Channel() push.Channel { return push.WebPush }

// Check implements push.Sender. Where a name leads is known when it is called,
// and not here.
func (s *Sender) Check(a push.Address) error {
	_, err := s.endpoint(a)
	return err
}

// endpoint is where a's messages go.
func (s *Sender) endpoint(a push.Address) (*url.URL, error) {
	target := string(a.Target)
	if a.Channel != push.WebPush || len(target) > maxEndpoint || strings.ContainsFunc(target, notInURL) {
		return nil, errEndpoint
	}
	u, err := url.Parse(target)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Contains(target, "#") {
		return nil, errEndpoint
	}
	ip, notIP := netip.ParseAddr(u.Hostname())
	switch {
	case notIP == nil && !s.Guard.Permits(ip):
		return nil, errEndpoint
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && notIP == nil && s.private(ip):
		return u, nil
	}
	return nil, errEndpoint
}

// notInURL finds what a URL cannot hold and a header must not.
func notInURL(r rune) bool { return r <= ' ' || r >= 0x7f }

// private reports whether the operator named a network for ip: what he runs
// himself may do without TLS, because what is sent there is sealed.
func (s *Sender) private(ip netip.Addr) bool {
	for _, p := range s.Guard.Allow {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// Send implements push.Sender. A message without a sealed body goes out without
// one: it wakes the browser, which then asks what there is.
func (s *Sender) Send(ctx context.Context, a push.Address, m push.Message) error {
	u, err := s.endpoint(a)
	if err != nil {
		return fmt.Errorf("%w: %w", push.ErrGone, err)
	}
	if len(m.Sealed) > maxBody {
		return fmt.Errorf("%w: %d bytes, a service takes %d", push.ErrUnfit, len(m.Sealed), maxBody)
	}
	if m.TTL > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.TTL)
		defer cancel()
	}
	req, err := s.request(ctx, u, m)
	if err != nil {
		return err
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		var named *url.Error // names the endpoint
		if errors.As(err, &named) {
			err = named.Err
		}
		return push.Later(0, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	err = s.judge(resp)
	if a.Since.Before(s.VAPIDSince) && (errors.Is(err, push.ErrBroken) || errors.Is(err, push.ErrUnfit)) {
		// Its words alone: what wraps ErrBroken would raise the alarm.
		return fmt.Errorf("%w: bound to a key that was replaced: %s", push.ErrGone, err.Error())
	}
	return err
}

// request is m on its way to u.
func (s *Sender) request(ctx context.Context, u *url.URL, m push.Message) (*http.Request, error) {
	token, err := s.token(u)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", push.ErrBroken, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(m.Sealed))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", push.ErrGone, errEndpoint)
	}
	h := req.Header
	h.Set("Authorization", token)
	h.Set("TTL", strconv.FormatInt(int64(max(m.TTL, 0)/time.Second), 10))
	h.Set("Urgency", "high")
	if m.Key != "" {
		h.Set("Topic", Topic(m.Key))
	}
	if len(m.Sealed) > 0 {
		h.Set("Content-Encoding", "aes128gcm")
		h.Set("Content-Type", "application/octet-stream")
	}
	return req, nil
}

// Topic is what a service collapses messages by: a later one of the same topic
// takes the place of one that still waits (RFC 8030 §5.4). It is a hash, so that
// the service learns no id, of as many characters as all services take.
func Topic(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:topicLen]
}

const topicLen = 22

// judge is what an answer means to us. What tells of neither the address nor our
// credentials is the message's fault, and trying it again is of no use.
func (s *Sender) judge(resp *http.Response) error {
	err := fmt.Errorf("webpush: the service answered %d", resp.StatusCode)
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusNotFound || code == http.StatusGone:
		return fmt.Errorf("%w: %w", push.ErrGone, err)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%w: %w", push.ErrBroken, err)
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		return push.Later(push.ParseRetryAfter(resp.Header, s.Now()), err)
	}
	return fmt.Errorf("%w: %w", push.ErrUnfit, err)
}
