package main

import "fmt"

type userLock struct{ whichUser }

// Run stops everything for a user.
func (c userLock) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	u, err := a.findUser(client, c.OP, c.User)
	if err != nil {
		return err
	}
	if err := client.LockUser(a.ctx, u.ID); err != nil {
		return err
	}
	return a.show(u, func() { fmt.Fprintf(a.out, "User %s is locked: nobody can ask her.\n", u.ID) })
}

type userUnlock struct{ whichUser }

// Run lets a user be asked again.
func (c userUnlock) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	u, err := a.findUser(client, c.OP, c.User)
	if err != nil {
		return err
	}
	if err := client.UnlockUser(a.ctx, u.ID); err != nil {
		return err
	}
	return a.show(u, func() { fmt.Fprintf(a.out, "User %s can be asked again.\n", u.ID) })
}
