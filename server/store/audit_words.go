package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// auditView writes down which view a device was given to sign, by its hash: the
// words of a request do not belong in the log. The same once more is no news, and
// whoever asks again and again fills no log.
func (t *tx) auditView(ctx context.Context, c approval.Challenge) error {
	sum, by := sha256.Sum256(c.View), device.Actor{Kind: device.ActorDevice, ID: string(c.Device)}
	if c.By != nil {
		by = *c.By
	}
	return t.auditOnce(ctx, audit.Entry{
		Word: audit.RequestViewed, By: by, Request: c.Request, User: c.User, Device: c.Device,
		Detail: map[string]string{"view": base64.RawURLEncoding.EncodeToString(sum[:])},
	}, sameView)
}

// auditDelivery writes down what became of telling one device. Whose it is, and
// how it was told, the job says, so that nothing needs to be read for it.
func (t *tx) auditDelivery(ctx context.Context, e outbox.End) error {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails, says crypto/rand
	return t.then(ctx, "audit delivery", q(`
		INSERT INTO audit (id, at, word, actor_kind, actor_id, actor_ip, request_id, user_id, device_id, detail, salt)
		SELECT $1, CAST($2 AS BIGINT), $3, $4, '', '', o.subject, COALESCE(d.user_id, ''), o.device_id,
			'{"channel":"' || o.channel || '","outcome":"' || CAST($5 AS TEXT) || '"}', $6
		FROM outbox o LEFT JOIN devices d ON d.id = o.device_id WHERE o.id = $7`,
		t.rowID(), micros(t.now), audit.RequestDelivered, device.ActorMitome, e.Outcome, salt, e.Job.ID))
}
