package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
)

// UserCode implements device.UserCodes.
func (db *DB) UserCode(ctx context.Context, u device.UserID) (device.UserCode, error) {
	c, err := first(ctx, db.reader(), q(`SELECT hash, set_at FROM user_codes WHERE user_id = $1`, u),
		func(row scanner) (c device.UserCode, err error) {
			err = row.Scan(&c.Hash, timeColumn{&c.SetAt})
			return c, err
		})
	if errors.Is(err, sql.ErrNoRows) {
		return device.UserCode{}, nil
	}
	return c, err
}

// SetUserCode implements device.UserCodes.
func (db *DB) SetUserCode(ctx context.Context, c device.UserCodeChange, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		if c.Used != nil {
			if err := t.use(ctx, *c.Used, device.ErrDeviceChanged); err != nil {
				return err
			}
		}
		word := audit.UserCodeSet
		if c.Hash != "" {
			err := t.must(ctx, device.ErrUnknownUser, q(`
				INSERT INTO user_codes (user_id, hash, set_at)
				SELECT u.id, CAST($2 AS TEXT), CAST($3 AS BIGINT) FROM users u WHERE u.id = $1
				ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, set_at = excluded.set_at`,
				c.User, c.Hash, micros(t.now)))
			if err != nil {
				return fmt.Errorf("set user code: %w", err)
			}
		} else {
			word = audit.UserCodeCleared
			n, err := t.exec(ctx, `DELETE FROM user_codes WHERE user_id = $1`, c.User)
			if err != nil {
				return fmt.Errorf("clear user code: %w", err)
			}
			if n == 0 { // there was none
				return nil
			}
		}
		return t.audit(ctx, audit.Entry{Word: word, By: by, User: c.User, Device: c.Device})
	})
}

// triedName is under what a try is counted. No id of a user holds a space.
func triedName(t device.Tried) string {
	if t.User != "" {
		return string(t.User)
	}
	return t.Nobody
}

// CodeTries implements device.UserCodes.
func (db *DB) CodeTries(ctx context.Context, t device.Tried) (device.CodeTries, error) {
	got, err := first(ctx, db.reader(), q(`
		SELECT failures, locked_until, version FROM user_code_tries WHERE tried = $1 AND client_id = $2`,
		triedName(t), t.Client),
		func(row scanner) (c device.CodeTries, err error) {
			err = row.Scan(&c.Failures, timeColumn{&c.LockedUntil}, &c.Version)
			return c, err
		})
	if errors.Is(err, sql.ErrNoRows) {
		return device.CodeTries{}, nil
	}
	return got, err
}

// ChargeUserCode implements device.UserCodes. Of two that were computed from the
// same version one is stored, the first of all too.
func (db *DB) ChargeUserCode(ctx context.Context, tried device.Tried, next device.CodeTries) error {
	return db.inTx(ctx, func(t *tx) error {
		err := t.must(ctx, device.ErrCodeConflict, q(`
			INSERT INTO user_code_tries (tried, client_id, user_id, failures, locked_until, version)
			VALUES ($1, $2, $3, $4, $5, 1)
			ON CONFLICT (tried, client_id) DO UPDATE
			SET failures = excluded.failures, locked_until = excluded.locked_until, version = user_code_tries.version + 1
			WHERE user_code_tries.version = $6`,
			triedName(tried), tried.Client, orNull(tried.User), next.Failures, micros(next.LockedUntil), next.Version))
		if err != nil {
			return fmt.Errorf("charge user code: %w", err)
		}
		return nil
	})
}

// LockedUserCode implements device.UserCodes.
func (db *DB) LockedUserCode(ctx context.Context, tried device.Tried, failures int, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		return t.audit(ctx, audit.Entry{
			Word: audit.UserCodeLocked, By: by, User: tried.User,
			Detail: map[string]string{"client": tried.Client, "failures": fmt.Sprint(failures)},
		})
	})
}

// ForgiveUserCode implements device.UserCodes.
func (db *DB) ForgiveUserCode(ctx context.Context, tried device.Tried) error {
	return db.inTx(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `
			UPDATE user_code_tries SET failures = 0, locked_until = 0, version = version + 1
			WHERE tried = $1 AND client_id = $2`, triedName(tried), tried.Client)
		if err != nil {
			return fmt.Errorf("forgive user code: %w", err)
		}
		return nil
	})
}
