package store

import (
	"context"
	"fmt"
	"time"
)

// SpendAssertion implements v1.Assertions. Of two calls with one assertion, on
// whichever nodes, the first inserts the row and the other finds it there.
func (db *DB) SpendAssertion(ctx context.Context, op, id string, until time.Time) (fresh bool, err error) {
	hash := db.ring.Lookup(fmt.Sprintf("assertion %q", op), id)
	err = db.alone(ctx, func(t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO assertions (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING`, hash, micros(until))
		fresh = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("spend assertion: %w", err)
	}
	return fresh, nil
}
