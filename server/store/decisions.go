package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
)

// TopicSettled tells every node which request has just come to its end, for
// callers that wait for it.
const TopicSettled = "settled"

// UpdateRequest implements approval.Store.
func (db *DB) UpdateRequest(ctx context.Context, c approval.Change) error {
	decision, err := encodeDecision(c.Next.Decision)
	if err != nil {
		return err
	}
	return db.inTx(ctx, func(t *tx) error {
		err := t.thenMust(ctx, "update request", approval.ErrConflict, q(`
			UPDATE requests
			SET state = $1, code_tries = $2, decision = $3, version = version + 1
			WHERE id = $4 AND version = $5`,
			c.Next.State, c.Next.Code.Tries, decision, c.Next.ID, c.Next.Version))
		if err != nil {
			return err
		}
		if d := c.Next.Decision; d != nil && d.Device != "" {
			if err := t.acted(ctx, d.Device, d.At); err != nil {
				return err
			}
		}
		if err := t.spend(ctx, c); err != nil {
			return err
		}
		if err := t.settle(ctx, c); err != nil {
			return err
		}
		if c.Calms {
			if err := t.forgetPrompts(ctx, c.Next.UserID); err != nil {
				return err
			}
		}
		e := audit.Entry{
			Word: audit.OfState(c.Next.State), By: c.By, Request: c.Next.ID, User: c.Next.UserID,
			Detail: decisionDetail(c.Next.Decision),
		}
		if d := c.Next.Decision; d != nil {
			e.Device = d.Device
		}
		if err := t.audit(ctx, e); err != nil {
			return err
		}
		if c.Freeze != nil {
			if err := t.freeze(ctx, *c.Freeze, c.By); err != nil {
				return err
			}
		}
		if err := t.suspect(ctx, c); err != nil {
			return err
		}
		if c.Next.State.Final() {
			t.words = append(t.words, notice{TopicSettled, string(c.Next.ID)})
		}
		return t.queue(ctx, c.Next, c.Effects)
	})
}

// spend consumes the challenge that was signed and moves the passkey's counter.
// Either that is not as it was read voids the whole change: a signature counts
// once.
func (t *tx) spend(ctx context.Context, c approval.Change) error {
	if s := c.Spend; s != nil {
		err := t.thenMust(ctx, "spend challenge", approval.ErrConflict, q(`
			DELETE FROM challenges WHERE request_id = $1 AND device_id = $2 AND nonce = $3`,
			s.Request, s.Device, s.Nonce))
		if err != nil {
			return err
		}
	}
	if u := c.Used; u != nil {
		return t.use(ctx, *u, approval.ErrConflict)
	}
	return nil
}

// use moves a passkey's counter, or returns conflict if that moved meanwhile.
func (t *tx) use(ctx context.Context, u device.CredentialUse, conflict error) error {
	return t.thenMust(ctx, "move sign counter", conflict, q(`
		UPDATE credentials SET sign_count = $1, backed_up = $2, used_at = $3
		WHERE id = $4 AND sign_count = $5`,
		u.SignCount, u.BackedUp, micros(t.now), u.ID, u.Before))
}

// settle stores what proves a decision, and removes what a request that is over
// has no use for: every device's challenge, and the handle if nobody will report.
func (t *tx) settle(ctx context.Context, c approval.Change) error {
	if e := c.Evidence; e != nil {
		err := t.then(ctx, "insert evidence", q(`INSERT INTO evidence (request_id, jws, created_at) VALUES ($1, $2, $3)`,
			e.Request, e.JWS, micros(e.At)))
		if err != nil {
			return err
		}
	}
	if !c.Next.State.Final() {
		return nil
	}
	if err := t.then(ctx, "delete challenges", q(`DELETE FROM challenges WHERE request_id = $1`, c.Next.ID)); err != nil {
		return err
	}
	if slices.Contains(c.Effects, approval.Effect(approval.Report{})) {
		return nil
	}
	return t.blank(ctx, c.Next.ID)
}

// blank forgets the handle of a request for ever.
func (t *tx) blank(ctx context.Context, id approval.RequestID) error {
	return t.then(ctx, "blank handle", q(`UPDATE requests SET handle = NULL WHERE id = $1 AND handle IS NOT NULL`, id))
}

func decisionDetail(d *approval.Decision) map[string]string {
	if d == nil {
		return nil
	}
	detail := map[string]string{"verdict": string(d.Verdict)}
	if d.Reason != "" {
		detail["reason"] = string(d.Reason)
	}
	if d.ByCapability {
		detail["by"] = "capability"
	}
	if d.Credential != "" {
		detail["credential"] = string(d.Credential)
	}
	if len(d.Rules) > 0 {
		detail["rules"] = strings.Join(d.Rules, " ")
	}
	return detail
}

// SaveChallenge implements approval.Challenges. A request that is over and a
// device that is revoked get none, whatever the caller had read before.
func (db *DB) SaveChallenge(ctx context.Context, c approval.Challenge) error {
	return db.inTx(ctx, func(t *tx) error {
		err := t.thenMust(ctx, "save challenge", approval.ErrConflict, q(`
			INSERT INTO challenges (request_id, device_id, nonce, view, created_at)
			SELECT r.id, d.id, $3, $4, CAST($5 AS BIGINT)
			FROM requests r JOIN devices d ON d.user_id = r.user_id
			WHERE r.id = $1 AND d.id = $2 AND r.state = 'pending' AND d.state = 'active'
			ON CONFLICT (request_id, device_id) DO UPDATE
			SET nonce = excluded.nonce, view = excluded.view, created_at = excluded.created_at`,
			c.Request, c.Device, c.Nonce, c.View, micros(c.CreatedAt)))
		if err != nil {
			return err
		}
		return t.auditView(ctx, c)
	})
}

// Challenge implements approval.Challenges.
func (db *DB) Challenge(ctx context.Context, r approval.RequestID, d device.DeviceID) (approval.Challenge, error) {
	c, err := first(ctx, db.reader(), q(`
		SELECT request_id, device_id, nonce, view, created_at FROM challenges
		WHERE request_id = $1 AND device_id = $2`, r, d),
		func(row scanner) (c approval.Challenge, err error) {
			err = row.Scan(&c.Request, &c.Device, &c.Nonce, &c.View, timeColumn{&c.CreatedAt})
			return c, err
		})
	return c, instead(err, approval.ErrChallenge)
}

// Evidence implements approval.EvidenceStore.
func (db *DB) Evidence(ctx context.Context, id approval.RequestID) (approval.Evidence, error) {
	e, err := first(ctx, db.reader(), evidenceOf(id), scanEvidence)
	return e, instead(err, approval.ErrNotFound)
}

func evidenceOf(id approval.RequestID) stmt {
	return q(`SELECT request_id, jws, created_at FROM evidence WHERE request_id = $1`, id)
}

func scanEvidence(row scanner) (e approval.Evidence, err error) {
	err = row.Scan(&e.Request, &e.JWS, timeColumn{&e.At})
	return e, err
}

// ChargeCode implements approval.Failures.
func (db *DB) ChargeCode(ctx context.Context, next approval.Request, now time.Time) error {
	return db.inTx(ctx, func(t *tx) error {
		err := t.must(ctx, approval.ErrConflict, q(`
			UPDATE requests SET code_tries = $1, version = version + 1
			WHERE id = $2 AND version = $3 AND state = 'pending'`,
			next.Code.Tries, next.ID, next.Version))
		if err != nil {
			return fmt.Errorf("charge code: %w", err)
		}
		_, err = t.exec(ctx, `UPDATE users SET code_failures = code_failures + 1, code_failed_at = $1 WHERE id = $2`,
			micros(now), next.UserID)
		if err != nil {
			return fmt.Errorf("count code failure: %w", err)
		}
		if err := t.enoughGuesses(ctx, next.UserID); err != nil {
			return err
		}
		return t.audit(ctx, audit.Entry{
			Word: audit.CodeTried, By: device.Mitome, Request: next.ID, User: next.UserID,
			Detail: map[string]string{"tries": fmt.Sprint(next.Code.Tries)},
		})
	})
}

// enoughGuesses locks u if this guess is the last that anybody may have.
func (t *tx) enoughGuesses(ctx context.Context, u device.UserID) error {
	n, err := first(ctx, t, q(`SELECT code_failures FROM users WHERE id = $1`, u), one[int])
	if err != nil || n < approval.MaxCodeFailures {
		return instead(err, nil) // nobody is not counted
	}
	return t.lock(ctx, u, "", device.Mitome)
}

// CodeFailures implements approval.Failures.
func (db *DB) CodeFailures(ctx context.Context, u device.UserID) (count int, last time.Time, err error) {
	_, err = first(ctx, db.reader(), q(`SELECT code_failures, code_failed_at FROM users WHERE id = $1`, u),
		func(row scanner) (struct{}, error) { return struct{}{}, row.Scan(&count, timeColumn{&last}) })
	return count, last, instead(err, device.ErrUnknownUser)
}

// ForgiveCode implements approval.Failures.
func (db *DB) ForgiveCode(ctx context.Context, u device.UserID) error {
	return db.inTx(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE users SET code_failures = 0, code_failed_at = 0 WHERE id = $1`, u)
		return err
	})
}
