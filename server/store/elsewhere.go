package store

import (
	"context"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// MoveAddress stores that what was to be reached at a was reached at target. An
// address of which the device has said something else meanwhile stays as it is;
// one whose device has registered target by itself is one too many, and goes.
func (db *DB) MoveAddress(ctx context.Context, a push.Address, target push.Target) error {
	there := a
	there.Target = target
	was, is := db.targetHash(a), db.targetHash(there)
	sealed, err := db.ring.Seal([]byte(target), targetAAD(a.ID))
	if err != nil {
		return err
	}
	return db.inTx(ctx, func(t *tx) error {
		err := t.removeAddresses(ctx, removal{"registered twice", device.Mitome}, q(`DELETE FROM addresses
			WHERE id = $1 AND target_hash = $2 AND device_id IN (SELECT o.device_id FROM addresses o WHERE o.target_hash = $3)
			RETURNING `+removedColumns, a.ID, was, is))
		if err != nil {
			return err
		}
		return t.then(ctx, "move address", q(`UPDATE addresses SET target = $1, target_hash = $2
			WHERE id = $3 AND target_hash = $4`, sealed, is, a.ID, was))
	})
}
