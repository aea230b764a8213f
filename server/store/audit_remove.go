package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
)

// Prune removes up to limit sealed rows from before a time, leaves their places
// and hashes in the chain, and signs that it did so. It returns how many.
func (c *AuditChain) Prune(ctx context.Context, before time.Time, by device.Actor, limit int) (int, error) {
	return c.remove(ctx, audit.Pruned, by, q(`
		SELECT a.id, l.seq, l.removed FROM audit a JOIN audit_links l ON l.row_id = a.id
		WHERE a.at < $1 ORDER BY a.at, a.id LIMIT $2`, micros(before), limit))
}

// erasure is a user whose rows are to lose their content.
type erasure struct {
	user device.UserID
	by   string
	at   time.Time
}

// Erase takes what is known of a user who is erased out of up to limit sealed
// rows: who, whence and what; that something happened, and when, stays. It
// returns how many rows those were. A user's last rows are sealed first, so it
// has to be called again until all are.
func (c *AuditChain) Erase(ctx context.Context, limit int) (int, error) {
	now := c.DB.Now()
	if now.Sub(c.erased) < time.Minute { // to look for rows of a user is to read the whole log
		return 0, nil
	}
	all, err := collect(ctx, c.DB.reader(), q(`SELECT user_id, by_name, at FROM audit_erasures ORDER BY at, user_id`),
		func(row scanner) (e erasure, err error) { return e, row.Scan(&e.user, &e.by, timeColumn{&e.at}) })
	if err != nil {
		return 0, fmt.Errorf("read erasures: %w", err)
	}
	total := 0
	for _, e := range all {
		n, err := c.erase(ctx, e, limit)
		if err != nil {
			return total, err
		}
		total += n
	}
	if total == 0 {
		c.erased = now
	}
	return total, nil
}

const ofUser = `(a.user_id = $1 OR a.actor_kind = 'user' AND a.actor_id = $1)`

func (c *AuditChain) erase(ctx context.Context, e erasure, limit int) (int, error) {
	n, err := c.remove(ctx, audit.Erased, device.Actor{Kind: device.ActorAdmin, ID: e.by}, q(`
		SELECT a.id, l.seq, l.removed FROM audit a JOIN audit_links l ON l.row_id = a.id
		WHERE `+ofUser+` ORDER BY a.at, a.id LIMIT $2`, e.user, limit))
	if err != nil || n > 0 || c.DB.Now().Before(e.at.Add(audit.Late)) {
		return n, err // what was under way when she was erased may still be written down
	}
	return 0, c.DB.inTx(ctx, func(t *tx) error {
		return t.then(ctx, "end erasure", q(`DELETE FROM audit_erasures WHERE user_id = $1
			AND NOT EXISTS (SELECT 1 FROM audit a WHERE `+ofUser+`)`, e.user))
	})
}

// gone is a row whose content is to go.
type gone struct {
	id, removed string
	seq         int64
}

// errRemoved: somebody else has just removed the same rows.
var errRemoved = errors.New("store: removed by another node")

// remove takes the content of the rows that s finds, and signs for it. Only rows
// that are sealed may be in s: of another the chain would never know what it said.
func (c *AuditChain) remove(ctx context.Context, kind audit.RemovalKind, by device.Actor, s stmt) (int, error) {
	rows, err := collect(ctx, c.DB.slowReader(), s, func(row scanner) (g gone, err error) { return g, row.Scan(&g.id, &g.seq, &g.removed) })
	if err != nil {
		return 0, fmt.Errorf("find rows to remove: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	err = c.DB.inTx(ctx, func(t *tx) error {
		removal := audit.NewRemoval(newID(), kind, string(by.Kind)+" "+by.ID, t.now, placesOf(rows))
		if err := t.takeOut(ctx, kind, removal.ID, rows); err != nil {
			return err
		}
		if removal.Rows == 0 { // rows that were erased before are pruned now
			return nil
		}
		statement, err := c.signed(removal)
		if err != nil {
			return err
		}
		err = t.then(ctx, "store removal", q(`INSERT INTO audit_removals (id, at, statement) VALUES ($1, $2, $3)`,
			removal.ID, micros(t.now), statement))
		if err != nil {
			return err
		}
		return t.audit(ctx, audit.Entry{
			Word: audit.OfRemoval(kind), By: by, Detail: map[string]string{"removal": removal.ID, "rows": fmt.Sprint(removal.Rows)},
		})
	})
	if errors.Is(err, errRemoved) {
		return 0, nil
	}
	return len(rows), err
}

// placesOf are those of rows that no removal speaks of yet, in ascending order.
func placesOf(rows []gone) []int64 {
	var seqs []int64
	for _, g := range rows {
		if g.removed == "" {
			seqs = append(seqs, g.seq)
		}
	}
	slices.Sort(seqs)
	return seqs
}

// takeOut removes the rows, or what they say of a person.
func (t *tx) takeOut(ctx context.Context, kind audit.RemovalKind, id string, rows []gone) error {
	for _, g := range rows {
		if g.removed == "" {
			err := t.thenMust(ctx, "mark removed row", errRemoved,
				q(`UPDATE audit_links SET removed = $1 WHERE seq = $2 AND removed = ''`, id, g.seq))
			if err != nil {
				return err
			}
		}
		s := q(`DELETE FROM audit WHERE id = $1`, g.id)
		if kind == audit.Erased {
			s = q(`UPDATE audit SET actor_kind = '', actor_id = '', actor_ip = '', request_id = '', user_id = '', device_id = '',
				detail = '{}', salt = $2 WHERE id = $1`, g.id, []byte{})
		}
		if err := t.then(ctx, "remove row", s); err != nil {
			return err
		}
	}
	return nil
}
