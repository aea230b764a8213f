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
	"github.com/mitome-ciba/mitome/server/seal"
)

// The handle is last, so that a listing can leave it out.
const (
	openColumns = `r.id, r.op, r.ref_hash, r.fingerprint, r.user_id, r.client_id, r.client_name, r.scope,
		r.binding_message, r.acr_values, r.context, r.code_source, r.code_key, r.code_mac, r.code_tries,
		r.state, r.decision, r.created_at, r.expires_at, r.report_after, r.only_device, r.quiet, r.version`
	requestColumns = openColumns + `, r.handle`
)

func handleAAD(id approval.RequestID) seal.AAD {
	return seal.AAD{Table: "requests", Row: string(id), Column: "handle"}
}

// CreateRequest implements approval.Store.
func (db *DB) CreateRequest(ctx context.Context, r approval.Request, effects []approval.Effect, by device.Actor) (approval.Request, error) {
	return db.createRequest(ctx, r, effects, by, nil)
}

// createRequest stores r, and what more does in the same transaction.
func (db *DB) createRequest(ctx context.Context, r approval.Request, effects []approval.Effect, by device.Actor, more func(*tx) error) (approval.Request, error) {
	row, err := db.encodeRequest(r)
	if err != nil {
		return approval.Request{}, err
	}
	err = db.inTx(ctx, func(t *tx) error {
		err := t.thenMust(ctx, "insert request", approval.ErrDuplicate, q(`
			INSERT INTO requests (id, op, ref_hash, fingerprint, user_id, client_id, client_name, scope,
				binding_message, acr_values, context, code_source, code_key, code_mac, code_tries,
				state, decision, created_at, expires_at, report_after, only_device, quiet, version, handle)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
			ON CONFLICT (op, ref_hash) DO NOTHING`,
			r.ID, r.OP, r.RefHash, r.Fingerprint, orNull(r.UserID), r.ClientID, r.ClientName, row.scope,
			r.BindingMessage, row.acr, row.context, r.Code.Source, r.Code.KeyID, r.Code.MAC, r.Code.Tries,
			r.State, row.decision, micros(r.CreatedAt), micros(r.ExpiresAt), micros(r.ReportAfter), r.OnlyDevice, r.Quiet, r.Version, row.handle))
		if err != nil {
			return err
		}
		if more != nil {
			if err := more(t); err != nil {
				return err
			}
		}
		if err := t.auditReceived(ctx, r, by); err != nil {
			return err
		}
		return t.queue(ctx, r, effects)
	})
	if errors.Is(err, approval.ErrDuplicate) {
		stored, err := db.RequestByRef(ctx, r.OP, r.RefHash)
		if err != nil {
			return approval.Request{}, fmt.Errorf("read duplicate: %w", err)
		}
		return stored, approval.ErrDuplicate
	}
	if err != nil {
		return approval.Request{}, err
	}
	return r, nil
}

// auditReceived writes that r came, and Mitome's own no if it had one.
func (t *tx) auditReceived(ctx context.Context, r approval.Request, by device.Actor) error {
	e := audit.Entry{
		Word: audit.RequestReceived, By: by, Request: r.ID, User: r.UserID, Device: r.OnlyDevice,
		Detail: map[string]string{"op": r.OP, "client_id": r.ClientID},
	}
	if r.Quiet != "" {
		e.Detail["quiet"] = string(r.Quiet)
	}
	if err := t.audit(ctx, e); err != nil || r.State == approval.Pending {
		return err
	}
	e.Word, e.By, e.Detail = audit.RequestRefused, device.Mitome, decisionDetail(r.Decision)
	return t.audit(ctx, e)
}

// Request implements approval.Store.
func (db *DB) Request(ctx context.Context, id approval.RequestID) (approval.Request, error) {
	r, err := first(ctx, db.reader(), q(`SELECT `+requestColumns+` FROM requests r WHERE r.id = $1`, id), db.scanRequest)
	if err != nil {
		return r, instead(err, approval.ErrNotFound)
	}
	return r, nil
}

// Prospect returns a request's state as it is stored, and when its time is over.
func (db *DB) Prospect(ctx context.Context, id approval.RequestID) (state approval.State, expires time.Time, err error) {
	_, err = first(ctx, db.reader(), q(`SELECT state, expires_at FROM requests WHERE id = $1`, id),
		func(row scanner) (struct{}, error) { return struct{}{}, row.Scan(&state, timeColumn{&expires}) })
	return state, expires, instead(err, approval.ErrNotFound)
}

// RequestByRef implements approval.Store.
func (db *DB) RequestByRef(ctx context.Context, op string, refHash []byte) (approval.Request, error) {
	r, err := first(ctx, db.reader(), q(`SELECT `+requestColumns+` FROM requests r
		WHERE r.op = $1 AND r.ref_hash = $2`, op, refHash), db.scanRequest)
	if err != nil {
		return r, instead(err, approval.ErrNotFound)
	}
	return r, nil
}

// PendingFor implements approval.Store.
func (db *DB) PendingFor(ctx context.Context, users []device.UserID, now time.Time) ([]approval.Request, error) {
	if len(users) == 0 {
		return nil, nil
	}
	args := []any{micros(now)}
	for _, u := range users {
		args = append(args, u)
	}
	out, err := collect(ctx, db.reader(), q(`SELECT `+requestColumns+` FROM requests r
		WHERE r.state = 'pending' AND r.expires_at > $1 AND r.user_id IN (`+list(2, len(users))+`)
		ORDER BY r.created_at, r.id`, args...), db.scanRequest)
	if err != nil {
		return nil, fmt.Errorf("pending requests: %w", err)
	}
	return out, nil
}

// EndedFor implements approval.Past. The handle is not read: nothing is sent to
// the OP for what is over.
func (db *DB) EndedFor(ctx context.Context, users []device.UserID, limit int) ([]approval.Request, error) {
	if len(users) == 0 {
		return nil, nil
	}
	args := []any{limit}
	for _, u := range users {
		args = append(args, u)
	}
	out, err := collect(ctx, db.slowReader(), q(`SELECT `+openColumns+` FROM requests r
		WHERE r.state <> 'pending' AND r.user_id IN (`+list(2, len(users))+`)
		ORDER BY r.created_at DESC, r.id LIMIT $1`, args...),
		func(row scanner) (approval.Request, error) { return scanOpen(row) })
	if err != nil {
		return nil, fmt.Errorf("ended requests: %w", err)
	}
	return out, nil
}

// DueRequests implements approval.Store.
func (db *DB) DueRequests(ctx context.Context, now time.Time, limit int) ([]approval.Request, error) {
	out, err := collect(ctx, db.reader(), q(`SELECT `+requestColumns+` FROM requests r
		WHERE r.state = 'pending' AND r.expires_at <= $1
		ORDER BY r.expires_at, r.id LIMIT $2`, micros(now), limit), db.scanRequest)
	if err != nil {
		return nil, fmt.Errorf("due requests: %w", err)
	}
	return out, nil
}

// requestRow is the fields of a request that are not stored as they are.
type requestRow struct {
	scope, acr, context string
	decision            any // text or NULL
	handle              []byte
}

func (db *DB) encodeRequest(r approval.Request) (row requestRow, err error) {
	if row.scope, err = jsonText(r.Scope); err != nil {
		return row, err
	}
	if row.acr, err = jsonText(r.ACRValues); err != nil {
		return row, err
	}
	if row.context, err = jsonText(r.Context); err != nil {
		return row, err
	}
	if row.decision, err = encodeDecision(r.Decision); err != nil {
		return row, err
	}
	if r.Handle != "" {
		row.handle, err = db.ring.Seal([]byte(r.Handle), handleAAD(r.ID))
	}
	return row, err
}

func encodeDecision(d *approval.Decision) (any, error) {
	if d == nil {
		return nil, nil
	}
	return jsonText(d)
}

// scanRequest reads requestColumns.
func (db *DB) scanRequest(row scanner) (approval.Request, error) {
	var handle []byte
	r, err := scanOpen(row, &handle)
	if err != nil || len(handle) == 0 {
		return r, err
	}
	plain, err := db.ring.Open(handle, handleAAD(r.ID))
	if err != nil {
		return approval.Request{}, fmt.Errorf("handle of request %s: %w", r.ID, err)
	}
	r.Handle = approval.Secret(plain)
	return r, nil
}

// scanOpen reads openColumns and then whatever else the query selects.
func scanOpen(row scanner, more ...any) (r approval.Request, err error) {
	var user sql.NullString
	dest := []any{
		&r.ID, &r.OP, &r.RefHash, &r.Fingerprint, &user, &r.ClientID, &r.ClientName, jsonInto(&r.Scope),
		&r.BindingMessage, jsonInto(&r.ACRValues), jsonInto(&r.Context),
		&r.Code.Source, &r.Code.KeyID, &r.Code.MAC, &r.Code.Tries,
		&r.State, jsonInto(&r.Decision), timeColumn{&r.CreatedAt}, timeColumn{&r.ExpiresAt}, timeColumn{&r.ReportAfter}, &r.OnlyDevice, &r.Quiet, &r.Version,
	}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return approval.Request{}, fmt.Errorf("scan request: %w", err)
	}
	r.UserID = device.UserID(user.String)
	return r, nil
}
