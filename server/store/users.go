package store

import (
	"context"
	"fmt"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
)

const userColumns = `u.id, u.op, u.subject, u.name, u.created_at`

func scanUser(row scanner) (u device.User, err error) {
	err = row.Scan(&u.ID, &u.OP, &u.Subject, &u.Name, timeColumn{&u.CreatedAt})
	return u, err
}

// CreateUser implements device.Users.
func (db *DB) CreateUser(ctx context.Context, u device.User, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		err := t.must(ctx, device.ErrUserExists, q(`
			INSERT INTO users (id, op, subject, name, created_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (op, subject) DO NOTHING`,
			u.ID, u.OP, u.Subject, u.Name, micros(u.CreatedAt)))
		if err != nil {
			return fmt.Errorf("insert user: %w", err)
		}
		return t.audit(ctx, audit.Entry{
			Word: audit.UserCreated, By: by, User: u.ID, Detail: map[string]string{"op": u.OP},
		})
	})
}

// User implements device.Users.
func (db *DB) User(ctx context.Context, id device.UserID) (device.User, error) {
	u, err := first(ctx, db.reader(), q(`SELECT `+userColumns+` FROM users u WHERE u.id = $1`, id), scanUser)
	return u, instead(err, device.ErrUnknownUser)
}

// FindUser implements device.Users. Both ways are one indexed read, so neither
// tells by its time whether somebody was meant.
func (db *DB) FindUser(ctx context.Context, s device.Subject) (device.User, error) {
	find := q(`SELECT `+userColumns+` FROM users u WHERE u.op = $1 AND u.subject = $2`, s.OP, s.Sub)
	if s.Sub == "" {
		find = q(`SELECT `+userColumns+` FROM hints h JOIN users u ON u.id = h.user_id
			WHERE h.op = $1 AND h.kind = $2 AND h.hash = $3`, s.OP, s.Hint.Kind, db.hintHash(s.OP, s.Hint))
	}
	u, err := first(ctx, db.reader(), find, scanUser)
	return u, instead(err, device.ErrUnknownUser)
}

// hintHash is how a hint is found and not read. The OP is in it, so that the
// same address at two OPs does not show as the same person.
func (db *DB) hintHash(op string, h device.Hint) []byte {
	return db.ring.Lookup(fmt.Sprintf("hint %q %q", op, h.Kind), h.Value)
}

// ListUsers implements device.Users.
func (db *DB) ListUsers(ctx context.Context, op string) ([]device.User, error) {
	users, err := collect(ctx, db.reader(), q(`SELECT `+userColumns+` FROM users u
		WHERE CAST($1 AS TEXT) = '' OR u.op = $1
		ORDER BY u.op, u.name, u.id`, op), scanUser)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return users, nil
}

// AddHint implements device.Users.
func (db *DB) AddHint(ctx context.Context, u device.User, h device.Hint, by device.Actor) error {
	hash := db.hintHash(u.OP, h)
	return db.inTx(ctx, func(t *tx) error {
		n, err := t.exec(ctx, `
			INSERT INTO hints (op, kind, hash, user_id, created_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (op, kind, hash) DO NOTHING`,
			u.OP, h.Kind, hash, u.ID, micros(t.now))
		if err != nil {
			return fmt.Errorf("insert hint: %w", err)
		}
		if n == 1 {
			return t.audit(ctx, audit.Entry{
				Word: audit.HintAdded, By: by, User: u.ID, Detail: map[string]string{"kind": h.Kind},
			})
		}
		owner, err := first(ctx, t, q(`SELECT user_id FROM hints WHERE op = $1 AND kind = $2 AND hash = $3`,
			u.OP, h.Kind, hash), one[device.UserID])
		if err != nil {
			return fmt.Errorf("read hint: %w", err)
		}
		if owner != u.ID {
			return device.ErrHintTaken
		}
		return nil
	})
}
