package store

import (
	"context"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// Whether addresses work: tests, doubts, and the end of those that do not.

// triesMost is how many tests a device has had in a minute when it gets no more of
// them by themselves. Addresses come and go as a client says, and each test is a
// call to a push service.
const triesMost = 5

// tryNew tests an address that is new to its device, so that whoever switched
// notifications on hears one.
func (t *tx) tryNew(ctx context.Context, d device.DeviceID, id push.AddressID) error {
	lately, err := first(ctx, t, q(`SELECT COUNT(*) FROM outbox WHERE kind = 'test' AND subject = $1 AND created_at > $2`,
		d, micros(t.now.Add(-time.Minute))), one[int])
	if err != nil {
		return fmt.Errorf("count tests: %w", err)
	}
	if lately >= triesMost {
		return nil
	}
	return t.enqueue(ctx, jobTest, string(d), string(id), t.now)
}

// TestAddresses implements device.Addresses.
func (db *DB) TestAddresses(ctx context.Context, d device.DeviceID) (n int, err error) {
	err = db.inTx(ctx, func(t *tx) error {
		addresses, err := collect(ctx, t, q(`SELECT id FROM addresses WHERE device_id = $1 ORDER BY created_at, id`, d),
			one[push.AddressID])
		if err != nil {
			return fmt.Errorf("find addresses: %w", err)
		}
		for _, a := range addresses {
			if err := t.enqueue(ctx, jobTest, string(d), string(a), t.now); err != nil {
				return err
			}
		}
		n = len(addresses)
		return nil
	})
	return n, err
}

// DoubtAddress writes down whether an address is doubtful. The time of a doubt
// that stands already stays, and an address that was removed is no error.
func (db *DB) DoubtAddress(ctx context.Context, id push.AddressID, doubtful bool) error {
	return db.inTx(ctx, func(t *tx) error {
		change := q(`UPDATE addresses SET doubtful_since = 0 WHERE id = $1 AND doubtful_since <> 0`, id)
		if doubtful {
			change = q(`UPDATE addresses SET doubtful_since = $2 WHERE id = $1 AND doubtful_since = 0`, id, micros(t.now))
		}
		return t.then(ctx, "doubt address", change)
	})
}

// RemoveAddress forgets an address that its channel says is dead. Doing it twice
// is no error.
func (db *DB) RemoveAddress(ctx context.Context, id push.AddressID) error {
	return db.inTx(ctx, func(t *tx) error {
		return t.removeAddresses(ctx, removal{"gone", device.Mitome},
			q(`DELETE FROM addresses WHERE id = $1 RETURNING `+removedColumns, id))
	})
}

// removal is why addresses end, and who says so.
type removal struct {
	reason string
	by     device.Actor
}

// removedColumns is what the log says of an address that is no more; never where
// it led.
const removedColumns = `id, device_id, channel, (SELECT user_id FROM devices d WHERE d.id = device_id)`

// removeAddresses carries out a DELETE that returns removedColumns, and writes
// down each address that it removed.
func (t *tx) removeAddresses(ctx context.Context, why removal, s stmt) error {
	entries, err := collect(ctx, t, s, func(row scanner) (audit.Entry, error) {
		var id, channel string
		e := audit.Entry{Word: audit.AddressRemoved, By: why.by}
		err := row.Scan(&id, &e.Device, &channel, &e.User)
		e.Detail = map[string]string{"address": id, "channel": channel, "reason": why.reason}
		return e, err
	})
	if err != nil {
		return fmt.Errorf("remove addresses, %s: %w", why.reason, err)
	}
	for _, e := range entries {
		if err := t.audit(ctx, e); err != nil {
			return err
		}
	}
	return nil
}
