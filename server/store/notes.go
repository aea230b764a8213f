package store

import (
	"context"
	"crypto/rand"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/witness"
)

// What makes a row one that is there already, see auditOnce. That the request is
// not empty goes without saying, but not for the index.
const (
	sameLook = `a.request_id = $7 AND a.request_id <> '' AND a.device_id = $9 AND a.word = $3`
	sameView = sameLook + ` AND a.detail = $10`
)

// WriteNotes implements witness.Store.
func (db *DB) WriteNotes(ctx context.Context, notes []witness.Note) error {
	return db.inTx(ctx, func(t *tx) error {
		for _, n := range notes {
			if err := t.note(ctx, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// note writes a row about what is over already. A row is not put in before ones
// that are sealed, so one that waited long for the database is of now.
func (t *tx) note(ctx context.Context, n witness.Note) error {
	now := t.now
	defer func() { t.now = now }()
	if d := now.Sub(n.At); d > 0 && d < settled/2 {
		t.now = n.At
	}
	if n.Word == audit.RequestShown {
		return t.auditOnce(ctx, n.Entry, sameLook)
	}
	return t.audit(ctx, n.Entry)
}

// auditOnce writes a row, unless there is one of which same holds. The words of a
// request are not of a user who is erased meanwhile, so its request must be there.
func (t *tx) auditOnce(ctx context.Context, e audit.Entry, same string) error {
	detail, err := jsonText(e.Detail)
	if err != nil {
		return err
	}
	salt := make([]byte, 16)
	rand.Read(salt) // never fails, says crypto/rand
	return t.then(ctx, "audit "+string(e.Word), q(`
		INSERT INTO audit (id, at, word, actor_kind, actor_id, actor_ip, request_id, user_id, device_id, detail, salt)
		SELECT $1, CAST($2 AS BIGINT), $3, $4, $5, $6, r.id, $8, $9, $10, $11 FROM requests r
		WHERE r.id = $7 AND NOT EXISTS (SELECT 1 FROM audit a WHERE `+same+`)`,
		t.rowID(), micros(t.now), e.Word, e.By.Kind, e.By.ID, ipText(e.By), e.Request, e.User, e.Device, detail, salt))
}

// ReadEvidence returns the evidence of a request's decision, and writes down who
// has read it.
func (db *DB) ReadEvidence(ctx context.Context, id approval.RequestID, by device.Actor) (e approval.Evidence, err error) {
	err = db.inTx(ctx, func(t *tx) error {
		user, err := first(ctx, t, q(`SELECT COALESCE(user_id, '') FROM requests WHERE id = $1`, id), one[device.UserID])
		if err != nil {
			return instead(err, approval.ErrNotFound)
		}
		if e, err = first(ctx, t, evidenceOf(id), scanEvidence); err != nil {
			return instead(err, approval.ErrNotFound)
		}
		return t.audit(ctx, audit.Entry{Word: audit.EvidenceRead, By: by, Request: id, User: user})
	})
	return e, err
}

// NoteKeys writes down what was done to the keys, which are in no database.
func (db *DB) NoteKeys(ctx context.Context, detail map[string]string, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		return t.audit(ctx, audit.Entry{Word: audit.KeysChanged, By: by, Detail: detail})
	})
}
