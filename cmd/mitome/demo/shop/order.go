package shop

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/counter"
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
		return counter.ErrInput
	}
	code, err := c.NewCode()
	if err != nil {
		return err
	}
	after := s.last()
	request := c.Request(s.conf.User, s.words.Speak(r).Lang, code)
	// A request that has left is in the world: the page that made it may go.
	pending, err := client.Start(context.WithoutCancel(r.Context()), request)
	if err != nil {
		return counter.Refused(err)
	}
	o := &order{pending: pending, view: orderView{
		ID: rand.Text(), Case: c.Name, Mode: in.Mode, Code: code, Says: request.BindingMessage,
		After: after, State: "pending",
	}}
	s.orders.Keep(o.view.ID, o)
	counter.Send(w, http.StatusCreated, s.view(o))
	return nil
}

// look shows an order as it was taken, for a page that was loaded again.
func (s *Shop) look(w http.ResponseWriter, r *http.Request) error {
	o, err := s.orders.Find(r.PathValue("id"))
	if err != nil {
		return err
	}
	counter.Send(w, http.StatusOK, s.view(o))
	return nil
}

// end answers when the order has ended, which may take minutes.
func (s *Shop) end(w http.ResponseWriter, r *http.Request) error {
	o, err := s.orders.Find(r.PathValue("id"))
	if err != nil {
		return err
	}
	tokens, err := counter.Wait(w, r, o.pending)
	v := s.view(o)
	v.State, v.Error = counter.Outcome(err)
	if tokens != nil {
		v.Claims = tokens.Claims.Raw
	}
	counter.Send(w, http.StatusOK, v)
	return nil
}

// view is an order with the time that is left now.
func (s *Shop) view(o *order) orderView {
	v := o.view
	v.Left = max(0, int(o.pending.ExpiresAt.Sub(s.conf.Now()).Seconds()))
	return v
}

// maxBody is far more than any call of the page has.
const maxBody = 4 << 10

func decode(r *http.Request, into any) error {
	dec := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return counter.ErrInput
	}
	return nil
}
