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
)

var _ approval.Prompting = (*DB)(nil)

// Standing implements approval.Prompting. What waits is counted together with
// where the user stands: a request that is pushed moves her, so whoever counted
// before it was loses the compare-and-set.
func (db *DB) Standing(ctx context.Context, u device.UserID, client string, now time.Time) (p approval.Prompts, b approval.Bar, err error) {
	_, err = first(ctx, db.reader(), q(`
		SELECT `+barOf+`, p.recent, p.streak, p.wait_until, p.version, h.zone, h.from_minute, h.to_minute,
			w.of_user, w.of_client
		FROM (
			SELECT COUNT(*) AS of_user, COUNT(CASE WHEN r.client_id = $2 THEN 1 END) AS of_client
			FROM requests r
			WHERE r.user_id = $1 AND r.state = 'pending' AND r.quiet = '' AND r.expires_at > $3) w
		LEFT JOIN prompts p ON p.user_id = $1 LEFT JOIN quiet_hours h ON h.user_id = $1`,
		u, client, micros(now)), func(row scanner) (_ struct{}, err error) {
		p, b, err = scanStanding(row)
		return struct{}{}, err
	})
	return p, b, err
}

func scanStanding(row scanner) (p approval.Prompts, b approval.Bar, err error) {
	var recent []int64
	var streak, until, version, from, to sql.NullInt64
	var zone sql.NullString
	if err := row.Scan(&b, jsonInto(&recent), &streak, &until, &version, &zone, &from, &to, &p.OfUser, &p.OfClient); err != nil {
		return p, b, fmt.Errorf("scan standing: %w", err)
	}
	for _, us := range recent {
		p.Recent = append(p.Recent, moment(us))
	}
	p.Streak, p.Until, p.Version = int(streak.Int64), moment(until.Int64), int(version.Int64)
	p.Hours = approval.Hours{Zone: zone.String, From: int(from.Int64), To: int(to.Int64)}
	return p, b, nil
}

// CreatePrompted implements approval.Prompting.
func (db *DB) CreatePrompted(ctx context.Context, r approval.Request, effects []approval.Effect, by device.Actor, next approval.Prompts) (approval.Request, error) {
	return db.createRequest(ctx, r, effects, by, func(t *tx) error { return t.movePrompts(ctx, r.UserID, next) })
}

// movePrompts stores next in place of the version it was computed from, the first
// one too.
func (t *tx) movePrompts(ctx context.Context, u device.UserID, next approval.Prompts) error {
	recent, err := microsText(next.Recent)
	if err != nil {
		return err
	}
	return t.thenMust(ctx, "move prompts", approval.ErrConflict, q(`
		INSERT INTO prompts (user_id, recent, streak, wait_until, version)
		VALUES ($1, $2, $3, $4, 1)
		ON CONFLICT (user_id) DO UPDATE
		SET recent = excluded.recent, streak = excluded.streak, wait_until = excluded.wait_until, version = prompts.version + 1
		WHERE prompts.version = $5`,
		u, recent, next.Streak, micros(next.Until), next.Version))
}

// forgetPrompts begins anew with a user who has approved. The row stays: its
// version must not come back.
func (t *tx) forgetPrompts(ctx context.Context, u device.UserID) error {
	return t.then(ctx, "forget prompts", q(`
		UPDATE prompts SET recent = $2, streak = 0, wait_until = 0, version = version + 1 WHERE user_id = $1`, u, "[]"))
}

func microsText(times []time.Time) (string, error) {
	out := make([]int64, len(times))
	for i, t := range times {
		out[i] = micros(t)
	}
	return jsonText(out)
}

// HoursOf implements approval.Prompting.
func (db *DB) HoursOf(ctx context.Context, u device.UserID) (approval.Hours, error) {
	h, err := first(ctx, db.reader(), q(`SELECT zone, from_minute, to_minute FROM quiet_hours WHERE user_id = $1`, u),
		func(row scanner) (h approval.Hours, err error) { return h, row.Scan(&h.Zone, &h.From, &h.To) })
	if errors.Is(err, sql.ErrNoRows) {
		return approval.Hours{}, nil
	}
	return h, err
}

// SetHours implements approval.Prompting.
func (db *DB) SetHours(ctx context.Context, u device.UserID, h approval.Hours, by device.Actor) error {
	set := q(`
		INSERT INTO quiet_hours (user_id, zone, from_minute, to_minute)
		SELECT u.id, CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS BIGINT) FROM users u WHERE u.id = $1
		ON CONFLICT (user_id) DO UPDATE
		SET zone = excluded.zone, from_minute = excluded.from_minute, to_minute = excluded.to_minute`,
		u, h.Zone, h.From, h.To)
	if h == (approval.Hours{}) {
		set = q(`DELETE FROM quiet_hours WHERE user_id = $1`, u)
	}
	return db.inTx(ctx, func(t *tx) error {
		if err := t.then(ctx, "set quiet hours", set); err != nil {
			return err
		}
		return t.audit(ctx, audit.Entry{Word: audit.QuietHoursSet, By: by, User: u})
	})
}
