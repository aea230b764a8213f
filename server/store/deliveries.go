package store

import (
	"context"
	"fmt"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// The jobs that go to devices: which of them wait for which, and what became of
// them.

// notify stores the job that asks at one address. The socket of a device leads
// its other addresses, which fall due when it has ended otherwise than done, or
// after their wait.
func (t *tx) notify(ctx context.Context, r approval.Request, n approval.Notify) error {
	t.queued = true
	return t.then(ctx, "queue notify", q(`
		INSERT INTO outbox (id, kind, subject, target, due_at, created_at, channel, device_id, leads)
		VALUES ($1, 'notify', $2, $3, $4, $5, $6, $7, $8)`,
		t.rowID(), r.ID, n.Address, micros(t.now.Add(n.Wait)), micros(t.now), n.Channel, n.Device, n.Leads))
}

// clear stores the job that takes the question off one address again, if it may be
// there: a push that was never tried needs none to follow it. A socket is always
// told, because its page may have found the question by itself.
func (t *tx) clear(ctx context.Context, r approval.Request, c approval.Clear) error {
	t.queued = true
	if c.Channel == push.WebSocket || c.Channel == "" {
		return t.then(ctx, "queue clear", q(`
			INSERT INTO outbox (id, kind, subject, target, due_at, created_at, channel, device_id)
			VALUES ($1, 'clear', $2, $3, $4, $5, $6, $7)`,
			t.rowID(), r.ID, c.Address, micros(t.now), micros(t.now), c.Channel, c.Device))
	}
	return t.then(ctx, "queue clear", q(`
		INSERT INTO outbox (id, kind, subject, target, due_at, created_at, channel, device_id)
		SELECT $1, 'clear', $2, $3, CAST($4 AS BIGINT), CAST($5 AS BIGINT), $6, $7
		WHERE EXISTS (SELECT 1 FROM outbox n WHERE n.subject = $2 AND n.device_id <> '' AND n.target = $3
			AND n.kind = 'notify' AND n.attempts > 0)`,
		t.rowID(), r.ID, c.Address, micros(t.now), micros(t.now), c.Channel, c.Device))
}

// callOff ends the pushes of r that nobody has begun, before it is asked which of
// them are to be cleared. Left to themselves they would find r settled; but one
// that is claimed while r is being settled still finds it pending, and would show
// what nobody then takes back. Either the claim sees the job ended here, or clear
// sees the claim.
func (t *tx) callOff(ctx context.Context, r approval.Request, effects []approval.Effect) error {
	for _, e := range effects {
		if c, ok := e.(approval.Clear); ok && c.Channel != push.WebSocket && c.Channel != "" {
			return t.then(ctx, "call pushes off", q(`
				UPDATE outbox SET done_at = $1, outcome = 'moot', cause = 'the request ended first'
				WHERE subject = $2 AND device_id <> '' AND kind = 'notify' AND NOT leads AND done_at = 0 AND attempts = 0`,
				micros(t.now), r.ID))
		}
	}
	return nil
}

// followed is what the end of a leader makes of the jobs that wait for it. What
// was shown on an open page is shown; an attempt in hand is not interrupted.
func (t *tx) followed(e outbox.End) stmt {
	const those = ` WHERE subject = $2 AND device_id <> '' AND kind = 'notify' AND NOT leads AND done_at = 0
		AND device_id = (SELECT l.device_id FROM outbox l WHERE l.id = $3)`
	if e.Outcome == outbox.Done {
		return q(`UPDATE outbox SET done_at = $1, outcome = 'moot', cause = 'an open page showed it', lease = '', lease_until = 0`+
			those+` AND lease_until <= $1`, micros(t.now), e.Job.Subject, e.Job.ID)
	}
	return q(`UPDATE outbox SET due_at = $1`+those+` AND attempts = 0 AND due_at > $1`, micros(t.now), e.Job.Subject, e.Job.ID)
}

// follow carries out what followed says of several leaders.
func (t *tx) follow(ctx context.Context, leaders []outbox.End) error {
	if len(leaders) == 0 {
		return nil
	}
	all := make([]stmt, len(leaders))
	for i, e := range leaders {
		all[i] = t.followed(e)
	}
	changed, err := t.execAll(ctx, all)
	if err != nil {
		return fmt.Errorf("go on after leading jobs: %w", err)
	}
	for i, e := range leaders {
		t.queued = t.queued || changed[i] > 0 && e.Outcome != outbox.Done
	}
	return nil
}

// Deliveries implements approval.Listing.
func (db *DB) Deliveries(ctx context.Context, id approval.RequestID) ([]approval.Delivery, error) {
	out, err := collect(ctx, db.slowReader(), q(`
		SELECT o.kind, o.channel, o.device_id, COALESCE(d.name, ''), o.outcome, o.cause, o.attempts, o.created_at, o.done_at
		FROM outbox o LEFT JOIN devices d ON d.id = o.device_id
		WHERE o.subject = $1 AND o.device_id <> '' AND o.kind IN ('notify', 'clear')
		ORDER BY o.created_at, o.id`, id),
		func(row scanner) (d approval.Delivery, err error) {
			return d, row.Scan(&d.Kind, &d.Channel, &d.Device, &d.DeviceName, &d.Outcome, &d.Cause, &d.Attempts,
				timeColumn{&d.Created}, timeColumn{&d.Ended})
		})
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return out, nil
}

// DeliveredTo returns at how many addresses r was taken while it waited, by
// channel. What was taken after its end does not count. It may rise a little just
// after the end, because that something was taken is written down after it was.
func (db *DB) DeliveredTo(ctx context.Context, r approval.Request) (map[string]int, error) {
	until := r.ExpiresAt
	if r.Decision != nil {
		until = r.Decision.At
	}
	var out map[string]int
	err := db.reader().each(ctx, q(`SELECT channel, COUNT(*) FROM outbox
		WHERE subject = $1 AND device_id <> '' AND kind = 'notify' AND outcome = 'done' AND done_at <= $2 GROUP BY channel`,
		r.ID, micros(until)),
		func(row scanner) error {
			var channel string
			var n int
			if err := row.Scan(&channel, &n); err != nil {
				return err
			}
			if out == nil {
				out = map[string]int{}
			}
			out[channel] = n
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("count deliveries: %w", err)
	}
	return out, nil
}
