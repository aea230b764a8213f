package store

import (
	"context"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// SaveGesture implements device.Gestures.
func (db *DB) SaveGesture(ctx context.Context, g device.Gesture) error {
	return db.inTx(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `
			INSERT INTO gestures (id, device_id, purpose, nonce, statement, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (id) DO UPDATE
			SET device_id = excluded.device_id, purpose = excluded.purpose, nonce = excluded.nonce,
				statement = excluded.statement, expires_at = excluded.expires_at`,
			g.ID, orNull(g.Device), g.Purpose, g.Nonce, notNil(g.Statement), micros(g.ExpiresAt))
		if err != nil {
			return fmt.Errorf("save gesture: %w", err)
		}
		return nil
	})
}

// TakeGesture implements device.Gestures. Of two that take one, one gets it.
func (db *DB) TakeGesture(ctx context.Context, id, purpose string, now time.Time) (g device.Gesture, err error) {
	err = db.inTx(ctx, func(t *tx) (err error) {
		g, err = first(ctx, t, q(`
			DELETE FROM gestures WHERE id = $1 AND purpose = $2
			RETURNING id, COALESCE(device_id, ''), purpose, nonce, statement, expires_at`, id, purpose),
			func(row scanner) (g device.Gesture, err error) {
				err = row.Scan(&g.ID, &g.Device, &g.Purpose, &g.Nonce, &g.Statement, timeColumn{&g.ExpiresAt})
				return g, err
			})
		return instead(err, device.ErrGesture)
	})
	if err == nil && !now.Before(g.ExpiresAt) {
		err = device.ErrGesture
	}
	if err != nil {
		return device.Gesture{}, fmt.Errorf("take gesture: %w", err)
	}
	return g, nil
}

// Passkey implements device.Passkeys.
func (db *DB) Passkey(ctx context.Context, webauthnID []byte) (device.Credential, error) {
	c, err := first(ctx, db.reader(), q(`SELECT `+credentialColumns+` FROM credentials WHERE webauthn_id = $1`, webauthnID), scanCredential)
	return c, instead(err, device.ErrPasskey)
}
