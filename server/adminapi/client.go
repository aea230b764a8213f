package adminapi

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

	"github.com/mitome-ciba/mitome/server/web"
)

// Client calls the admin API of a running Mitome.
type Client struct {
	address string // as it was given
	base    string
	token   string
	http    *http.Client
}

// Unreachable: nobody answers where the admin API should be.
type Unreachable struct {
	Address string
	Err     error
}

// Error implements error.
func (e *Unreachable) Error() string {
	return "no mitome answers at " + e.Address + "; is it running?"
}

// Unwrap returns what the network said.
func (e *Unreachable) Unwrap() error { return e.Err }

// maxAnswer is more than a full list of requests takes.
const maxAnswer = 16 << 20

// NewClient returns a client of the API at address: unix:/path, host:port, or a
// URL. The token may be empty for a Unix socket.
func NewClient(address, token string) *Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // a proxy has no business between an administrator and this API
	c := &Client{address: address, token: token, http: &http.Client{Transport: t, Timeout: 30 * time.Second}}
	switch path, ok := strings.CutPrefix(address, "unix:"); {
	case ok:
		c.base = "http://admin"
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	case strings.Contains(address, "://"):
		c.base = strings.TrimSuffix(address, "/")
	default:
		c.base = "http://" + address
	}
	return c
}

// call makes one call; in and out may be nil. A refusal is a *web.Problem.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode call: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("make call: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return &Unreachable{c.address, err}
	case err != nil:
		return fmt.Errorf("call the admin API: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return problemOf(resp, b)
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// problemOf reads a refusal; something that is none of ours gets a plain one.
func problemOf(resp *http.Response, b []byte) error {
	p := &web.Problem{}
	if json.Unmarshal(b, p) != nil || p.Title == "" {
		p.Title = "The admin API answered " + resp.Status + "."
	}
	p.Status = resp.StatusCode
	return p
}

func seg(id string) string { return "/" + url.PathEscape(id) }

// OPs lists the connections.
func (c *Client) OPs(ctx context.Context) ([]OP, error) {
	var out opList
	err := c.into(ctx, "/v1/ops", &out)
	return out.OPs, err
}

// AddUser makes a user.
func (c *Client) AddUser(ctx context.Context, u NewUser) (User, error) {
	var out User
	err := c.call(ctx, http.MethodPost, "/v1/users", u, &out)
	return out, err
}

// Users lists the users of op, or of all; find, if given, is an id, subject,
// name or user name in full.
func (c *Client) Users(ctx context.Context, op, find string) ([]User, error) {
	var out userList
	err := c.into(ctx, "/v1/users?"+query("op", op, "find", find), &out)
	return out.Users, err
}

// User returns one user.
func (c *Client) User(ctx context.Context, id string) (User, error) {
	var out User
	err := c.into(ctx, "/v1/users"+seg(id), &out)
	return out, err
}

// AddHint has a hint mean a user.
func (c *Client) AddHint(ctx context.Context, user string, h NewHint) error {
	return c.call(ctx, http.MethodPost, "/v1/users"+seg(user)+"/hints", h, nil)
}

// Devices lists a user's devices.
func (c *Client) Devices(ctx context.Context, user string) ([]Device, error) {
	var out deviceList
	err := c.into(ctx, "/v1/users"+seg(user)+"/devices", &out)
	return out.Devices, err
}

// RenameDevice gives a device another name.
func (c *Client) RenameDevice(ctx context.Context, id, name string) (Device, error) {
	var out Device
	err := c.call(ctx, http.MethodPost, "/v1/devices"+seg(id)+"/rename", map[string]string{"name": name}, &out)
	return out, err
}

// RevokeDevice ends a device for good.
func (c *Client) RevokeDevice(ctx context.Context, id string) (Device, error) {
	var out Device
	err := c.call(ctx, http.MethodPost, "/v1/devices"+seg(id)+"/revoke", nil, &out)
	return out, err
}

// ActivateDevice lets a cooling device be active before its time.
func (c *Client) ActivateDevice(ctx context.Context, id string) (Device, error) {
	var out Device
	err := c.call(ctx, http.MethodPost, "/v1/devices"+seg(id)+"/activate", nil, &out)
	return out, err
}

// Offer begins a pairing.
func (c *Client) Offer(ctx context.Context, user string) (Offer, error) {
	var out Offer
	err := c.call(ctx, http.MethodPost, "/v1/pairings", map[string]string{"user": user}, &out)
	return out, err
}

// Pairing says where a pairing stands.
func (c *Client) Pairing(ctx context.Context, id string) (Pairing, error) {
	var out Pairing
	err := c.into(ctx, "/v1/pairings"+seg(id), &out)
	return out, err
}

// Confirm says that the phone shows the same code.
func (c *Client) Confirm(ctx context.Context, id, matchCode string) (Pairing, error) {
	var out Pairing
	in := map[string]string{"match_code": matchCode}
	err := c.call(ctx, http.MethodPost, "/v1/pairings"+seg(id)+"/confirm", in, &out)
	return out, err
}

// Cancel takes a pairing back.
func (c *Client) Cancel(ctx context.Context, id string) (Pairing, error) {
	var out Pairing
	err := c.call(ctx, http.MethodPost, "/v1/pairings"+seg(id)+"/cancel", nil, &out)
	return out, err
}

// RequestFilter chooses requests; a zero field does not restrict.
type RequestFilter struct {
	OP, User, State string
	Unsure          bool
	Limit           int
}

// Requests lists requests, newest first.
func (c *Client) Requests(ctx context.Context, f RequestFilter) ([]Request, error) {
	unsure, limit := "", ""
	if f.Unsure {
		unsure = "true"
	}
	if f.Limit > 0 {
		limit = strconv.Itoa(f.Limit)
	}
	var out requestList
	err := c.into(ctx, "/v1/requests?"+query("op", f.OP, "user", f.User, "state", f.State, "unsure", unsure, "limit", limit), &out)
	return out.Requests, err
}

// Request returns one request.
func (c *Client) Request(ctx context.Context, id string) (Request, error) {
	var out Request
	err := c.into(ctx, "/v1/requests"+seg(id), &out)
	return out, err
}

// Withdraw takes a request back.
func (c *Client) Withdraw(ctx context.Context, id string) (Request, error) {
	var out Request
	err := c.call(ctx, http.MethodPost, "/v1/requests"+seg(id)+"/withdraw", nil, &out)
	return out, err
}

// Evidence returns the signed statement of a decision.
func (c *Client) Evidence(ctx context.Context, id string) (Evidence, error) {
	var out Evidence
	err := c.into(ctx, "/v1/requests"+seg(id)+"/evidence", &out)
	return out, err
}

// into GETs path into out.
func (c *Client) into(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, nil, out)
}

// query builds a query of the pairs whose value is not empty.
func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v.Encode()
}
