package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/device/notice"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/ece"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/userapi"
)

// dispatcher opens the push channels that are configured.
func (n *node) dispatcher() (*push.Dispatcher, error) {
	var senders []push.Sender
	for _, c := range channels {
		s, err := c.open(n)
		if err != nil {
			return nil, fmt.Errorf("push channel %s: %w", c.name, err)
		}
		if s != nil {
			senders = append(senders, s)
		}
	}
	return push.NewDispatcher(nil, senders...)
}

// offered are the channels that devices are told of.
func (n *node) offered() (c userapi.Channels, err error) {
	c.WebPushKey, err = n.webPushPublic()
	for _, known := range channels {
		if known.name != push.WebSocket && n.push.Has(known.name) {
			c.Names = append(c.Names, string(known.name))
		}
	}
	slices.Sort(c.Names)
	return c, err
}

// sealed is a message's text as it leaves: all are of one length.
func sealed(key push.DeviceKey, text []byte) ([]byte, error) { return ece.Seal(key, text, ece.Size) }

// following sends on to where a channel says that a device is instead.
func (n *node) following(send sendFunc) sendFunc {
	f := &push.Follower{Send: send, Moved: n.db.MoveAddress, Warn: func(a push.AddressID, err error) {
		n.log.Warn("an address that moved is not written down", "address", a, "err", err)
	}}
	return f.Deliver
}

// worker carries out what follows from decisions.
func (n *node) worker() *outbox.Worker {
	send := sparing(n.following(watchSends(n.push.Send, n.metrics, n.alarm)))
	devices := &deliver.Push{
		Requests: n.db, Addresses: n.db, Notices: n.views, Seal: sealed, Send: send, Backoff: outbox.Jittered, Now: time.Now,
		Capability: n.requests.Capability,
	}
	owners := &notice.Teller{
		Addresses: n.db, Says: n.views.Says, Seal: sealed, Send: send, Backoff: outbox.Jittered, Now: time.Now,
	}
	ops := &deliver.Reporter{
		Requests: n.db, Adapters: n.adapters, Acks: n.acks, Backoff: outbox.Backoff, Now: time.Now,
		Observe: func(op string, _ approval.State, o deliver.Outcome) { n.metrics.Report(op, string(o)) },
	}
	return &outbox.Worker{
		Queue: n.db, Wake: n.db.Wake(), Log: n.log,
		Handlers: map[string]outbox.Handler{
			deliver.KindNotify: toDevice(devices.Notify),
			deliver.KindClear:  toDevice(devices.Clear),
			deliver.KindReport: toOP(ops.Report),
			deliver.KindNotMe:  n.toOperator(n.signal.NotMe),
			deliver.KindLocked: n.toOperator(n.signal.Locked),
			notice.Kind:        toOwner(owners.Tell),
			notice.KindTest:    toOwner(owners.Test),
			notice.KindAlert:   toOwner(owners.Alert),
		},
	}
}
