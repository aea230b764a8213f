package main

import (
	"errors"
	"fmt"
	"strings"

	"rsc.io/qr"

	"github.com/mitome-ciba/mitome/device/phone"
)

type deviceCode struct {
	Device string `arg:"" optional:"" help:"Id of the device; needed only if this one stands for several users."`
	Invert bool   `help:"Draw the QR code for a terminal that writes dark on light."`
}

type codeOut struct {
	Token     string `json:"login_hint_token"`
	ExpiresAt string `json:"expires_at"`
}

// Run unlocks with the passkey and shows one code.
func (c deviceCode) Run(a *app, d *deviceCmd) error {
	p, closing, err := d.open(a, "")
	if err != nil {
		return err
	}
	defer closing()
	id, err := oneDevice(p, c.Device)
	if err != nil {
		return err
	}
	if _, err := p.UnlockCodes(id); err != nil {
		return err
	}
	code, err := p.NextCode(id)
	if err != nil {
		return err
	}
	drawn, err := qr.Encode(code.Digits, qr.M)
	if err != nil {
		return fmt.Errorf("draw QR code: %w", err)
	}
	return a.show(codeOut{code.Digits, code.ExpiresAt}, func() {
		drawQR(a.out, drawn, c.Invert)
		fmt.Fprintf(a.out, "%s\nGood once, for a minute. Show it to the till in front of you and to nobody else.\n", inFours(code.Digits))
	})
}

// oneDevice is the one that is named, or the only one.
func oneDevice(p *phone.Phone, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	list, err := p.Devices()
	switch {
	case err != nil:
		return "", err
	case list.Len() != 1:
		return "", errors.New("name the device; see mitome device status")
	}
	return list.Get(0).ID, nil
}

// inFours is digits as people read them.
func inFours(digits string) string {
	var b strings.Builder
	for i, r := range digits {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
