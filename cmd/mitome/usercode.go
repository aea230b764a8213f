package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

type userCodeCmd struct {
	Set   userCodeSet   `cmd:"" help:"Give a user a code, which is read from standard input: arguments are seen by others."`
	Clear userCodeClear `cmd:"" help:"Take a user's code away."`
}

type userCodeSet struct{ whichUser }

// maxCodeLine bounds what is read for a code.
const maxCodeLine = 256

// Run sets a user's code. She changes it herself on her device.
func (c userCodeSet) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	u, err := a.findUser(client, c.OP, c.User)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "New code of %s: ", plain(u.Subject))
	line, err := bufio.NewReader(io.LimitReader(a.in, maxCodeLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read code: %w", err)
	}
	if err := client.SetUserCode(a.ctx, u.ID, strings.TrimSpace(line)); err != nil {
		return err
	}
	return a.show(u, func() { fmt.Fprintf(a.out, "User %s has a new code.\n", u.ID) })
}

type userCodeClear struct{ whichUser }

// Run takes a user's code away.
func (c userCodeClear) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	u, err := a.findUser(client, c.OP, c.User)
	if err != nil {
		return err
	}
	if err := client.ClearUserCode(a.ctx, u.ID); err != nil {
		return err
	}
	return a.show(u, func() { fmt.Fprintf(a.out, "User %s has no code any more.\n", u.ID) })
}
