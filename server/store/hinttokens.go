package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
)

// hintsKept is for how long a code that is over is told from one that never was.
const hintsKept = time.Hour

func (db *DB) hintTokenHash(kind device.HintKind, value device.Secret) []byte {
	return db.ring.Lookup("hint "+string(kind), string(value))
}

// GrantHints implements device.HintTokens.
func (db *DB) GrantHints(ctx context.Context, g device.HintGrant, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		if err := t.acted(ctx, g.Device, t.now); err != nil {
			return err
		}
		if err := t.use(ctx, g.Used, device.ErrDeviceChanged); err != nil {
			return err
		}
		user, err := first(ctx, t, q(`SELECT user_id FROM devices WHERE id = $1 AND state = 'active'`, g.Device), one[device.UserID])
		if err != nil {
			return fmt.Errorf("grant codes: %w", instead(err, device.ErrDeviceNotFound))
		}
		_, err = t.exec(ctx, `
			INSERT INTO hint_grants (session_id, device_id, shown, expires_at) VALUES ($1, $2, 0, $3)
			ON CONFLICT (session_id, device_id) DO UPDATE SET shown = excluded.shown, expires_at = excluded.expires_at`,
			g.Session, g.Device, micros(g.ExpiresAt))
		if err != nil {
			return fmt.Errorf("grant codes: %w", err)
		}
		return t.audit(ctx, audit.Entry{Word: audit.CodesUnlocked, By: by, User: user, Device: g.Device})
	})
}

// KeepHintToken implements device.HintTokens. The device comes first and stays locked:
// of two calls at once the second ends what the first made, and a revocation
// finds all there is.
func (db *DB) KeepHintToken(ctx context.Context, h device.KeptHint, session string, most int) error {
	at := micros(h.CreatedAt)
	return db.inTx(ctx, func(t *tx) error {
		err := t.must(ctx, device.ErrDeviceNotFound,
			q(`UPDATE devices SET used_at = used_at WHERE id = $1 AND state = 'active'`, h.Device))
		if err != nil {
			return fmt.Errorf("add code: %w", err)
		}
		err = t.must(ctx, device.ErrHintGrant, q(`UPDATE hint_grants SET shown = shown + 1
			WHERE session_id = $1 AND device_id = $2 AND expires_at > $3 AND shown < $4`, session, h.Device, at, most))
		if err != nil {
			return fmt.Errorf("add code: %w", err)
		}
		_, err = t.exec(ctx, `UPDATE hint_tokens SET expires_at = $1
			WHERE device_id = $2 AND kind = 'token' AND expires_at > $3 AND hash NOT IN (
				SELECT hash FROM hint_tokens WHERE device_id = $4 AND kind = 'token' AND expires_at > $5
				ORDER BY created_at DESC, hash LIMIT 1)`, at, h.Device, at, h.Device, at)
		if err != nil {
			return fmt.Errorf("end older codes: %w", err)
		}
		return t.keepHint(ctx, h)
	})
}

func (t *tx) keepHint(ctx context.Context, h device.KeptHint) error {
	_, err := t.exec(ctx, `INSERT INTO hint_tokens (hash, kind, device_id, op, client_id, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		t.db.hintTokenHash(h.Kind, h.Value), h.Kind, h.Device, h.OP, h.ClientID, micros(h.CreatedAt), micros(h.ExpiresAt))
	if err != nil {
		return fmt.Errorf("keep code: %w", err)
	}
	return nil
}

// SpendHintToken implements device.HintTokens. A refusal is no reason to take back
// that the hint is spent, so it is not what ends the transaction.
func (db *DB) SpendHintToken(ctx context.Context, u device.HintUse, next *device.KeptHint) (device.DeviceID, error) {
	var h hintRow
	var refusal error
	err := db.inTx(ctx, func(t *tx) error {
		var fresh bool
		var err error
		h, fresh, err = t.spendHint(ctx, u)
		if errors.Is(err, sql.ErrNoRows) {
			refusal = device.ErrUnknownUser
			return nil
		}
		if err != nil {
			return fmt.Errorf("spend hint: %w", err)
		}
		e := audit.Entry{
			Word: audit.CodeRead, By: u.By, User: h.user, Device: h.device,
			Detail: map[string]string{"kind": string(u.Kind), "client_id": u.ClientID},
		}
		if refusal = h.judge(u, fresh); refusal != nil {
			e.Word = audit.CodeRefused
			return t.audit(ctx, e)
		}
		if next != nil {
			kept := *next
			kept.Device = h.device
			if err := t.keepHint(ctx, kept); err != nil {
				return err
			}
		}
		if !fresh {
			return nil // it is in the log already
		}
		return t.audit(ctx, e)
	})
	if err = errors.Join(err, refusal); err != nil {
		return "", err
	}
	return h.device, nil
}

// hintRow is a hint as it stands.
type hintRow struct {
	device     device.DeviceID
	user       device.UserID
	op, client string
	expires    time.Time
	spentFor   []byte
}

// spendHint returns what u names, and whether it is spent by this call.
func (t *tx) spendHint(ctx context.Context, u device.HintUse) (h hintRow, fresh bool, err error) {
	hash := t.db.hintTokenHash(u.Kind, u.Value)
	n, err := t.exec(ctx, `UPDATE hint_tokens SET spent_at = $1, spent_for = $2 WHERE hash = $3 AND spent_at = 0`,
		micros(u.At), u.For, hash)
	if err != nil {
		return h, false, err
	}
	h, err = first(ctx, t, q(`SELECT d.id, d.user_id, h.op, h.client_id, h.expires_at, h.spent_for
		FROM hint_tokens h JOIN devices d ON d.id = h.device_id WHERE h.hash = $1`, hash),
		func(row scanner) (h hintRow, err error) {
			return h, row.Scan(&h.device, &h.user, &h.op, &h.client, timeColumn{&h.expires}, &h.spentFor)
		})
	return h, n == 1, err
}

// judge says what u is refused for, if for anything.
func (h hintRow) judge(u device.HintUse, fresh bool) error {
	switch {
	case h.op != u.OP, h.client != "" && h.client != u.ClientID:
		return device.ErrUnknownUser // it is there, and not for who asks
	case !u.At.Before(h.expires):
		return device.ErrHintSpent
	case !fresh && (len(u.For) == 0 || !bytes.Equal(h.spentFor, u.For)):
		return device.ErrHintSpent
	}
	return nil
}

// forgetHints is part of Forget.
func (t *tx) forgetHints(ctx context.Context, limit int) (int, error) {
	n, err := t.exec(ctx, `DELETE FROM hint_tokens WHERE hash IN (SELECT hash FROM hint_tokens WHERE expires_at <= $1 LIMIT $2)`,
		micros(t.now.Add(-hintsKept)), limit)
	if err == nil {
		_, err = t.exec(ctx, `DELETE FROM hint_grants WHERE expires_at <= $1`, micros(t.now))
	}
	if err != nil {
		return 0, fmt.Errorf("forget codes: %w", err)
	}
	return int(n), nil
}
