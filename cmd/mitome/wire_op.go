package main

import (
	"context"
	"errors"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/opapi"
	v1 "github.com/mitome-ciba/mitome/server/opapi/v1"
	"github.com/mitome-ciba/mitome/server/store"
)

// opAPI is our own API for the connections that use it. It hears of decisions for
// as long as the database is open.
func (n *node) opAPI() *v1.Handler {
	h := &v1.Handler{
		Connections: map[string]*webhook.Adapter{}, Requests: n.requests, About: n.about, Delivered: n.db.DeliveredTo, Acks: n.acks,
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
	h := &opapi.Handler{Adapters: n.adapters, Requests: n.requests, Acks: n.acks, Log: n.log, Observe: n.metrics.Request}
	n.db.Subscribe(store.TopicSettled, h.Wake)
	return h
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
	out.Evidence = e.JWS
	return out, nil
}
