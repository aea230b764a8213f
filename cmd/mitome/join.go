package main

import (
	"context"
	"errors"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/notice"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// The joints between parts that must not know each other: server/outbox carries
// out jobs and knows no request, approval/deliver knows requests and no queue.

// toDevice is a handler of jobs that go to an address.
func toDevice(do func(context.Context, deliver.Job) deliver.Result) outbox.Handler {
	return func(ctx context.Context, j outbox.Job, _ func(context.Context) error) outbox.Result {
		return resultOf(do(ctx, jobOf(j)))
	}
}

// toOwner is a handler of jobs that tell a user's devices of one another.
func toOwner(do func(context.Context, notice.Job) notice.Result) outbox.Handler {
	return func(ctx context.Context, j outbox.Job, _ func(context.Context) error) outbox.Result {
		r := do(ctx, notice.Job{
			Changed: device.DeviceID(j.Subject), Address: push.AddressID(j.Target),
			Attempts: j.Attempts, Created: j.Created,
		})
		return outbox.Result{Outcome: outbox.Outcome(r.Outcome), Again: r.Again, Cause: r.Cause}
	}
}

// toOP is a handler of jobs that go to an OP, which must not hear them twice.
func toOP(do func(context.Context, deliver.Job, func(context.Context) error) deliver.Result) outbox.Handler {
	return func(ctx context.Context, j outbox.Job, mark func(context.Context) error) outbox.Result {
		return resultOf(do(ctx, jobOf(j), mark))
	}
}

func jobOf(j outbox.Job) deliver.Job {
	return deliver.Job{
		Request: approval.RequestID(j.Subject), Address: push.AddressID(j.Target),
		Attempts: j.Attempts, Sending: j.Sending, Created: j.Created,
	}
}

func resultOf(r deliver.Result) outbox.Result {
	return outbox.Result{Outcome: outbox.Outcome(r.Outcome), Again: r.Again, Cause: r.Cause}
}

// counted is the store of requests, with a count of what it is told: the one
// place that every settled request passes, whoever settles it.
type counted struct {
	approval.Store
	metrics *server.Metrics
}

// CreateRequest implements approval.Store.
func (c counted) CreateRequest(ctx context.Context, r approval.Request, effects []approval.Effect, by device.Actor) (approval.Request, error) {
	stored, err := c.Store.CreateRequest(ctx, r, effects, by)
	if err == nil {
		if r.Quiet != "" {
			c.metrics.Quiet(r.OP, string(r.Quiet))
		}
		c.count(r)
	}
	return stored, err
}

// UpdateRequest implements approval.Store.
func (c counted) UpdateRequest(ctx context.Context, ch approval.Change) error {
	err := c.Store.UpdateRequest(ctx, ch)
	if err == nil {
		c.count(ch.Next)
	}
	return err
}

func (c counted) count(r approval.Request) {
	switch {
	case !r.State.Final():
	case r.Decision != nil:
		c.metrics.Decision(r.OP, string(r.Decision.Verdict), string(r.Decision.Reason))
	default:
		c.metrics.Decision(r.OP, string(r.State), "")
	}
}

// watchSends counts what comes of each attempt to reach a device, and has the
// alarm hear it.
func watchSends(send sendFunc, m *server.Metrics, alarm *push.Alarm) sendFunc {
	return func(ctx context.Context, a push.Address, msg push.Message) error {
		err := send(ctx, a, msg)
		m.Delivery(string(a.Channel), sendOutcome(err))
		alarm.Heard(ctx, a.Channel, err)
		return err
	}
}

// sparing is send, and keeps no place of the outbox while it is asked of a device
// whether it listens: most phones do not, and where there are several nodes that is
// known only when none has answered.
func sparing(send sendFunc) sendFunc {
	return func(ctx context.Context, a push.Address, msg push.Message) error {
		if a.Channel == push.WebSocket {
			outbox.Waits(ctx)
		}
		return send(ctx, a, msg)
	}
}

// alarms says which channels are broken, to whoever asks how this node is.
func alarms(a *push.Alarm) (out []string) {
	for _, c := range a.Broken() {
		out = append(out, "the service of push channel "+string(c)+" rejects our credentials")
	}
	return out
}

// sendFunc is [push.Dispatcher.Send].
type sendFunc = func(context.Context, push.Address, push.Message) error

// sendOutcome is an attempt's error in one word.
func sendOutcome(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, push.ErrAbsent):
		return "absent"
	case errors.Is(err, push.ErrGone):
		return "gone"
	case errors.Is(err, push.ErrBroken):
		return "broken"
	case errors.Is(err, push.ErrUnfit):
		return "unfit"
	case errors.Is(err, push.ErrChannel):
		return "off"
	}
	return "later"
}
