package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/mitome-ciba/mitome/approval/policy"
)

// Client is one client of a connection that has rules of its own.
type Client struct {
	ID  string         `koanf:"id" desc:"Which client of this connection: its client_id as the OP says it, to the letter." required:"true"`
	Own map[string]any `koanf:"rules" desc:"What is otherwise for this client: any of the keys of ops[].rules. A key that does not stand here is as the connection has it; a list replaces the connection's list." required:"true"`

	// Rules are all that are in force for it.
	Rules policy.Rules `koanf:"-"`
}

// deriveClients reads the rules of each client over a copy of its connection's. A
// rule that comes new needs nothing here.
func (c *Config) deriveClients() Faults {
	var faults Faults
	for i := range c.OPs {
		o := &c.OPs[i]
		for k := range o.Clients {
			cl := &o.Clients[k]
			cl.Rules = o.Rules
			faults = append(faults, decode(clientPath(i, k)+".rules", cl.Own, reflect.ValueOf(&cl.Rules).Elem())...)
		}
	}
	return faults
}

func clientPath(op, client int) string { return fmt.Sprintf("ops[%d].clients[%d]", op, client) }

// validateClients checks what the clients of o have of their own. A fault that is
// the connection's already is not said again of each.
func (o OP) validateClients(f *Faults, path string) {
	inherited := map[string]bool{}
	o.Rules.Check(func(key, _ string) { inherited[key] = true })
	seen := map[string]bool{}
	for k, cl := range o.Clients {
		path := fmt.Sprintf("%s.clients[%d]", path, k)
		*f = append(*f, missing(path, reflect.ValueOf(cl))...)
		if cl.ID != "" && seen[cl.ID] {
			f.add(path+".id", "repeats another client's: what is otherwise for one client stands in one place.")
		}
		seen[cl.ID] = true
		if cl.Own != nil && len(cl.Own) == 0 {
			f.add(path+".rules", "must hold a rule.")
		}
		cl.Rules.Check(func(key, text string) {
			own, _, _ := strings.Cut(key, "[")
			if _, ok := cl.Own[own]; ok || !inherited[key] {
				f.add(path+".rules."+key, "%s", text)
			}
		})
	}
}

// Client returns what is in force for one client of o.
func (o OP) Client(id string) policy.Rules {
	i := slices.IndexFunc(o.Clients, func(c Client) bool { return c.ID == id })
	if i < 0 {
		return o.Rules
	}
	return o.Clients[i].Rules
}
