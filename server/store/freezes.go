package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// What keeps a user from being asked: freezes of clients, and locks.

// freeze stores f. Of two that meet, the later end stands.
func (t *tx) freeze(ctx context.Context, f approval.Freeze, by device.Actor) error {
	err := t.then(ctx, "freeze client", q(`
		INSERT INTO freezes (user_id, client_id, device_id, request_id, created_at, until)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (user_id, client_id) DO UPDATE
		SET device_id = excluded.device_id, request_id = excluded.request_id,
			created_at = excluded.created_at, until = excluded.until
		WHERE excluded.until > freezes.until`,
		f.User, f.ClientID, f.Device, f.Request, micros(f.At), micros(f.Until)))
	if err != nil {
		return err
	}
	if err := t.alert(ctx, f.User, f.Device, f.Device); err != nil {
		return err
	}
	return t.audit(ctx, audit.Entry{
		Word: audit.ClientFrozen, By: by, Request: f.Request, User: f.User, Device: f.Device,
		Detail: map[string]string{"client_id": f.ClientID, "until": f.Until.UTC().Format(time.RFC3339)},
	})
}

// alert queues the word that something is suspicious for each address of the user's
// active devices but one: the one that says so, or that typed the codes.
func (t *tx) alert(ctx context.Context, u device.UserID, about, except device.DeviceID) error {
	addresses, err := collect(ctx, t, q(`SELECT a.id FROM addresses a JOIN devices d ON d.id = a.device_id
		WHERE d.user_id = $1 AND d.state = 'active' AND d.id <> $2
		ORDER BY d.created_at, d.id, a.created_at, a.id`, u, except), one[push.AddressID])
	if err != nil {
		return fmt.Errorf("find addresses: %w", err)
	}
	for _, a := range addresses {
		if err := t.enqueue(ctx, jobAlert, string(about), string(a), t.now); err != nil {
			return err
		}
	}
	return nil
}

// suspect alerts the user where wrong codes have ended a request: who typed them had
// a session of hers, and no more (ASVS 6.3.5).
func (t *tx) suspect(ctx context.Context, c approval.Change) error {
	if d := c.Next.Decision; d == nil || d.Reason != approval.ReasonUserCode {
		return nil
	}
	by := device.DeviceID("")
	if c.By.Kind == device.ActorDevice {
		by = device.DeviceID(c.By.ID)
	}
	return t.alert(ctx, c.Next.UserID, by, by)
}

// barOf is what keeps user $1 from being asked by client $2 at $3.
const barOf = `CASE
	WHEN EXISTS (SELECT 1 FROM user_locks l WHERE l.user_id = $1) THEN 'locked'
	WHEN EXISTS (SELECT 1 FROM freezes f WHERE f.user_id = $1 AND f.client_id = $2 AND f.until > $3) THEN 'frozen'
	ELSE '' END`

// BarOf implements approval.Bars.
func (db *DB) BarOf(ctx context.Context, u device.UserID, client string, now time.Time) (approval.Bar, error) {
	b, err := first(ctx, db.reader(), q(`SELECT `+barOf, u, client, micros(now)), one[approval.Bar])
	if err != nil {
		return b, fmt.Errorf("read bars: %w", err)
	}
	return b, nil
}

// BarredRequests implements approval.Bars. It begins with the bars, which are few.
func (db *DB) BarredRequests(ctx context.Context, u device.UserID, now time.Time, limit int) ([]approval.Barred, error) {
	out, err := collect(ctx, db.slowReader(), q(`
		SELECT r.id, 'locked' AS bar, l.actor_kind, l.actor_id
		FROM user_locks l JOIN requests r ON r.user_id = l.user_id
		WHERE r.state = 'pending' AND r.expires_at > $2 AND (CAST($1 AS TEXT) = '' OR l.user_id = $1)
		UNION ALL
		SELECT r.id, 'frozen' AS bar, 'device', f.device_id
		FROM freezes f JOIN requests r ON r.user_id = f.user_id AND r.client_id = f.client_id
		WHERE r.state = 'pending' AND r.expires_at > $2 AND f.until > $2 AND (CAST($1 AS TEXT) = '' OR f.user_id = $1)
		LIMIT $3`, u, micros(now), limit),
		func(row scanner) (b approval.Barred, err error) {
			return b, row.Scan(&b.Request, &b.Bar, &b.By.Kind, &b.By.ID)
		})
	if err != nil {
		return nil, fmt.Errorf("barred requests: %w", err)
	}
	return out, nil
}

// WriteBarred implements approval.Bars.
func (db *DB) WriteBarred(ctx context.Context, a approval.Turned) error {
	return db.inTx(ctx, func(t *tx) error {
		return t.audit(ctx, audit.Entry{
			Word: audit.RequestBarred, By: a.By, User: a.User,
			Detail: map[string]string{"op": a.OP, "client_id": a.ClientID, "bar": string(a.Bar)},
		})
	})
}

// LockUser implements device.Locks.
func (db *DB) LockUser(ctx context.Context, c device.LockChange, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		if c.Used != nil {
			if err := t.use(ctx, *c.Used, device.ErrDeviceChanged); err != nil {
				return err
			}
		}
		if _, err := first(ctx, t, q(`SELECT 1 FROM users WHERE id = $1`, c.User), one[int]); err != nil {
			return fmt.Errorf("lock user: %w", instead(err, device.ErrUnknownUser))
		}
		return t.lock(ctx, c.User, c.Device, by)
	})
}

// lock stops everything for u, who is there.
func (t *tx) lock(ctx context.Context, u device.UserID, d device.DeviceID, by device.Actor) error {
	n, err := t.exec(ctx, `INSERT INTO user_locks (user_id, actor_kind, actor_id, locked_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO NOTHING`, u, by.Kind, by.ID, micros(t.now))
	if err != nil {
		return fmt.Errorf("lock user: %w", err)
	}
	if n == 0 { // she is locked
		return nil
	}
	for _, to := range []approval.SignalTarget{approval.ToWebhook, approval.ToSET} {
		if err := t.enqueue(ctx, jobLockSignal, string(u), string(to), t.now); err != nil {
			return err
		}
	}
	if err := t.alert(ctx, u, d, d); err != nil {
		return err
	}
	return t.audit(ctx, audit.Entry{Word: audit.UserLocked, By: by, User: u, Device: d})
}

// forgiveCodes takes off what was guessed for u, of both kinds of codes: after
// [approval.MaxCodeFailures] nothing else does.
func (t *tx) forgiveCodes(ctx context.Context, u device.UserID) error {
	err := t.then(ctx, "forgive codes", q(`UPDATE users SET code_failures = 0, code_failed_at = 0 WHERE id = $1`, u))
	if err != nil {
		return err
	}
	return t.then(ctx, "forgive user codes", q(`
		UPDATE user_code_tries SET failures = 0, locked_until = 0, version = version + 1 WHERE user_id = $1`, u))
}

// UnlockUser implements device.Locks.
func (db *DB) UnlockUser(ctx context.Context, u device.UserID, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		if _, err := first(ctx, t, q(`SELECT 1 FROM users WHERE id = $1`, u), one[int]); err != nil {
			return fmt.Errorf("unlock user: %w", instead(err, device.ErrUnknownUser))
		}
		locks, err := t.exec(ctx, `DELETE FROM user_locks WHERE user_id = $1`, u)
		if err != nil {
			return fmt.Errorf("unlock user: %w", err)
		}
		freezes, err := t.exec(ctx, `DELETE FROM freezes WHERE user_id = $1 AND until > $2`, u, micros(t.now))
		if err != nil {
			return fmt.Errorf("unlock user: %w", err)
		}
		if err := t.forgiveCodes(ctx, u); err != nil {
			return err
		}
		if locks+freezes == 0 { // nothing kept anybody from her
			return nil
		}
		return t.audit(ctx, audit.Entry{
			Word: audit.UserUnlocked, By: by, User: u, Detail: map[string]string{"freezes": fmt.Sprint(freezes)},
		})
	})
}

// LockOf implements device.Locks.
func (db *DB) LockOf(ctx context.Context, u device.UserID) (at time.Time, by device.Actor, err error) {
	_, err = first(ctx, db.reader(), q(`SELECT locked_at, actor_kind, actor_id FROM user_locks WHERE user_id = $1`, u),
		func(row scanner) (struct{}, error) {
			return struct{}{}, row.Scan(timeColumn{&at}, &by.Kind, &by.ID)
		})
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return at, by, err
}
