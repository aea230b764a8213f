package approval

import (
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// fanOut makes one Notify or Clear of each address of the devices that may
// decide. The one that decided is cleared too: a browser is one device and may
// show the question in several windows, of which one knows.
func (s *Service) fanOut(r Request, effects []Effect, devices []device.Device) []Effect {
	// A short life is not spent on waiting.
	wait := min(s.WaitForSocket, r.ExpiresAt.Sub(r.CreatedAt)/4)
	var out []Effect
	for _, e := range effects {
		if _, ok := e.(Report); ok {
			out = append(out, e)
			continue
		}
		for _, d := range devices {
			if !r.isFor(d) {
				continue
			}
			if _, ok := e.(Notify); ok {
				out = append(out, notifies(d, wait)...)
				continue
			}
			for _, a := range d.Addresses {
				if r.Quiet != "" && a.Channel != push.WebSocket { // it was never there; an open page may list it
					continue
				}
				out = append(out, Clear{Address: a.ID, Channel: a.Channel, Device: d.ID})
			}
		}
	}
	return out
}

// notifies asks d at each of its addresses. Whoever looks at an open page needs no
// push beside it, and the push service need not know; so where d has a socket and
// something else, the socket leads, and the others wait for it that long.
func notifies(d device.Device, wait time.Duration) []Effect {
	var sockets, others int
	for _, a := range d.Addresses {
		if a.Channel == push.WebSocket {
			sockets++
		} else {
			others++
		}
	}
	led := wait > 0 && sockets == 1 && others > 0
	var out []Effect
	for _, a := range d.Addresses {
		n := Notify{Address: a.ID, Channel: a.Channel, Device: d.ID}
		switch {
		case !led:
		case a.Channel == push.WebSocket:
			n.Leads = true
		default:
			n.Wait = wait
		}
		out = append(out, n)
	}
	return out
}
