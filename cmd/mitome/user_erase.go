package main

import (
	"errors"
	"fmt"
)

type userErase struct {
	whichUser
	Yes bool `help:"Do it: what is erased cannot be had back, evidence of her decisions neither. Export that first if you must keep it."`
}

// Run erases a user.
func (c userErase) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	u, err := a.findUser(client, c.OP, c.User)
	if err != nil {
		return err
	}
	if !c.Yes {
		return errors.New("nothing was erased: add --yes if you mean it, because it cannot be undone")
	}
	if err := client.EraseUser(a.ctx, u.ID); err != nil {
		return err
	}
	return a.show(u, func() {
		fmt.Fprintf(a.out, "User %s is erased. The audit log forgets her within minutes, once all of its rows are sealed.\n", u.ID)
	})
}
