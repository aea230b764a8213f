package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"rsc.io/qr"

	"github.com/mitome-ciba/mitome/server/adminapi"
)

type pairCmd struct {
	whichUser
	Yes    bool `help:"Confirm the match code without asking. For scripts that hold both ends; a person must compare."`
	Invert bool `help:"Draw the QR code for a terminal with dark text on light ground."`
}

// The states of a pairing, as the admin API tells them.
const (
	pairingOffered   = "offered"
	pairingClaimed   = "claimed"
	pairingConfirmed = "confirmed"
	pairingCompleted = "completed"
)

// pairEvent is what --json writes, a line each, as the pairing goes on.
type pairEvent struct {
	Event string `json:"event"` // offered, claimed, completed
	Link  string `json:"link,omitempty"`
	adminapi.Pairing
}

// Run offers a pairing and sees it through: link, match code, device. Whatever
// ends it early takes the offer back, because its link is a secret on a screen.
func (c pairCmd) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	u, err := a.findUser(client, c.OP, c.User)
	if err != nil {
		return err
	}
	offer, err := client.Offer(a.ctx, u.ID)
	if err != nil {
		return err
	}
	p, err := c.follow(a, client, u, offer)
	if err == nil {
		return nil
	}
	if p.State != pairingCompleted {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), 5*time.Second)
		defer cancel()
		_, _ = client.Cancel(ctx, offer.ID) // it may be over already; then there is nothing to take back
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("the pairing was taken back")
	}
	return err
}

// follow leads a pairing from its offer to its device.
func (c pairCmd) follow(a *app, client *adminapi.Client, u adminapi.User, offer adminapi.Offer) (adminapi.Pairing, error) {
	if err := c.showOffer(a, u, offer); err != nil {
		return offer.Pairing, err
	}
	p, err := await(a.ctx, client, offer.Pairing, pairingOffered)
	if err != nil {
		return p, err
	}
	if a.json {
		if err := a.event(pairEvent{Event: pairingClaimed, Pairing: p}); err != nil {
			return p, err
		}
	}
	a.say("\nA phone that calls itself %s has opened the link.", plain(p.DeviceName))
	a.say("Match code: %s", grouped(p.MatchCode))
	if !c.Yes {
		same, err := a.ask("Does the phone show the same code? [y/N] ")
		if err != nil || !same {
			return p, errors.Join(err, errors.New("the codes were not confirmed; the pairing was taken back"))
		}
	}
	if p, err = client.Confirm(a.ctx, p.ID, p.MatchCode); err != nil {
		return p, err
	}
	a.say("Waiting for the phone to make its passkey.")
	if p, err = await(a.ctx, client, p, pairingConfirmed); err != nil {
		return p, err
	}
	if a.json {
		return p, a.event(pairEvent{Event: pairingCompleted, Pairing: p})
	}
	a.say("Paired: device %s (%s) of user %s.", p.Device, plain(p.DeviceName), plain(u.Subject))
	return p, nil
}

func (c pairCmd) showOffer(a *app, u adminapi.User, offer adminapi.Offer) error {
	if a.json {
		return a.event(pairEvent{Event: pairingOffered, Link: offer.Link, Pairing: offer.Pairing})
	}
	code, err := qr.Encode(offer.Link, qr.L)
	if err != nil {
		return fmt.Errorf("draw QR code: %w", err)
	}
	drawQR(a.out, code, c.Invert)
	a.say("Pairing with user %s (%s) of %s. Scan the code, or open this link on the phone:\n\n  %s\n",
		plain(u.Subject), plain(u.Name), u.OP, offer.Link)
	a.say("It works once, until %s (%s from now).", offer.ExpiresAt.Local().Format("15:04:05"),
		time.Until(offer.ExpiresAt).Round(time.Second))
	return nil
}

// await returns when the pairing has left the state from for the next one, and
// an error if it has come to an end instead.
func await(ctx context.Context, client *adminapi.Client, p adminapi.Pairing, from string) (adminapi.Pairing, error) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		next, err := client.Pairing(ctx, p.ID)
		if err != nil {
			return p, err
		}
		switch next.State {
		case from:
		case pairingClaimed, pairingConfirmed, pairingCompleted:
			return next, nil
		default:
			return next, fmt.Errorf("the pairing is over: it was %s", next.State)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return next, ctx.Err()
		}
	}
}

// ask asks a question on the terminal; anything but a yes is a no. An interrupt
// ends the wait, though not the read, which dies with the process.
func (a *app) ask(question string) (bool, error) {
	fmt.Fprint(a.err, question)
	answer := make(chan string, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		line, err := bufio.NewReader(a.in).ReadString('\n')
		if err != nil && line == "" {
			line = "no"
		}
		answer <- strings.ToLower(strings.TrimSpace(line))
	})
	select {
	case line := <-answer:
		return line == "y" || line == "yes", nil
	case <-a.ctx.Done():
		return false, a.ctx.Err()
	}
}

// grouped writes six digits as people read them out.
func grouped(code string) string {
	if len(code) != 6 {
		return plain(code)
	}
	return code[:3] + " " + code[3:]
}

// quiet is the light margin that a scanner needs around a QR code.
const quiet = 4

// drawQR draws a code with half blocks, two rows a line. What is light is drawn,
// because most terminals write light on dark.
func drawQR(w io.Writer, code *qr.Code, invert bool) {
	light := func(x, y int) bool { return code.Black(x, y) == invert }
	for y := -quiet; y < code.Size+quiet; y += 2 {
		var line strings.Builder
		for x := -quiet; x < code.Size+quiet; x++ {
			switch up, down := light(x, y), light(x, y+1); {
			case up && down:
				line.WriteString("█")
			case up:
				line.WriteString("▀")
			case down:
				line.WriteString("▄")
			default:
				line.WriteString(" ")
			}
		}
		fmt.Fprintln(w, line.String())
	}
}
