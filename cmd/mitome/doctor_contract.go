package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/server/config"
)

// contract says what a connection carries, and warns of rules that ask for more:
// with those every request, or every one with some acr, is denied, and an operator
// should not have to find that out from a client.
func (x *examination) contract(o config.OP) {
	c, ok := op.ContractOf(o.Kind)
	if !ok {
		return // said among the faults of the configuration
	}
	check := "contract " + o.Name
	hears, not := listed(c, true)
	x.report.OK(check, "Of a request Mitome hears %s%s.", hears, not)
	told, not := listed(c, false)
	x.report.OK(check, "Of a decision the OP hears yes or no%s%s; its ID token's acr is %s.", told, not, acrWords[c.ACR])
	x.rules(check, o, c)
	for _, cl := range o.Clients {
		x.report.OK(check, "The client %s has rules of its own: %s. The others are the connection's.", cl.ID, strings.Join(slices.Sorted(maps.Keys(cl.Own)), ", "))
	}
}

// rules says what an approval under o's rules can reach.
func (x *examination) rules(check string, o config.OP, c op.Carries) {
	reached, never := o.Rules.Reachable(c.UserCode)
	x.report.OK(check, "An approval can reach the acr values %s.", words(reached))
	if len(o.Rules.ACR) > 0 && len(never) > 0 {
		x.report.Warn(check, "No approval can reach the acr values %s: nothing is ever typed here. Set rules.binding_message to type, or take them out of rules.acr.", words(never))
	}
	if noCode(o.Rules, c) {
		x.report.Warn(check, "Every request is denied: rules.require_user_code asks for something to type, and an OP of this kind forwards no user_code. Set rules.binding_message to type.")
	}
}

// listed is what c carries one way, and what it does not.
func listed(c op.Carries, hither bool) (yes, no string) {
	var has, lacks []string
	for _, f := range carried {
		switch {
		case f.hither != hither:
		case f.does(c):
			has = append(has, f.words)
		default:
			lacks = append(lacks, f.words)
		}
	}
	if yes = strings.Join(has, ", "); !hither && yes != "" {
		yes = ", " + yes
	}
	if len(lacks) > 0 {
		no = "; not " + strings.Join(lacks, ", ")
	}
	return yes, no
}

// words is a list for people.
func words(all []string) string {
	if len(all) == 0 {
		return "(none)"
	}
	return strings.Join(all, ", ")
}
