package main

import (
	"fmt"
	"strings"

	"github.com/mitome-ciba/mitome/server/adminapi"
)

type userCmd struct {
	Add    userAdd       `cmd:"" help:"Make a user of an OP."`
	List   userList      `cmd:"" help:"List users."`
	Hint   userHint      `cmd:"" help:"Have a user name, e-mail address or phone number mean a user."`
	Erase  userErase     `cmd:"" help:"Erase a user for good: her devices, requests and evidence, and what the audit log says of her."`
	Code   userCodeCmd   `cmd:"" help:"A user's own code, which OPs have verified before they ask: set, clear."`
	Lock   userLock      `cmd:"" help:"Stop everything for a user: what waits is denied, and nobody can ask her."`
	Unlock userUnlock    `cmd:"" help:"Let a user be asked again: be sure that it is the user who asks."`
	Device userDeviceCmd `cmd:"" help:"A user's devices: list, rename, activate, revoke."`
}

// whichUser names a user on the command line.
type whichUser struct {
	User string `arg:"" help:"Id, subject, name or user name of the user, in full."`
	OP   string `name:"op" help:"Look among the users of this connection only."`
}

type userAdd struct {
	OP      string   `arg:"" name:"op" help:"Name of the connection."`
	Subject string   `arg:"" help:"The OP's own name for the user: the sub claim. For Keycloak the user's ID."`
	Name    string   `help:"Name for people to read."`
	Hint    []string `help:"Another way to name the user, as kind=value: username=, email=, phone=, custom:…=. May be repeated." sep:"none"`
}

// Run makes a user, and then its hints.
func (c userAdd) Run(a *app) error {
	var hints []adminapi.NewHint
	for _, h := range c.Hint {
		hint, err := parseHint(h)
		if err != nil {
			return err
		}
		hints = append(hints, hint)
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	u, err := client.AddUser(a.ctx, adminapi.NewUser{OP: c.OP, Subject: c.Subject, Name: c.Name})
	if err != nil {
		return err
	}
	for _, h := range hints {
		if err := client.AddHint(a.ctx, u.ID, h); err != nil {
			return fmt.Errorf("the user was made as %s, without the hint %s: %w", u.ID, h.Kind, err)
		}
	}
	return a.show(u, func() { fmt.Fprintf(a.out, "User %s of %s is now known as %s.\n", plain(u.Subject), u.OP, u.ID) })
}

func parseHint(s string) (adminapi.NewHint, error) {
	kind, value, ok := strings.Cut(s, "=")
	if !ok || kind == "" || value == "" {
		return adminapi.NewHint{}, fmt.Errorf("a hint is written as kind=value, for example email=aiko@example.org")
	}
	return adminapi.NewHint{Kind: kind, Value: value}, nil
}

type userList struct {
	OP string `name:"op" help:"Users of this connection only."`
}

// Run lists users.
func (c userList) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	users, err := client.Users(a.ctx, c.OP, "")
	if err != nil {
		return err
	}
	return a.show(users, func() {
		var rows [][]string
		for _, u := range users {
			rows = append(rows, []string{u.ID, u.OP, u.Subject, u.Name, when(u.CreatedAt)})
		}
		a.table([]string{"ID", "OP", "SUBJECT", "NAME", "SINCE"}, rows)
	})
}

type userHint struct {
	whichUser
	Hint string `arg:"" help:"kind=value, for example email=aiko@example.org."`
}

// Run adds one hint.
func (c userHint) Run(a *app) error {
	hint, err := parseHint(c.Hint)
	if err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	u, err := a.findUser(client, c.OP, c.User)
	if err != nil {
		return err
	}
	if err := client.AddHint(a.ctx, u.ID, hint); err != nil {
		return err
	}
	return a.show(u, func() { fmt.Fprintf(a.out, "The hint now means user %s.\n", u.ID) })
}

type userDeviceCmd struct {
	List     userDeviceList     `cmd:"" help:"List a user's devices, the cooling and the revoked ones too."`
	Rename   userDeviceRename   `cmd:"" help:"Give a device another name."`
	Activate userDeviceActivate `cmd:"" help:"Let a cooling device be active now: be sure that it is the user who asks."`
	Revoke   userDeviceRevoke   `cmd:"" help:"End a device for good: it approves nothing from now on."`
}

type userDeviceList struct{ whichUser }

// Run lists a user's devices.
func (c userDeviceList) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	u, err := a.findUser(client, c.OP, c.User)
	if err != nil {
		return err
	}
	devices, err := client.Devices(a.ctx, u.ID)
	if err != nil {
		return err
	}
	return a.show(devices, func() {
		var rows [][]string
		for _, d := range devices {
			rows = append(rows, []string{d.ID, d.Name, stateOf(d), when(d.CreatedAt), used(d)})
		}
		a.table([]string{"ID", "NAME", "STATE", "SINCE", "LAST USED"}, rows)
	})
}

// stateOf is a device's state, with the end of it where that is known, and
// whether notifications reach it.
func stateOf(d adminapi.Device) string {
	state := d.State
	if d.ActiveAt != nil {
		state += " until " + when(*d.ActiveAt)
	}
	if d.DoubtfulSince != nil {
		state += ", not notified since " + when(*d.DoubtfulSince)
	}
	if d.Attestation != nil && d.Attestation.Against != "" {
		state += ", model " + plain(d.Attestation.Against)
	}
	return state
}

// used is when a device last did something.
func used(d adminapi.Device) string {
	if d.UsedAt == nil {
		return "never"
	}
	return when(*d.UsedAt)
}

type userDeviceActivate struct {
	Device string `arg:"" help:"Id of the device."`
}

// Run activates a device.
func (c userDeviceActivate) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	d, err := client.ActivateDevice(a.ctx, c.Device)
	if err != nil {
		return err
	}
	return a.show(d, func() { fmt.Fprintf(a.out, "Device %s (%s) is active.\n", d.ID, plain(d.Name)) })
}

type userDeviceRename struct {
	Device string `arg:"" help:"Id of the device."`
	Name   string `arg:"" help:"Its new name."`
}

// Run renames a device.
func (c userDeviceRename) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	d, err := client.RenameDevice(a.ctx, c.Device, c.Name)
	if err != nil {
		return err
	}
	return a.show(d, func() { fmt.Fprintf(a.out, "Device %s is now called %s.\n", d.ID, plain(d.Name)) })
}

type userDeviceRevoke struct {
	Device string `arg:"" help:"Id of the device."`
}

// Run revokes a device.
func (c userDeviceRevoke) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	d, err := client.RevokeDevice(a.ctx, c.Device)
	if err != nil {
		return err
	}
	return a.show(d, func() { fmt.Fprintf(a.out, "Device %s (%s) is revoked.\n", d.ID, plain(d.Name)) })
}
