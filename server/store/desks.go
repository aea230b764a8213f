package store

import (
	"context"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
)

// CreateDesk implements session.DeskStore.
func (db *DB) CreateDesk(ctx context.Context, d session.Desk) error {
	return db.inTx(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `
			INSERT INTO desk_sessions (id, user_id, op, auth_time, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			d.ID, d.User, d.OP, micros(d.AuthTime), micros(d.CreatedAt), micros(d.ExpiresAt))
		if err != nil {
			return fmt.Errorf("insert desk: %w", err)
		}
		return t.audit(ctx, audit.Entry{
			Word: audit.DeskOpened, By: device.Actor{Kind: device.ActorUser, ID: string(d.User), IP: d.IP}, User: d.User,
			Detail: map[string]string{"op": d.OP},
		})
	})
}

// Desk implements session.DeskStore.
func (db *DB) Desk(ctx context.Context, id session.ID) (session.Desk, error) {
	t := db.reader()
	d, err := first(ctx, t, q(`
		SELECT id, user_id, op, auth_time, created_at, expires_at FROM desk_sessions
		WHERE id = $1 AND expires_at > $2`, id, micros(t.now)),
		func(row scanner) (d session.Desk, err error) {
			err = row.Scan(&d.ID, &d.User, &d.OP, timeColumn{&d.AuthTime}, timeColumn{&d.CreatedAt}, timeColumn{&d.ExpiresAt})
			return d, err
		})
	return d, instead(err, session.ErrUnauthorized)
}

// EndDesk implements session.DeskStore.
func (db *DB) EndDesk(ctx context.Context, id session.ID) error {
	return db.inTx(ctx, func(t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM desk_sessions WHERE id = $1`, id); err != nil {
			return fmt.Errorf("delete desk: %w", err)
		}
		return nil
	})
}

// RefuseSignIn writes down that a sign-in at op ended for the reason code, which
// is one of a closed list.
func (db *DB) RefuseSignIn(ctx context.Context, op, code string, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		return t.audit(ctx, audit.Entry{
			Word: audit.SignInRefused, By: by, Detail: map[string]string{"op": op, "reason": code},
		})
	})
}

// changesKept is how long it is remembered what changed about sessions; nobody
// asks for more than some minutes.
const changesKept = time.Hour

// Forget removes up to limit of each that nobody can use any more: sessions,
// desks, gestures, freezes and the names of JWTs past their time. It returns the largest of the counts.
func (db *DB) Forget(ctx context.Context, limit int) (most int, err error) {
	err = db.inTx(ctx, func(t *tx) error {
		for _, text := range []string{
			`DELETE FROM gestures WHERE id IN (SELECT id FROM gestures WHERE expires_at <= $1 LIMIT $2)`,
			`DELETE FROM desk_sessions WHERE id IN (SELECT id FROM desk_sessions WHERE expires_at <= $1 LIMIT $2)`,
			`DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 LIMIT $2)`,
			`DELETE FROM freezes WHERE (user_id, client_id) IN (SELECT user_id, client_id FROM freezes WHERE until <= $1 LIMIT $2)`,
			`DELETE FROM assertions WHERE id IN (SELECT id FROM assertions WHERE expires_at <= $1 LIMIT $2)`,
		} {
			n, err := t.exec(ctx, text, micros(t.now), limit)
			if err != nil {
				return fmt.Errorf("forget what is over: %w", err)
			}
			most = max(most, int(n))
		}
		n, err := t.forgetHints(ctx, limit)
		if err != nil {
			return err
		}
		most = max(most, n)
		_, err = t.exec(ctx, `DELETE FROM session_changes WHERE changed_at <= $1`, micros(t.now.Add(-changesKept)))
		if err != nil {
			return fmt.Errorf("forget changes of sessions: %w", err)
		}
		return nil
	})
	return most, err
}
