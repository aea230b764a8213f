package store

import (
	"context"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// ActivateDevice implements device.Lifecycle.
func (db *DB) ActivateDevice(ctx context.Context, id device.DeviceID, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		user, err := first(ctx, t, q(`UPDATE devices SET state = 'active', active_at = 0
			WHERE id = $1 AND state = 'cooling' RETURNING user_id`, id), one[device.UserID])
		if err != nil {
			return fmt.Errorf("activate device: %w", instead(err, device.ErrDeviceChanged))
		}
		if err := t.tell(ctx, user, id, ""); err != nil {
			return err
		}
		return t.audit(ctx, audit.Entry{Word: audit.OfActivation(by), By: by, User: user, Device: id})
	})
}

// CancelDevice implements device.Lifecycle. The row is locked by the first
// statement, so that it cannot become active between the two.
func (db *DB) CancelDevice(ctx context.Context, id device.DeviceID, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		err := t.must(ctx, device.ErrDeviceChanged,
			q(`UPDATE devices SET active_at = 0 WHERE id = $1 AND state = 'cooling'`, id))
		if err != nil {
			return fmt.Errorf("cancel device: %w", err)
		}
		return t.revoke(ctx, id, audit.DeviceCancelled, by)
	})
}

// LoseDevice implements device.Lifecycle.
func (db *DB) LoseDevice(ctx context.Context, id device.DeviceID, used device.CredentialUse, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		if err := t.use(ctx, used, device.ErrDeviceChanged); err != nil {
			return err
		}
		return t.revoke(ctx, id, audit.DeviceLost, by)
	})
}

// DueDevices implements device.Lifecycle.
func (db *DB) DueDevices(ctx context.Context, now time.Time, limit int) ([]device.Device, error) {
	out, err := collect(ctx, db.reader(), q(`SELECT `+deviceColumns+` FROM devices d
		WHERE d.state = 'cooling' AND d.active_at <= $1
		ORDER BY d.active_at, d.id LIMIT $2`, micros(now), limit), scanDevice)
	if err != nil {
		return nil, fmt.Errorf("due devices: %w", err)
	}
	return out, nil
}

// DeviceOfSession implements device.Lifecycle.
func (db *DB) DeviceOfSession(ctx context.Context, session string, u device.UserID) (device.Device, error) {
	d, err := first(ctx, db.reader(), q(`SELECT `+deviceColumns+` FROM session_devices x JOIN devices d ON d.id = x.device_id
		WHERE x.session_id = $1 AND x.user_id = $2 AND d.state <> 'revoked'`, session, u), scanDevice)
	return d, instead(err, device.ErrDeviceNotFound)
}

// hasStill locks the user, so that of two pairings that end at once the second
// sees the first, and compares how many devices there are with what was read.
func (t *tx) hasStill(ctx context.Context, u device.UserID, had int) error {
	if _, err := t.exec(ctx, `UPDATE users SET name = name WHERE id = $1`, u); err != nil {
		return fmt.Errorf("lock user: %w", err)
	}
	n, err := first(ctx, t, q(`SELECT COUNT(*) FROM devices WHERE user_id = $1 AND state <> 'revoked'`, u), one[int])
	if err != nil {
		return fmt.Errorf("count devices: %w", err)
	}
	if n != had {
		return device.ErrEnrollmentChanged
	}
	return nil
}

// tell queues the word that a device of user u changed, for each address of the
// active ones. Of those the device except is left out: it is the one that is new,
// and its phone knows.
func (t *tx) tell(ctx context.Context, u device.UserID, changed, except device.DeviceID) error {
	addresses, err := collect(ctx, t, q(`SELECT a.id FROM addresses a JOIN devices d ON d.id = a.device_id
		WHERE d.user_id = $1 AND d.state = 'active' AND d.id <> $2
		ORDER BY d.created_at, d.id, a.created_at, a.id`, u, except), one[push.AddressID])
	if err != nil {
		return fmt.Errorf("find addresses: %w", err)
	}
	for _, a := range addresses {
		if err := t.enqueue(ctx, jobDevice, string(changed), string(a), t.now); err != nil {
			return err
		}
	}
	return nil
}
