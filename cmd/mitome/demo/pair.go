package demo

import (
	"context"
	"errors"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo/shop"
	"github.com/mitome-ciba/mitome/device/phone"
)

// Pair makes p the phone of the desk's user, with the desk's confirmation of the
// match code, which it returns.
func Pair(ctx context.Context, desk shop.Desk, p *phone.Phone) (d *phone.Device, matchCode string, err error) {
	offer, err := desk.Offer(ctx)
	if err != nil {
		return nil, "", err
	}
	pairing, err := p.Claim(offer.Link, "Phone in software")
	if err != nil {
		return nil, "", err
	}
	seen, err := desk.Pairing(ctx, offer.ID)
	if err != nil {
		return nil, "", err
	}
	if seen.MatchCode != pairing.MatchCode {
		return nil, "", errors.New("the two screens show different codes")
	}
	if err := desk.Confirm(ctx, offer.ID); err != nil {
		return nil, "", err
	}
	if err := pairing.Wait(); err != nil {
		return nil, "", err
	}
	d, err = pairing.Finish()
	return d, pairing.MatchCode, err
}
