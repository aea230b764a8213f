package phone

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Pending is the state of a request that waits for an answer.
const Pending = "pending"

// Request is one request as this phone may see it.
type Request struct {
	ID        string
	OP        string // the configured name of the OP that asks
	State     string // "pending", "approved", "denied", "expired" or "withdrawn"
	CreatedAt string // RFC 3339
	ExpiresAt string // RFC 3339
	View      string // what to show, as JSON; it is what a passkey signs, byte for byte
	ByCode    bool   // it came by the code that this phone showed, and is for it alone

	// How it was decided; empty if it was not.
	Verdict   string // "approve" or "deny"
	DecidedAt string // RFC 3339
	DecidedOn string // the device's name
}

// RequestList is a list of requests.
type RequestList struct{ all []*Request }

// Len returns how many there are.
func (l *RequestList) Len() int { return len(l.all) }

// Get returns the ith, from 0.
func (l *RequestList) Get(i int) *Request { return l.all[i] }

type requestWire struct {
	ID        string `json:"id"`
	OP        string `json:"op"`
	State     string `json:"state"`
	CreatedAt string `json:"created_at"`
	ExpiresAt string `json:"expires_at"`
	View      string `json:"view"`
	ByCode    bool   `json:"by_code"`
	Decision  *struct {
		Verdict    string `json:"verdict"`
		At         string `json:"at"`
		DeviceName string `json:"device_name"`
	} `json:"decision"`
}

func (r requestWire) request() *Request {
	out := &Request{
		ID: r.ID, OP: r.OP, State: r.State, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, View: r.View,
		ByCode: r.ByCode,
	}
	if d := r.Decision; d != nil {
		out.Verdict, out.DecidedAt, out.DecidedOn = d.Verdict, d.At, d.DeviceName
	}
	return out
}

// List returns the requests that wait for an answer, oldest first.
func (p *Phone) List() (*RequestList, error) {
	var out struct {
		Requests []requestWire `json:"requests"`
	}
	if err := p.get("/v1/requests", &out); err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	l := &RequestList{}
	for _, r := range out.Requests {
		l.all = append(l.all, r.request())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.shown, func(id, _ string) bool { // what no longer waits cannot be approved
		return !slices.ContainsFunc(l.all, func(r *Request) bool { return r.ID == id })
	})
	for _, r := range l.all {
		p.shown[r.ID] = r.View
	}
	return l, nil
}

// Show returns one request, settled ones too.
func (p *Phone) Show(id string) (*Request, error) {
	var out requestWire
	if err := p.get(requestPath(id, ""), &out); err != nil {
		return nil, fmt.Errorf("show request: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.shown, id)
	if out.State == Pending && out.ID == id {
		p.shown[id] = out.View
	}
	return out.request(), nil
}

// Approve has the passkey sign what was shown and tells the server. The request
// must have come from [Phone.Show], [Phone.List] or [Phone.Listen] before: its
// view as it was then is what is signed, or nothing is. userCode is what the user
// typed, empty where the view asks for none. Approve returns the request's new
// state.
func (p *Phone) Approve(id, userCode string) (string, error) {
	p.mu.Lock()
	shown, ok := p.shown[id]
	p.mu.Unlock()
	if !ok {
		return "", ErrNotShown
	}
	var ch struct {
		View    string           `json:"view"`
		Options publicKeyOptions `json:"options"`
	}
	if err := p.post(requestPath(id, "/challenge"), nil, &ch); err != nil {
		return "", fmt.Errorf("ask for challenge: %w", err)
	}
	if ch.View != shown {
		return "", ErrViewChanged
	}
	if err := checkChallenge(ch.Options.PublicKey, "mitome/tx/v1\x00"+shown); err != nil {
		return "", err
	}
	assertion, err := p.keys.UsePasskey(p.server, string(ch.Options.PublicKey))
	if err != nil {
		return "", fmt.Errorf("use passkey: %w", err)
	}
	return p.decide(id, decisionWire{
		Verdict: "approve", UserCode: userCode, Assertion: json.RawMessage(assertion),
	})
}

// NotMe refuses a request that the user did not start, and has the passkey say so:
// its client cannot ask her for a while, what else it asked is denied, and the
// operator is told. NotMe returns the request's new state. If the passkey does not
// say so the request is denied all the same, and the error is [ErrDeniedOnly].
func (p *Phone) NotMe(id string) (string, error) {
	assertion, cause := p.sign(requestPath(id, "/not-me/challenge"), func(s statementWire) bool {
		return s.Action == "request.not_me" && s.Request == id
	})
	out, err := p.settle(id, decisionWire{Verdict: "deny", NotMe: true, Assertion: assertion})
	if err == nil && out.FrozenUntil == nil {
		err = errors.Join(ErrDeniedOnly, cause)
	}
	return out.State, err
}

// Deny refuses a request; notMe says that the user did not start it, without the
// consequences that [Phone.NotMe] has. It needs no passkey. Deny returns the
// request's new state.
func (p *Phone) Deny(id string, notMe bool) (string, error) {
	return p.decide(id, decisionWire{Verdict: "deny", NotMe: notMe})
}

type decisionWire struct {
	Verdict   string          `json:"verdict"`
	NotMe     bool            `json:"not_me,omitempty"`
	UserCode  string          `json:"user_code,omitempty"`
	Assertion json.RawMessage `json:"assertion,omitempty"`
}

// settledWire is what became of a request.
type settledWire struct {
	State       string     `json:"state"`
	FrozenUntil *time.Time `json:"frozen_until"`
}

func (p *Phone) decide(id string, d decisionWire) (string, error) {
	out, err := p.settle(id, d)
	return out.State, err
}

func (p *Phone) settle(id string, d decisionWire) (out settledWire, err error) {
	if err := p.post(requestPath(id, "/decision"), d, &out); err != nil {
		return settledWire{}, fmt.Errorf("%s: %w", d.Verdict, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.shown, id)
	return out, nil
}

// checkChallenge refuses to have anything signed but 32 random bytes and the
// hash of what was shown, after the prefix that says what a signature over it
// means. Without it a server could show one thing and have another signed, and
// nobody could tell afterwards.
func checkChallenge(options json.RawMessage, prefixed string) error {
	var o struct {
		Challenge string `json:"challenge"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		return fmt.Errorf("%w: %w", ErrChallenge, err)
	}
	challenge, err := base64.RawURLEncoding.DecodeString(o.Challenge)
	hash := sha256.Sum256([]byte(prefixed))
	if err != nil || len(challenge) != 32+len(hash) || !bytes.Equal(challenge[32:], hash[:]) {
		return ErrChallenge
	}
	return nil
}
