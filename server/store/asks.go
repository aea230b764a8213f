package store

import (
	"context"
	"fmt"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/limit"
)

var _ limit.AskStore = (*DB)(nil)

// MergeAsks implements limit.AskStore.
func (db *DB) MergeAsks(ctx context.Context, news limit.AskNews) ([]limit.AskCount, []limit.Breaker, error) {
	if len(news.Counts)+len(news.Breakers)+len(news.Refused) > 0 {
		if err := db.inTx(ctx, func(t *tx) error { return t.addAsks(ctx, news) }); err != nil {
			return nil, nil, err
		}
	}
	counts, err := collect(ctx, db.reader(), q(`
		SELECT op, client_id, minute, asks, users FROM ask_counts WHERE minute >= $1`, news.Since),
		func(row scanner) (c limit.AskCount, err error) {
			return c, row.Scan(&c.OP, &c.Client, &c.Minute, &c.Asks, &c.Users)
		})
	if err != nil {
		return nil, nil, fmt.Errorf("read asks: %w", err)
	}
	breakers, err := collect(ctx, db.reader(), q(`
		SELECT op, client_id, open_until FROM breakers WHERE open_until > $1`, micros(db.Now())),
		func(row scanner) (b limit.Breaker, err error) {
			return b, row.Scan(&b.OP, &b.Client, timeColumn{&b.Until})
		})
	if err != nil {
		return nil, nil, fmt.Errorf("read breakers: %w", err)
	}
	return counts, breakers, nil
}

// addAsks writes what one node counted, and drops what counts no more.
func (t *tx) addAsks(ctx context.Context, news limit.AskNews) error {
	for _, c := range news.Counts {
		err := t.then(ctx, "count asks", q(`
			INSERT INTO ask_counts (op, client_id, minute, asks, users) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (minute, op, client_id) DO UPDATE
			SET asks = ask_counts.asks + excluded.asks, users = ask_counts.users + excluded.users`,
			c.OP, c.Client, c.Minute, c.Asks, c.Users))
		if err != nil {
			return err
		}
	}
	for _, b := range news.Breakers {
		err := t.then(ctx, "open breaker", q(`
			INSERT INTO breakers (op, client_id, open_until) VALUES ($1, $2, $3)
			ON CONFLICT (op, client_id) DO UPDATE SET open_until = excluded.open_until
			WHERE excluded.open_until > breakers.open_until`,
			b.OP, b.Client, micros(b.Until)))
		if err != nil {
			return err
		}
	}
	for _, r := range news.Refused {
		err := t.audit(ctx, audit.Entry{Word: audit.AsksRefused, By: device.Mitome, Detail: map[string]string{
			"op": r.OP, "client_id": r.Client, "reason": r.Reason, "times": fmt.Sprint(r.Times),
		}})
		if err != nil {
			return err
		}
	}
	if err := t.then(ctx, "forget asks", q(`DELETE FROM ask_counts WHERE minute < $1`, news.Since)); err != nil {
		return err
	}
	return t.then(ctx, "forget breakers", q(`DELETE FROM breakers WHERE open_until <= $1`, micros(t.now)))
}
