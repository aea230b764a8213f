package main

import (
	"fmt"
	"slices"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/server/config"
)

// policyOf is the rules of every connection and of its clients.
func policyOf(c config.Config) (*policy.Book, error) {
	rules := map[string]policy.Rules{}
	for _, o := range c.OPs {
		rules[o.Name] = forKind(o, o.Rules)
	}
	book, err := policy.New(policy.Rules{}, rules)
	if err != nil {
		return nil, err
	}
	for _, o := range c.OPs {
		for _, cl := range o.Clients {
			if err := book.Client(o.Name, cl.ID, forKind(o, cl.Rules)); err != nil {
				return nil, err
			}
		}
	}
	return book, nil
}

// forKind adds to rules of o what its kind says.
func forKind(o config.OP, r policy.Rules) policy.Rules {
	contract, _ := op.ContractOf(o.Kind) // openOPs knows the kind
	r.AssertsACR = contract.ACR == op.ACRAsserted
	return r
}

// strictOf says of each client with rules of its own whether its details must be
// known.
func strictOf(o config.OP) map[string]bool {
	out := map[string]bool{}
	for _, cl := range o.Clients {
		out[cl.ID] = cl.Rules.UnknownDetails == policy.DetailsRefuse
	}
	return out
}

// wantsBound reports whether some client of o asks for passkeys that cannot be
// synced.
func wantsBound(o config.OP) bool {
	return o.Rules.DeviceBound || slices.ContainsFunc(o.Clients, func(c config.Client) bool { return c.Rules.DeviceBound })
}

// ruleFaults are rules of clients that no request over their kind of connection
// can keep. Of the connection's own rules the doctor says it.
func ruleFaults(c config.Config) config.Faults {
	var faults config.Faults
	for i, o := range c.OPs {
		contract, ok := op.ContractOf(o.Kind)
		for k, cl := range o.Clients {
			if ok && noCode(cl.Rules, contract) && !noCode(o.Rules, contract) {
				faults = append(faults, config.Fault{
					Path: fmt.Sprintf("ops[%d].clients[%d].rules", i, k),
					Text: "every request of this client would be refused: require_user_code asks for something to type, and an OP of kind " + o.Kind + " forwards no user_code. Set binding_message to type beside it.",
				})
			}
		}
	}
	return faults
}

// noCode reports whether r asks for something to type that nothing brings.
func noCode(r policy.Rules, c op.Carries) bool {
	return r.RequireCode && !c.UserCode && r.BindingMessage != policy.ModeType
}
