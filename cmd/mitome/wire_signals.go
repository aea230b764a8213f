package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/config"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// guard has requests know whom nobody may ask, and operators hear why.
func (n *node) guard() (err error) {
	freezes := map[string]time.Duration{}
	for _, o := range n.config.OPs {
		freezes[o.Name] = o.Signals.Freeze
	}
	n.turned = make(chan approval.Turned, turnedMost)
	n.requests.Bars, n.requests.Gestures = n.db, n.db
	n.requests.FreezeFor = func(op string) time.Duration { return freezes[op] }
	n.requests.Turned = func(t approval.Turned) {
		n.metrics.Request(t.OP, string(t.Bar))
		select {
		case n.turned <- t:
		default: // somebody asks faster than the log takes it; the metric has them all
		}
	}
	n.people.Locks, n.people.Locked = n.db, func(ctx context.Context, u device.UserID) {
		if _, err := n.requests.WithdrawBarred(ctx, u, turnedMost); err != nil { // the sweeper goes on
			n.log.Warn("not all requests of a locked user are ended yet", "user", u, "err", err)
		}
	}
	n.signal, err = n.signals()
	return err
}

// turnedMost is how many asks that were turned away wait to be written down.
const turnedMost = 1024

// writeTurned writes down which asks were turned away. It is done beside the call,
// which must take no longer than that of a user whom nobody knows.
func (n *node) writeTurned(ctx context.Context) error {
	write := func(t approval.Turned) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if err := n.db.WriteBarred(ctx, t); err != nil {
			n.log.Error("an ask that was turned away is not written down", "op", t.OP, "bar", t.Bar, "err", err)
		}
	}
	for {
		select {
		case t := <-n.turned:
			write(t)
		case <-ctx.Done():
			for {
				select {
				case t := <-n.turned:
					write(t)
				default:
					return nil
				}
			}
		}
	}
}

// signals tells operators what their users report.
func (n *node) signals() (*deliver.Signaller, error) {
	s := &deliver.Signaller{
		Requests: n.db, People: n.people, Locks: n.db, Backoff: outbox.Backoff, Now: time.Now,
		Receivers: map[string]map[approval.SignalTarget]deliver.Receiver{},
	}
	for _, o := range n.config.OPs {
		to := map[approval.SignalTarget]deliver.Receiver{}
		if err := errors.Join(n.openWebhook(o.Signals, to), n.openSET(o.Signals, to)); err != nil {
			return nil, fmt.Errorf("signals of %s: %w", o.Name, err)
		}
		s.Receivers[o.Name] = to
	}
	return s, nil
}

// signalPoster reaches public addresses and what the operator allows besides.
func signalPoster(s config.Signals) (*op.Poster, error) {
	return op.NewPooledPoster(push.Guard{Allow: s.AllowPrivate}.Client(opTimeout))
}

func (n *node) openWebhook(s config.Signals, to map[approval.SignalTarget]deliver.Receiver) error {
	if s.Webhook == "" {
		return nil
	}
	secrets, err := s.WebhookSecrets()
	if err != nil {
		return errors.New("secrets cannot be read")
	}
	w := &deliver.Webhook{URL: s.Webhook, Now: time.Now}
	for _, secret := range secrets {
		sign, err := standardwebhooks.NewWebhook(string(secret))
		if err != nil {
			return errors.New("secrets cannot be read")
		}
		w.Signs = append(w.Signs, sign)
	}
	w.Post, err = signalPoster(s)
	to[approval.ToWebhook] = w
	return err
}

func (n *node) openSET(s config.Signals, to map[approval.SignalTarget]deliver.Receiver) error {
	if s.SETURL == "" {
		return nil
	}
	token, err := s.SETToken()
	if err != nil {
		return errors.New("set_token_file cannot be read")
	}
	post, err := signalPoster(s)
	to[approval.ToSET] = &deliver.SET{
		URL: s.SETURL, Audience: s.SETAudience, Issuer: n.config.PublicURL, OPIssuer: s.Issuer, Token: approval.Secret(token),
		Post: post, Sign: n.signer.SignSET, Now: time.Now,
	}
	return err
}

// toOperator is a handler of jobs that tell the operator something. One that ends
// without it is an error: what a user reported would go unheard.
func (n *node) toOperator(do func(context.Context, deliver.SignalJob) deliver.Result) outbox.Handler {
	return func(ctx context.Context, j outbox.Job, _ func(context.Context) error) outbox.Result {
		r := do(ctx, deliver.SignalJob{
			Subject: j.Subject, To: approval.SignalTarget(j.Target), Attempts: j.Attempts, Created: j.Created,
		})
		if r.Outcome != "" && r.Outcome != deliver.Done && r.Outcome != deliver.Moot {
			n.log.Error("the operator's receiver did not take a signal, and is not told again", "kind", j.Kind,
				"subject", j.Subject, "receiver", j.Target, "outcome", r.Outcome, "cause", r.Cause)
		}
		return resultOf(r)
	}
}
