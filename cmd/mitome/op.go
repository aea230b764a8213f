package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

type opCmd struct {
	List   opList   `cmd:"" help:"List the connections."`
	Key    opKey    `cmd:"" help:"Make an API key for an OP that uses our own API, and the lines of configuration that admit it."`
	Secret opSecret `cmd:"" help:"Make a secret that signs webhooks, for the configuration and for the OP."`
}

type opList struct{}

// Run lists the connections of the running server.
func (opList) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	ops, err := client.OPs(a.ctx)
	if err != nil {
		return err
	}
	return a.show(ops, func() {
		var rows [][]string
		for _, o := range ops {
			rows = append(rows, []string{o.Name, o.Kind, o.Title})
		}
		a.table([]string{"NAME", "KIND", "TITLE"}, rows)
	})
}

type opKey struct {
	Name string `arg:"" help:"Name of the key for the audit log: a-z, 0-9, hyphen."`
}

// keyPrefix lets scanners of source code recognize a key that was left there.
const keyPrefix = "mitome_op_"

// Run makes a key. It is shown once; the configuration keeps its hash.
func (c opKey) Run(a *app) error {
	key := keyPrefix + rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(key))
	hash := hex.EncodeToString(sum[:])
	return a.show(map[string]string{"name": c.Name, "key": key, "sha256": hash}, func() {
		fmt.Fprintf(a.out, "API key for the OP, shown this once:\n\n  %s\n\n", key)
		fmt.Fprintf(a.out, "Configuration of the connection:\n\n  keys:\n    - name: %s\n      sha256: %q\n", c.Name, hash)
	})
}

type opSecret struct{}

// secretBytes is how long a secret is: as long as the hash that it keys.
const secretBytes = 32

// Run makes a secret. Both sides must know it, so both keep it.
func (opSecret) Run(a *app) error {
	secret := newSecret()
	return a.show(map[string]string{"secret": secret}, func() { fmt.Fprintln(a.out, secret) })
}

func newSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b) // never fails: it ends the program instead
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}
