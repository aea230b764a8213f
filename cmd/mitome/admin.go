package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/mitome-ciba/mitome/server/adminapi"
	"github.com/mitome-ciba/mitome/server/config"
)

type adminCmd struct {
	Token adminToken `cmd:"" help:"Make a bearer token for the admin API, and the lines of configuration that admit it."`
}

type adminToken struct {
	Name string `arg:"" help:"Name for the audit log: a-z, 0-9, hyphen."`
}

// Run makes a token. It is shown once; the configuration keeps its hash.
func (c adminToken) Run(a *app) error {
	token := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(token))
	hash := hex.EncodeToString(sum[:])
	return a.show(map[string]string{"name": c.Name, "token": token, "sha256": hash}, func() {
		fmt.Fprintf(a.out, "Token, shown this once (MITOME_ADMIN_TOKEN for the command line):\n\n  %s\n\n", token)
		fmt.Fprintf(a.out, "Configuration of the server:\n\n  admin:\n    tokens:\n      - name: %s\n        sha256: %q\n", c.Name, hash)
	})
}

// client is a client of the admin API of the running server. Of the
// configuration it needs the address alone, so faults elsewhere do not matter.
func (a *app) client() (*adminapi.Client, error) {
	token, err := envSecret("MITOME_ADMIN_TOKEN")
	if err != nil {
		return nil, err
	}
	address := a.admin
	if address == "" {
		c, err := config.Load(a.config, os.Environ())
		var faults config.Faults
		if err != nil && !errors.As(err, &faults) {
			return nil, err
		}
		address = c.Listen.Admin
		if c.TLS.Admin.Set() && !strings.HasPrefix(address, "unix:") {
			address = "https://" + address
		}
	}
	return adminapi.NewClient(address, token), nil
}

// envSecret reads a secret from a variable, or from the file that name_FILE names.
func envSecret(name string) (string, error) {
	path := os.Getenv(name + "_FILE")
	if path == "" {
		return os.Getenv(name), nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read %s_FILE: %w", name, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// findUser finds the one user that word means, at one OP if op is given.
func (a *app) findUser(c *adminapi.Client, op, word string) (adminapi.User, error) {
	users, err := c.Users(a.ctx, op, word)
	switch {
	case err != nil:
		return adminapi.User{}, err
	case len(users) == 0:
		return adminapi.User{}, fmt.Errorf("no user has %q for an id, subject, name or user name", word)
	case len(users) > 1:
		return adminapi.User{}, fmt.Errorf("%q means %d users; name one by --op or by id", word, len(users))
	}
	return users[0], nil
}
