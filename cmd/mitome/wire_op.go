package main

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server"
	"github.com/mitome-ciba/mitome/server/opapi"
	v1 "github.com/mitome-ciba/mitome/server/opapi/v1"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/web"
)

// opAPI is our own API for the connections that use it. It hears of decisions for
// as long as the database is open.
func (n *node) opAPI() *v1.Handler {
	h := &v1.Handler{
		Connections: map[string]*webhook.Adapter{}, Networks: n.networks(), Assertions: n.db, Log: n.log, Requests: n.requests, Hints: n.requests, SignHint: n.signer.SignHint, People: n.people, About: n.about, Delivered: n.db.DeliveredTo, Acks: n.acks,
		Now: time.Now, Version: version(), Observe: n.metrics.Request,
	}
	for name, a := range n.adapters {
		if w, ok := a.(*webhook.Adapter); ok {
			h.Connections[name] = w
		}
	}
	n.db.Subscribe(store.TopicSettled, h.Wake)
	return h
}

// dialects is where all other connections are asked. It hears of decisions for
// the calls that wait for one.
func (n *node) dialects() *opapi.Handler {
	h := &opapi.Handler{Adapters: n.adapters, Networks: n.networks(), Requests: n.requests, Acks: n.acks, Log: n.log, Observe: n.metrics.Request}
	n.db.Subscribe(store.TopicSettled, h.Wake)
	return h
}

// networks is from where each connection may be called.
func (n *node) networks() web.Networks {
	out := web.Networks{}
	for _, o := range n.config.OPs {
		for _, p := range o.Networks {
			if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 { // callers are compared in their own clothes
				p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
			}
			out[o.Name] = append(out[o.Name], p)
		}
	}
	return out
}

// clients says whether a listener asks its callers for certificates: the OPs', if
// one of them may prove itself so.
func (n *node) clients(listener string) *server.Clients {
	for _, a := range n.adapters {
		if w, ok := a.(*webhook.Adapter); ok && listener == server.OPs && w.TakesCertificates() {
			cas, _ := n.config.TLS.OPs.ClientCAs() // it was read before, when w was opened
			return &server.Clients{CAs: cas}
		}
	}
	return nil
}

// told is about, and where the request was delivered.
func (n *node) told(ctx context.Context, r approval.Request) (op.About, error) {
	out, err := n.about(ctx, r)
	if err == nil {
		out.DeliveredTo, err = n.db.DeliveredTo(ctx, r)
	}
	return out, err
}

// about reads what an OP may be told of a request beside it. A user who is
// erased, and a decision without evidence, are nothing to tell.
func (n *node) about(ctx context.Context, r approval.Request) (op.About, error) {
	var out op.About
	u, err := n.people.User(ctx, r.UserID)
	if err != nil && !errors.Is(err, device.ErrUnknownUser) {
		return out, err
	}
	out.Subject = u.Subject
	if r.Decision == nil {
		return out, nil
	}
	e, err := n.db.Evidence(ctx, r.ID)
	if err != nil && !errors.Is(err, approval.ErrNotFound) {
		return out, err
	}
	if !e.SaysWhere() { // where a user is, is not the OP's to know
		out.Evidence = e.JWS
	}
	return out, nil
}
