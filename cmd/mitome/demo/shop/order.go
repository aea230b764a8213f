package shop

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
)

const (
	maxOrders = 100              // that are remembered
	grace     = 10 * time.Second // for an answer of the last moment
)

// order is one thing that was asked for.
type order struct {
	pending *rp.Pending
	view    orderView // as it was when the OP took the request
}

// orderView is an order as the page sees it.
type orderView struct {
	ID    string `json:"id"`
	Case  string `json:"case"`
	Mode  Mode   `json:"mode"`
	Code  string `json:"code,omitempty"` // for the till to show
	Says  string `json:"says"`           // the binding message
	After int    `json:"after"`          // the tape's last message before it began
	Left  int    `json:"left"`           // seconds
	State string `json:"state"`          // pending, approved, denied, expired, failed
	// Error is the OP's code where it refused or nobody approved.
	Error  string          `json:"error,omitempty"`
	Claims json.RawMessage `json:"claims,omitempty"` // of the ID token
}

// order asks the OP for something.
func (s *Shop) order(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Case string `json:"case"`
		Mode Mode   `json:"mode"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	c, ok := CaseOf(in.Case)
	client := s.conf.Clients[in.Mode]
	if !ok || client == nil {
		return errInput
	}
	code, err := c.NewCode()
	if err != nil {
		return err
	}
	after := s.last()
	request := c.Request(s.conf.User, s.pages.speak(r).Lang, code)
	// A request that has left is in the world: the page that made it may go.
	pending, err := client.Start(context.WithoutCancel(r.Context()), request)
	if err != nil {
		return refused(err)
	}
	o := &order{pending: pending, view: orderView{
		ID: rand.Text(), Case: c.Name, Mode: in.Mode, Code: code, Says: request.BindingMessage,
		After: after, State: "pending",
	}}
	s.keep(o)
	send(w, http.StatusCreated, s.view(o))
	return nil
}

// refused is what the page is told of a request that the OP did not take.
func refused(err error) error {
	var said *rp.Error
	if errors.As(err, &said) {
		return &refusal{http.StatusConflict, said.Code}
	}
	return &refusal{http.StatusBadGateway, "unreachable"}
}

// look shows an order as it was taken, for a page that was loaded again.
func (s *Shop) look(w http.ResponseWriter, r *http.Request) error {
	o, err := s.find(r.PathValue("id"))
	if err != nil {
		return err
	}
	send(w, http.StatusOK, s.view(o))
	return nil
}

// end answers when the order has ended, which may take minutes.
func (s *Shop) end(w http.ResponseWriter, r *http.Request) error {
	o, err := s.find(r.PathValue("id"))
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // what cannot be set has none
	ctx, stop := context.WithDeadline(context.WithoutCancel(r.Context()), o.pending.ExpiresAt.Add(grace))
	defer stop()
	tokens, err := o.pending.Wait(ctx)
	v := s.view(o)
	v.State, v.Error = outcome(err)
	if tokens != nil {
		v.Claims = tokens.Claims.Raw
	}
	send(w, http.StatusOK, v)
	return nil
}

// outcome is how an order ended, and the OP's word for it.
func outcome(err error) (state, code string) {
	var said *rp.Error
	errors.As(err, &said)
	switch {
	case err == nil:
		return "approved", ""
	case errors.Is(err, rp.ErrAccessDenied):
		return "denied", said.Code
	case errors.Is(err, rp.ErrExpiredToken):
		return "expired", said.Code
	case said != nil:
		return "failed", said.Code
	}
	return "failed", "unreachable"
}

// view is an order with the time that is left now.
func (s *Shop) view(o *order) orderView {
	v := o.view
	v.Left = max(0, int(o.pending.ExpiresAt.Sub(s.conf.Now()).Seconds()))
	return v
}

func (s *Shop) keep(o *order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders[o.view.ID] = o
	s.queue = append(s.queue, o.view.ID)
	if len(s.queue) > maxOrders {
		delete(s.orders, s.queue[0])
		s.queue = s.queue[1:]
	}
}

func (s *Shop) find(id string) (*order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.orders[id]; ok {
		return o, nil
	}
	return nil, errNotFound
}
