package main

import (
	"crypto/ecdsa"
	"time"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/webpush"
)

// pushTimeout is how long one attempt at a push service may take; less than the
// outbox's lease.
const pushTimeout = 10 * time.Second

// openWebPush is the channel to browsers; nil where it is off, and then the log
// says why unless that is what the operator asked for.
func openWebPush(n *node) (push.Sender, error) {
	c := n.config.Push.WebPush
	key := n.webPushKey()
	if key == nil {
		if _, ok := n.keys.WebPushKey(); !ok && c.On() {
			n.log.Warn("Web Push is off: the key file has no key for it; run mitome keys init, which adds it", "file", n.config.KeysFile)
		} else if c.Wanted() && c.Subject == "" {
			n.log.Info("Web Push is off: push.webpush.subject is not set, and public_url cannot stand for it")
		}
		return nil, nil
	}
	guard := push.Guard{Allow: c.AllowPrivate}
	return &webpush.Sender{
		Client: guard.Client(pushTimeout), Guard: guard, VAPID: key, Subject: c.Subject, Now: time.Now,
		VAPIDSince: n.keys.WebPushSince(),
	}, nil
}

// webPushKey is the key that browsers' subscriptions are bound to; nil where Web
// Push is off.
func (n *node) webPushKey() *ecdsa.PrivateKey {
	key, ok := n.keys.WebPushKey()
	if !ok || !n.config.Push.WebPush.On() {
		return nil
	}
	return key
}

// webPushPublic is what a page needs to subscribe (applicationServerKey); empty
// where Web Push is off.
func (n *node) webPushPublic() (string, error) {
	key := n.webPushKey()
	if key == nil {
		return "", nil
	}
	return webpush.PublicKey(key)
}
