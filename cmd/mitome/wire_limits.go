package main

import (
	"time"
	// Quiet hours are kept where users live, and an image without files knows no zones.
	_ "time/tzdata"

	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/server/limit"
)

// limit has each connection's limits kept.
func (n *node) limit() {
	book, rates := policy.LimitBook{}, map[string]limit.Rates{}
	for _, o := range n.config.OPs {
		book[o.Name] = o.Limits
		if l := o.Limits; !l.Off {
			rates[o.Name] = limit.Rates{Client: l.ClientRate, OP: l.OPRate, Users: l.BreakerUsers, Open: l.BreakerWait}
		}
	}
	n.asks = &limit.Asks{Rates: rates, Store: n.db, Observe: n.metrics.AskRefused, Log: n.log, Now: time.Now}
	n.requests.Limits, n.requests.Prompts, n.requests.Gate = book, n.db, n.asks
}
