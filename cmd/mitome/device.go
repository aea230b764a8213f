package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
)

// deviceCmd is an authentication device in software. It asks the device API, as
// a phone does, and never the admin API.
type deviceCmd struct {
	Dir    string `help:"Folder with this device's keys." placeholder:"FOLDER" env:"MITOME_DEVICE_DIR"`
	Server string `help:"Mitome's public URL; needed only if the device is paired with several." placeholder:"URL"`
	Locale string `help:"Language in which requests are shown." default:"en"`

	Pair    devicePair    `cmd:"" help:"Pair by a link from mitome pair."`
	List    deviceList    `cmd:"" help:"List the requests that wait for an answer."`
	Show    deviceShow    `cmd:"" help:"Show one request."`
	Approve deviceApprove `cmd:"" help:"Approve a request with the passkey."`
	Deny    deviceDeny    `cmd:"" help:"Deny a request."`
	Code    deviceCode    `cmd:"" help:"Show a code that says at a till who stands there."`
	Lock    deviceLock    `cmd:"" help:"Stop everything by passkey: what waits is denied, and nobody can ask you until an administrator unlocks you."`
	Listen  deviceListen  `cmd:"" help:"Follow requests as they come and go, until interrupted."`
	Status  deviceStatus  `cmd:"" help:"List the users that this device stands for."`
}

// signingTime is what the passkey takes: a server refuses an approval that comes
// 200 ms after its challenge, and whoever runs the command has read what it is for.
const signingTime = 250 * time.Millisecond

// open opens the key file and this device's standing with server, or with the
// one server that it knows.
func (c deviceCmd) open(a *app, server string) (p *phone.Phone, closing func(), err error) {
	dir := c.Dir
	if dir == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			return nil, nil, err
		}
		dir = filepath.Join(base, "mitome")
	}
	keys, err := softkey.Open(filepath.Join(dir, "device.json"))
	if err != nil {
		return nil, nil, err
	}
	keys.Pause = signingTime
	if server == "" {
		if server, err = c.only(keys); err != nil {
			return nil, nil, err
		}
	}
	if p, err = phone.Open(keys, server); err != nil {
		return nil, nil, err
	}
	p.SetLocale(c.Locale)
	stop := context.AfterFunc(a.ctx, p.Close)
	return p, func() { stop(); p.Close() }, nil
}

// only is the one server that the key file knows.
func (c deviceCmd) only(keys *softkey.Store) (string, error) {
	if c.Server != "" {
		return c.Server, nil
	}
	servers, err := keys.Servers()
	switch {
	case err != nil:
		return "", err
	case len(servers) == 0:
		return "", errors.New("this device is not paired yet; run mitome device pair with a link from mitome pair")
	case len(servers) > 1:
		return "", errors.New("this device is paired with several servers; name one by --server")
	}
	return servers[0], nil
}

type devicePair struct {
	Link string `arg:"" help:"The link that mitome pair shows."`
	Name string `help:"What the user will know this device by." default:"${hostname}"`
}

// Run pairs this device: it claims the link, shows the match code, waits for the
// other screen and makes a passkey.
func (c devicePair) Run(a *app, d *deviceCmd) error {
	server, err := phone.ServerOf(c.Link)
	if err != nil {
		return err
	}
	p, closing, err := d.open(a, server)
	if err != nil {
		return err
	}
	defer closing()
	pairing, err := p.Claim(c.Link, c.Name)
	if err != nil {
		return err
	}
	a.say("Match code: %s\nCompare it with the other screen, and confirm it there.", grouped(pairing.MatchCode))
	if err := pairing.Wait(); err != nil {
		return err
	}
	dev, err := pairing.Finish()
	if err != nil {
		return err
	}
	return a.show(deviceOf(dev, p), func() {
		fmt.Fprintf(a.out, "Paired: this device is %s (%s) of user %s at %s.\n", plain(dev.Name), dev.ID, plain(dev.UserName), dev.OP)
		if dev.State == phone.Cooling {
			fmt.Fprintf(a.out, "It gets no requests until another device of the user confirms it, or until %s.\n", dev.ActiveAt)
		}
	})
}

type deviceOut struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	OP     string `json:"op"`
	User   string `json:"user"`
	State  string `json:"state"`
	Server string `json:"server"`
}

func deviceOf(d *phone.Device, p *phone.Phone) deviceOut {
	return deviceOut{d.ID, d.Name, d.OP, d.UserName, d.State, p.Server()}
}

type deviceStatus struct{}

// Run lists the users that this device stands for.
func (deviceStatus) Run(a *app, d *deviceCmd) error {
	p, closing, err := d.open(a, "")
	if err != nil {
		return err
	}
	defer closing()
	list, err := p.Devices()
	if err != nil {
		return err
	}
	out, rows := []deviceOut{}, [][]string{}
	for i := range list.Len() {
		dev := list.Get(i)
		out = append(out, deviceOf(dev, p))
		rows = append(rows, []string{dev.ID, dev.Name, dev.OP, dev.UserName, dev.State, p.Server()})
	}
	return a.show(out, func() { a.table([]string{"ID", "NAME", "OP", "USER", "STATE", "SERVER"}, rows) })
}

type deviceList struct{}

// Run lists what waits.
func (deviceList) Run(a *app, d *deviceCmd) error {
	p, closing, err := d.open(a, "")
	if err != nil {
		return err
	}
	defer closing()
	list, err := p.List()
	if err != nil {
		return err
	}
	out, rows := []requestOut{}, [][]string{}
	for i := range list.Len() {
		r := list.Get(i)
		out = append(out, requestOf(r))
		v := viewOf(r.View)
		rows = append(rows, []string{r.ID, r.OP, v.Client.Label, v.BindingMessage, left(r.ExpiresAt)})
	}
	return a.show(out, func() { a.table([]string{"ID", "OP", "CLIENT", "MESSAGE", "TIME LEFT"}, rows) })
}

// left is how much time there is until at, for people.
func left(at string) string {
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return ""
	}
	return max(0, time.Until(t)).Round(time.Second).String()
}

type deviceShow struct {
	Request string `arg:"" help:"Id of the request."`
}

// Run shows one request.
func (c deviceShow) Run(a *app, d *deviceCmd) error {
	p, closing, err := d.open(a, "")
	if err != nil {
		return err
	}
	defer closing()
	r, err := p.Show(c.Request)
	if err != nil {
		return err
	}
	return a.show(requestOf(r), func() { a.showToUser(r) })
}

type deviceApprove struct {
	Request string `arg:"" help:"Id of the request."`
	Code    string `help:"The code that the other screen shows, if the request asks for one."`
}

// Run shows the request and signs exactly what it showed.
func (c deviceApprove) Run(a *app, d *deviceCmd) error {
	p, closing, err := d.open(a, "")
	if err != nil {
		return err
	}
	defer closing()
	r, err := p.Show(c.Request)
	if err != nil {
		return err
	}
	if !a.json {
		a.showToUser(r)
	}
	if r.State != phone.Pending {
		return fmt.Errorf("the request is %s already", r.State)
	}
	state, err := p.Approve(c.Request, c.Code)
	if err != nil {
		return err
	}
	return a.settled(c.Request, state)
}

type deviceDeny struct {
	Request string `arg:"" help:"Id of the request."`
	NotMe   bool   `help:"Say by passkey that you did not start this: its client cannot ask you for a while, and the operator is told."`
}

// Run denies a request.
func (c deviceDeny) Run(a *app, d *deviceCmd) error {
	p, closing, err := d.open(a, "")
	if err != nil {
		return err
	}
	defer closing()
	deny := func(id string) (string, error) { return p.Deny(id, false) }
	if c.NotMe {
		deny = p.NotMe
	}
	state, err := deny(c.Request)
	if err != nil {
		return err
	}
	return a.settled(c.Request, state)
}

type deviceLock struct {
	Device string `arg:"" optional:"" help:"Id of the device; needed only if this one stands for several users."`
}

// Run stops everything.
func (c deviceLock) Run(a *app, d *deviceCmd) error {
	p, closing, err := d.open(a, "")
	if err != nil {
		return err
	}
	defer closing()
	id, err := oneDevice(p, c.Device)
	if err != nil {
		return err
	}
	if err := p.Lock(id); err != nil {
		return err
	}
	return a.show(map[string]string{"locked_by": id}, func() {
		fmt.Fprintln(a.out, "Everything is stopped. Only an administrator lets it go on.")
	})
}

func (a *app) settled(id, state string) error {
	return a.show(map[string]string{"id": id, "state": state}, func() {
		fmt.Fprintf(a.out, "The request is %s.\n", state)
	})
}
