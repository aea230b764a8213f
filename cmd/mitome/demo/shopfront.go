package demo

import (
	"net/http"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/shop"
)

// mount opens the shop.
func (d *Demo) mount(clients map[rp.Mode]*rp.Client) error {
	byMode := map[shop.Mode]*rp.Client{}
	for mode, c := range clients {
		byMode[shop.Mode(mode)] = c
	}
	s, err := shop.New(shop.Config{
		URL: d.Place.Shop(), PhoneURL: d.Place.Mitome(), Clients: byMode,
		Desk: d.Mitome.Desk, Tape: d.tape, Now: time.Now, User: User, Log: d.Log,
	})
	if err != nil {
		return err
	}
	front := http.Handler(s)
	d.front.Store(&front)
	return nil
}
