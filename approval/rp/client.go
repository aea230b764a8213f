package rp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// What CIBA Core §7.3 and §11 say, and how far this package goes.
const (
	defaultInterval    = 5 * time.Second
	slowDownStep       = 5 * time.Second
	defaultMaxInterval = time.Minute
	defaultLeeway      = time.Minute
	maxID              = 4096 // characters of an auth_req_id
)

// Client is a CIBA client as it is registered with an OP. Its fields are set
// before it is used and not changed after; its methods may be called at the same
// time.
type Client struct {
	Provider *Provider
	ID       string // client_id
	Auth     Auth
	Mode     Mode // empty: Poll

	// Notifications takes what the OP sends to a ping or push client.
	Notifications *Notifications
	// Key signs requests that are to be signed.
	Key Key
	// MTLS: HTTP shows a certificate, to which the OP binds the tokens (RFC 8705
	// §3). It goes without saying where Auth is by TLS.
	MTLS bool

	// HTTP reaches the OP; nil stands for a client with a timeout that leaves
	// room for long polling. Redirects are never followed: they would carry the
	// client's secrets elsewhere.
	HTTP *http.Client
	// MaxInterval is how slow slow_down may make Wait before it gives up with
	// ErrSlowDown, and how far it backs off while the OP does not answer. Zero: a
	// minute. An interval that the OP names at the start is kept, however long.
	MaxInterval time.Duration
	// Leeway is how far the OP's clock may differ from ours. Zero: a minute.
	Leeway time.Duration
	// Observe, if set, is shown every message that passes, secrets cut. It is
	// called synchronously and, if the client is, at the same time.
	Observe func(Message)
}

// authReqID is what an identifier of a request may consist of (CIBA Core §7.3).
var authReqID = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// Start asks the OP to have r approved, and returns as soon as it has taken the
// request. Nothing is sent if no OP could accept it.
//
// A call whose answer is lost is not repeated: the user would be asked twice.
func (c *Client) Start(ctx context.Context, r Request) (*Pending, error) {
	if err := c.check(r); err != nil {
		return nil, err
	}
	box := c.Notifications.open(c.mode())
	p, err := c.start(ctx, r, box)
	if err != nil {
		c.Notifications.close(box)
		return nil, err
	}
	return p, nil
}

func (c *Client) start(ctx context.Context, r Request, box *mailbox) (*Pending, error) {
	form, err := c.form(r, box.bearer())
	if err != nil {
		return nil, err
	}
	// The lifetime counts from before the request, so that ours ends first.
	began := time.Now()
	a, err := c.post(ctx, Backchannel, c.backchannel(), form)
	if err != nil {
		return nil, err
	}
	ack, err := readAck(a)
	if err != nil {
		return nil, err
	}
	p := &Pending{
		AuthReqID: ack.AuthReqID,
		ExpiresAt: began.Add(time.Duration(ack.ExpiresIn) * time.Second),
		Interval:  ack.interval(),
		client:    c, began: began, nonce: r.Nonce, box: box, turn: make(chan struct{}, 1),
	}
	c.Notifications.expect(box, p.AuthReqID, p.ExpiresAt)
	return p, nil
}

// ack is how an OP takes a request (CIBA Core §7.3).
type ack struct {
	AuthReqID string `json:"auth_req_id"`
	ExpiresIn int64  `json:"expires_in"`
	Interval  *int64 `json:"interval"`
}

func readAck(a answer) (ack, error) {
	var k ack
	if err := a.decode(&k); err != nil {
		return ack{}, err
	}
	switch {
	case len(k.AuthReqID) > maxID || !authReqID.MatchString(k.AuthReqID):
		return ack{}, fmt.Errorf("%w: auth_req_id", ErrResponse)
	case k.ExpiresIn <= 0 || k.ExpiresIn > maxSeconds:
		return ack{}, fmt.Errorf("%w: expires_in", ErrResponse)
	case k.Interval != nil && (*k.Interval < 0 || *k.Interval > maxSeconds):
		return ack{}, fmt.Errorf("%w: interval", ErrResponse)
	}
	return k, nil
}

func (k ack) interval() time.Duration {
	if k.Interval == nil {
		return defaultInterval
	}
	return time.Duration(*k.Interval) * time.Second
}

// check refuses what this client cannot do or this OP does not offer.
func (c *Client) check(r Request) error {
	p := c.Provider
	switch {
	case p == nil || c.ID == "" || c.Auth == nil:
		return errors.New("rp: a client needs a provider, an ID and a way to authenticate")
	case c.mode() != Poll && c.Notifications == nil:
		return errors.New("rp: a ping or push client needs Notifications")
	case !offers(p.AuthMethods, c.Auth.method()):
		return fmt.Errorf("%w: %s", ErrUnsupported, c.Auth.method())
	case !offers(p.DeliveryModes, c.mode()):
		return fmt.Errorf("%w: delivery mode %s", ErrUnsupported, c.mode())
	case r.UserCode != "" && !p.UserCode:
		return fmt.Errorf("%w: user_code", ErrUnsupported)
	}
	for _, endpoint := range []string{c.backchannel(), c.token()} {
		if err := secure(endpoint); err != nil {
			return err
		}
	}
	if r.Signed {
		alg, err := c.Key.algorithm()
		if err != nil {
			return err
		}
		if !slices.Contains(p.RequestSigningAlgs, alg) {
			return fmt.Errorf("%w: requests signed with %s", ErrUnsupported, alg)
		}
	}
	return r.check()
}

func (c *Client) mode() Mode {
	if c.Mode == "" {
		return Poll
	}
	return c.Mode
}

// byTLS says whether the OP must be called where it asks for certificates.
func (c *Client) byTLS() bool {
	_, by := c.Auth.(certificate)
	return by || c.MTLS
}

func (c *Client) backchannel() string {
	if p := c.Provider; c.byTLS() && p.MTLS.BackchannelEndpoint != "" {
		return p.MTLS.BackchannelEndpoint
	}
	return c.Provider.BackchannelEndpoint
}

func (c *Client) token() string {
	if p := c.Provider; c.byTLS() && p.MTLS.TokenEndpoint != "" {
		return p.MTLS.TokenEndpoint
	}
	return c.Provider.TokenEndpoint
}

func (c *Client) maxInterval() time.Duration {
	if c.MaxInterval > 0 {
		return c.MaxInterval
	}
	return defaultMaxInterval
}

func (c *Client) leeway() time.Duration {
	if c.Leeway > 0 {
		return c.Leeway
	}
	return defaultLeeway
}

// decode reads the OP's answer into out, or returns what it says instead.
func (a answer) decode(out any) error {
	if a.status == http.StatusOK {
		if err := json.Unmarshal(a.body, out); err != nil {
			return fmt.Errorf("%w: not JSON", ErrResponse)
		}
		return nil
	}
	var said struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
		URI         string `json:"error_uri"`
	}
	if err := json.Unmarshal(a.body, &said); err != nil || said.Code == "" {
		return &statusError{status: a.status, wait: a.retryAfter}
	}
	return &Error{Code: tidy(said.Code), Description: tidy(said.Description), URI: tidy(said.URI), Status: a.status}
}
