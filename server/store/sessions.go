package store

import (
	"context"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
)

// CreateSession implements session.Store.
func (db *DB) CreateSession(ctx context.Context, s session.Session) error {
	return db.inTx(ctx, func(t *tx) error { return t.addSession(ctx, s) })
}

func (t *tx) addSession(ctx context.Context, s session.Session) error {
	_, err := t.exec(ctx, `INSERT INTO sessions (id, jkt, created_at, expires_at) VALUES ($1, $2, $3, $4)`,
		s.ID, s.JKT, micros(s.CreatedAt), micros(s.ExpiresAt))
	if err != nil {
		return fmt.Errorf("insert session: %w", err)
	}
	return nil
}

// SignIn implements session.Store. The session is a new one each time, so that
// nobody can have planted the one that is signed in.
func (db *DB) SignIn(ctx context.Context, in session.SignIn) error {
	return db.inTx(ctx, func(t *tx) error {
		user, err := first(ctx, t, q(`SELECT user_id FROM devices WHERE id = $1 AND state <> 'revoked'`, in.Device), one[device.UserID])
		if err != nil {
			return fmt.Errorf("sign in: %w", instead(err, device.ErrPasskey))
		}
		if err := t.acted(ctx, in.Device, t.now); err != nil {
			return err
		}
		if err := t.use(ctx, in.Used, device.ErrPasskey); err != nil {
			return err
		}
		if err := t.addSession(ctx, in.Session); err != nil {
			return err
		}
		_, err = t.exec(ctx, `
			INSERT INTO session_devices (session_id, user_id, device_id, created_at)
			SELECT $1, user_id, device_id, created_at FROM session_devices WHERE session_id = $2 AND user_id <> $3`,
			in.Session.ID, in.Before, user)
		if err != nil {
			return fmt.Errorf("carry devices over: %w", err)
		}
		if err := t.endSession(ctx, in.Before); err != nil {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO session_devices (session_id, user_id, device_id, created_at) VALUES ($1, $2, $3, $4)`,
			in.Session.ID, user, in.Device, micros(t.now))
		if err != nil {
			return fmt.Errorf("tie device to session: %w", err)
		}
		return t.audit(ctx, audit.Entry{Word: audit.SignedIn, By: in.By, User: user, Device: in.Device})
	})
}

// EndSession implements session.Store.
func (db *DB) EndSession(ctx context.Context, id session.ID, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		tied, err := collect(ctx, t, q(`SELECT device_id, user_id FROM session_devices WHERE session_id = $1 ORDER BY device_id`, id),
			func(row scanner) (d device.Device, err error) { return d, row.Scan(&d.ID, &d.User) })
		if err != nil {
			return fmt.Errorf("read devices of session: %w", err)
		}
		if err := t.endSession(ctx, id); err != nil {
			return err
		}
		for _, d := range tied {
			if err := t.audit(ctx, audit.Entry{Word: audit.SignedOut, By: by, User: d.User, Device: d.ID}); err != nil {
				return err
			}
		}
		return nil
	})
}

// endSession forgets a session, if there is one, and remembers for a while that
// it is over.
func (t *tx) endSession(ctx context.Context, id session.ID) error {
	n, err := t.exec(ctx, `DELETE FROM sessions WHERE id = $1`, id)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	if n == 0 {
		return nil
	}
	return t.changed(ctx, session.Change{Session: id})
}

// changed has those who hold sockets learn of c, see [DB.ChangedSince].
func (t *tx) changed(ctx context.Context, c session.Change) error {
	_, err := t.exec(ctx, `INSERT INTO session_changes (session_id, device_id, changed_at) VALUES ($1, $2, $3)`,
		c.Session, c.Device, micros(t.now))
	if err != nil {
		return fmt.Errorf("note change of session: %w", err)
	}
	return nil
}

// ChangedSince returns what changed at since or later in what sessions stand for,
// in order. Those who hold sockets ask twice a second, because a word on the bus
// may be lost.
func (db *DB) ChangedSince(ctx context.Context, since time.Time) ([]session.Change, error) {
	at := micros(since)
	out, err := collect(ctx, db.reader(), q(`
		SELECT session_id, device_id, changed_at FROM session_changes WHERE changed_at >= $1
		UNION ALL
		SELECT '', id, revoked_at FROM devices WHERE state = 'revoked' AND revoked_at >= $2
		ORDER BY 3, 1, 2`, at, at), func(row scanner) (c session.Change, err error) {
		var when time.Time
		return c, row.Scan(&c.Session, &c.Device, timeColumn{&when})
	})
	if err != nil {
		return nil, fmt.Errorf("changes of sessions: %w", err)
	}
	return out, nil
}

// tie gives a session the right to a device. If it had one of that user before,
// the phone has paired again: the old device is revoked, because nobody could
// ever act by it and it would count as a device of the user all the same.
func (t *tx) tie(ctx context.Context, id session.ID, d device.Device, by device.Actor) error {
	before, err := collect(ctx, t, q(`SELECT device_id FROM session_devices WHERE session_id = $1 AND user_id = $2`,
		id, d.User), one[device.DeviceID])
	if err != nil {
		return fmt.Errorf("read devices of session: %w", err)
	}
	for _, old := range before {
		if err := t.revoke(ctx, old, audit.DeviceRevoked, by); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, `
		INSERT INTO session_devices (session_id, user_id, device_id, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (session_id, user_id) DO UPDATE
		SET device_id = excluded.device_id, created_at = excluded.created_at`,
		id, d.User, d.ID, micros(t.now))
	if err != nil {
		return fmt.Errorf("tie device to session: %w", err)
	}
	// A session with its first device had no socket, nor anything else to be told of.
	others, err := collect(ctx, t, q(`SELECT device_id FROM session_devices WHERE session_id = $1 AND user_id <> $2`,
		id, d.User), one[device.DeviceID])
	if err != nil {
		return fmt.Errorf("read devices of session: %w", err)
	}
	if len(others) == 0 {
		return nil
	}
	return t.changed(ctx, session.Change{Session: id, Device: d.ID})
}

// Session implements session.Store. It reads the devices anew each time, without
// their addresses, so that a revocation holds from the next call on.
func (db *DB) Session(ctx context.Context, id session.ID) (session.Session, error) {
	t := db.reader()
	var out session.Session
	s := q(`SELECT s.id, s.jkt, s.created_at, s.expires_at,
			COALESCE(d.id, ''), COALESCE(d.user_id, ''), COALESCE(d.enrollment_id, ''), COALESCE(d.name, ''),
			COALESCE(d.state, ''), COALESCE(d.created_at, 0), COALESCE(d.active_at, 0), COALESCE(d.revoked_at, 0),
			COALESCE(d.used_at, 0)
		FROM sessions s
		LEFT JOIN session_devices x ON x.session_id = s.id
		LEFT JOIN devices d ON d.id = x.device_id AND d.state <> 'revoked'
		WHERE s.id = $1 AND s.expires_at > $2
		ORDER BY d.created_at, d.id`, id, micros(t.now))
	err := t.each(ctx, s, func(row scanner) error {
		var d device.Device
		dest := []any{&out.ID, &out.JKT, timeColumn{&out.CreatedAt}, timeColumn{&out.ExpiresAt}}
		if err := row.Scan(append(dest, deviceDest(&d)...)...); err != nil {
			return err
		}
		if d.ID != "" {
			out.Devices = append(out.Devices, d)
		}
		return nil
	})
	if err != nil {
		return session.Session{}, fmt.Errorf("read session: %w", err)
	}
	if out.ID == "" {
		return session.Session{}, session.ErrUnauthorized
	}
	return out, nil
}
