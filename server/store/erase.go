package store

import (
	"context"
	"fmt"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
)

// EraseUser implements device.Users. Her rows of the log follow once they are
// sealed, see [AuditChain.Erase].
func (db *DB) EraseUser(ctx context.Context, id device.UserID, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		devices, err := t.erasable(ctx, id)
		if err != nil {
			return err
		}
		for _, d := range devices { // so that its sockets close, everywhere
			if err := t.revoke(ctx, d, audit.DeviceRevoked, by); err != nil {
				return err
			}
		}
		for _, forget := range []string{
			// What was to be sent to her, and what became of what was.
			`DELETE FROM outbox WHERE device_id IN (SELECT d.id FROM devices d WHERE d.user_id = $1)`,
			`DELETE FROM outbox WHERE subject IN (SELECT d.id FROM devices d WHERE d.user_id = $1)`,
			`DELETE FROM outbox WHERE subject IN (SELECT r.id FROM requests r WHERE r.user_id = $1)`,
			`DELETE FROM outbox WHERE subject = $1`,
			`DELETE FROM users WHERE id = $1`, // and with her, all that refers to her
		} {
			if _, err := t.exec(ctx, forget, id); err != nil {
				return fmt.Errorf("erase user: %w", err)
			}
		}
		err = t.then(ctx, "note erasure", q(`INSERT INTO audit_erasures (user_id, at, by_name) VALUES ($1, $2, $3)
			ON CONFLICT (user_id) DO NOTHING`, id, micros(t.now), by.ID))
		if err != nil {
			return err
		}
		// The user stands in the detail, which stays: it says that she was erased.
		return t.audit(ctx, audit.Entry{Word: audit.UserErased, By: by, Detail: map[string]string{"user": string(id)}})
	})
}

// erasable returns a user's devices, or why she cannot be erased now: an OP waits
// for an answer about her.
func (t *tx) erasable(ctx context.Context, id device.UserID) ([]device.DeviceID, error) {
	if _, err := first(ctx, t, q(`SELECT id FROM users WHERE id = $1`, id), one[device.UserID]); err != nil {
		return nil, fmt.Errorf("erase user: %w", instead(err, device.ErrUnknownUser))
	}
	waiting, err := first(ctx, t, q(`SELECT COUNT(*) FROM requests r WHERE r.user_id = $1 AND (r.state = 'pending'
		OR EXISTS (SELECT 1 FROM outbox o WHERE o.subject = r.id AND o.kind = 'report' AND o.done_at = 0))`, id), one[int])
	if err != nil {
		return nil, fmt.Errorf("erase user: %w", err)
	}
	if waiting > 0 {
		return nil, device.ErrUserBusy
	}
	devices, err := collect(ctx, t, q(`SELECT id FROM devices WHERE user_id = $1 ORDER BY id`, id), one[device.DeviceID])
	if err != nil {
		return nil, fmt.Errorf("erase user: %w", err)
	}
	return devices, nil
}
