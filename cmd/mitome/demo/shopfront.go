package demo

import (
	"net/http"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/kiosk"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/shop"
)

// mount opens the shop and the kiosk.
func (d *Demo) mount(clients map[rp.Mode]*rp.Client) error {
	byMode := map[shop.Mode]*rp.Client{}
	for mode, c := range clients {
		byMode[shop.Mode(mode)] = c
	}
	s, err := shop.New(shop.Config{
		URL: d.Place.Shop(), PhoneURL: d.Place.Mitome(), KioskURL: d.Place.Kiosk(), Clients: byMode,
		Desk: d.Mitome.Desk, Tape: d.tape, Now: time.Now, User: User, Log: d.Log,
	})
	if err != nil {
		return err
	}
	k, err := d.newKiosk(clients[rp.Poll].Provider)
	if err != nil {
		return err
	}
	front, other := http.Handler(s), http.Handler(k)
	d.front.Store(&front)
	d.kiosk.Store(&other)
	return nil
}

// codePath is where Mitome's pages show the code of a phone.
const codePath = "/code"

// newKiosk is a client of its own: what it was told of a customer is nothing to
// the shop. Its messages are on the tape as the shop's, because both are one house.
func (d *Demo) newKiosk(provider *rp.Provider) (*kiosk.Kiosk, error) {
	return kiosk.New(kiosk.Config{
		CodeURL: d.Place.Mitome() + codePath, Log: d.Log,
		Client: &rp.Client{
			Provider: provider, ID: kioskID, Auth: rp.SecretBasic(d.kioskSecret), Mode: rp.Poll,
			HTTP: d.Place.client(), Observe: d.record,
		},
	})
}
