package shop

import (
	"net/http"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo/counter"
)

// offerView is a pairing that has just begun.
type offerView struct {
	ID   string `json:"id"`
	Link string `json:"link"`
}

// pairingView is a pairing as the page sees it.
type pairingView struct {
	State     string `json:"state"`
	MatchCode string `json:"match_code,omitempty"`
	Device    string `json:"device,omitempty"`
}

// offer begins a pairing.
func (s *Shop) offer(w http.ResponseWriter, r *http.Request) error {
	o, err := s.conf.Desk.Offer(r.Context())
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.offers[o.ID] = true
	s.mu.Unlock()
	counter.Send(w, http.StatusCreated, offerView(o))
	return nil
}

// offered refuses a pairing that this shop did not begin, such as one that a page
// remembers of an earlier demo.
func (s *Shop) offered(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.offers[id] {
		return counter.ErrNotFound
	}
	return nil
}

// pairing shows how far a pairing has come.
func (s *Shop) pairing(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.offered(id); err != nil {
		return err
	}
	p, err := s.conf.Desk.Pairing(r.Context(), id)
	if err != nil {
		return err
	}
	counter.Send(w, http.StatusOK, pairingView{State: p.State, MatchCode: p.MatchCode, Device: p.DeviceName})
	return nil
}

// confirm says that both screens show the same code.
func (s *Shop) confirm(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.offered(id); err != nil {
		return err
	}
	if err := s.conf.Desk.Confirm(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
