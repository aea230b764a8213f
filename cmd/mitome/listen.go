package main

import (
	"errors"
	"fmt"
	"sync"

	"github.com/mitome-ciba/mitome/device/phone"
)

type deviceListen struct{}

// Run follows requests until it is interrupted, a line each.
func (deviceListen) Run(a *app, d *deviceCmd) error {
	p, closing, err := d.open(a, "")
	if err != nil {
		return err
	}
	defer closing()
	l := &listener{app: a}
	p.WatchDevices(l)
	if err := p.Listen(l); err != nil {
		if errors.Is(err, phone.ErrRevoked) {
			return errors.New("this device was revoked; it must be paired anew")
		}
		return err
	}
	return nil
}

// listener writes what the device hears.
type listener struct {
	app *app
	mu  sync.Mutex
}

// heard is one line of --json.
type heard struct {
	Event   string      `json:"event"` // online, offline, show, clear, device, test
	ID      string      `json:"id,omitempty"`
	Reason  string      `json:"reason,omitempty"`
	Request *requestOut `json:"request,omitempty"`
}

// write writes one event; what cannot be written has nobody who reads it.
func (l *listener) write(h heard, human string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.app.json {
		_ = l.app.event(h)
		return
	}
	l.app.say(human, args...)
}

// Show implements phone.Handler.
func (l *listener) Show(r *phone.Request) {
	out, v := requestOf(r), viewOf(r.View)
	l.write(heard{Event: "show", ID: r.ID, Request: &out}, "? %s  %s: %s  (%s left)",
		r.ID, plain(v.Client.Label), plain(v.BindingMessage), left(r.ExpiresAt))
}

// Clear implements phone.Handler.
func (l *listener) Clear(id string) { l.write(heard{Event: "clear", ID: id}, "x %s", id) }

// Test implements phone.Handler.
func (l *listener) Test() {
	l.write(heard{Event: "test"}, "The server tried whether this device is heard.")
}

// DevicesChanged implements phone.DeviceWatcher. That something may have changed
// while nobody listened is no news.
func (l *listener) DevicesChanged(id string) {
	if id != "" {
		l.write(heard{Event: "device", ID: id}, "Your devices changed: %s. See My devices on this server's page.", id)
	}
}

// Online implements phone.Handler.
func (l *listener) Online(online bool, reason string) {
	if online {
		l.write(heard{Event: "online"}, "Listening.")
		return
	}
	l.write(heard{Event: "offline", Reason: reason}, "Not connected: %s", plain(reason))
}

// requestOut is a request for scripts; the view is the JSON that is signed, as
// the text that it is.
type requestOut struct {
	ID        string `json:"id"`
	OP        string `json:"op"`
	State     string `json:"state"`
	CreatedAt string `json:"created_at"`
	ExpiresAt string `json:"expires_at"`
	View      string `json:"view"`
	Verdict   string `json:"verdict,omitempty"`
	DecidedAt string `json:"decided_at,omitempty"`
	DecidedOn string `json:"decided_on,omitempty"`
}

func requestOf(r *phone.Request) requestOut {
	return requestOut{r.ID, r.OP, r.State, r.CreatedAt, r.ExpiresAt, r.View, r.Verdict, r.DecidedAt, r.DecidedOn}
}

// showToUser writes a request as its user is to see it.
func (a *app) showToUser(r *phone.Request) {
	fmt.Fprintf(a.out, "request   %s (%s)\n", r.ID, r.State)
	a.showView(viewOf(r.View))
	if r.State == phone.Pending {
		fmt.Fprintf(a.out, "time left %s\n", left(r.ExpiresAt))
	}
	if r.Verdict != "" {
		fmt.Fprintf(a.out, "decided   %s at %s on %s\n", r.Verdict, r.DecidedAt, plain(r.DecidedOn))
	}
}
