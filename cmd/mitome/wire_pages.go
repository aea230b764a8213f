package main

import (
	"time"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/server/pages"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/webui"
)

// pages is what browsers see.
func (n *node) pages(sessions *session.Keeper) (*pages.Handler, error) {
	ui, err := webui.Load()
	if err != nil {
		return nil, err
	}
	var ops []pages.OP
	for _, o := range n.config.OPs {
		ops = append(ops, pages.OP{Name: o.Name, Title: o.Title, SignIn: o.SignIn.Set(), Codes: readsCodes(n.adapters[o.Name]), Bound: wantsBound(o), Attests: attests(o)})
	}
	return &pages.Handler{
		UI: ui, Sessions: sessions, Desks: sessions, Approvals: n.requests, People: n.people, Own: n.people, Codes: n.people, Quiet: n.requests, Locks: n.people,
		OPs: ops, Log: n.log, Now: time.Now, Violation: n.metrics.Violation,
	}, nil
}

// readsCodes reports whether an OP can ask whose code a till has read: that is in
// our own API alone.
func readsCodes(a op.Adapter) bool {
	_, ok := a.(*webhook.Adapter)
	return ok
}
