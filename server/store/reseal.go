package store

import (
	"context"
	"fmt"

	"github.com/mitome-ciba/mitome/server/seal"
)

// sealedColumns is every column that holds ciphertext.
var sealedColumns = []struct{ table, id, column string }{
	{"requests", "id", "handle"},
	{"addresses", "id", "target"},
	{"addresses", "id", "key"},
	{"ceremonies", "enrollment_id", "data"},
}

const resealBatch = 200

// Reseal rewrites what is sealed under an older key, and returns how many values
// those were. It may run beside everything else: a value that changes meanwhile
// is left as it then is, under a key that whoever changed it had.
func (db *DB) Reseal(ctx context.Context) (rows int, err error) {
	for _, c := range sealedColumns {
		aad := seal.AAD{Table: c.table, Column: c.column}
		read := `SELECT ` + c.id + `, ` + c.column + ` FROM ` + c.table +
			` WHERE ` + c.column + ` IS NOT NULL AND ` + c.id + ` > $1 ORDER BY ` + c.id + ` LIMIT $2`
		write := `UPDATE ` + c.table + ` SET ` + c.column + ` = $1 WHERE ` + c.id + ` = $2 AND ` + c.column + ` = $3`
		for after, more := "", true; more; {
			var n int
			n, after, more, err = db.resealBatch(ctx, aad, q(read, after, resealBatch), write)
			if err != nil {
				return rows, fmt.Errorf("reseal %s.%s: %w", c.table, c.column, err)
			}
			rows += n
		}
	}
	return rows, nil
}

// sealed is one sealed value and its row.
type sealed struct {
	row   string
	value []byte
}

// resealBatch returns how many it rewrote, the last row it saw, and whether
// there may be more.
func (db *DB) resealBatch(ctx context.Context, aad seal.AAD, read stmt, write string) (n int, last string, more bool, err error) {
	err = db.inTx(ctx, func(t *tx) error {
		all, err := collect(ctx, t, read, func(row scanner) (s sealed, err error) {
			return s, row.Scan(&s.row, &s.value)
		})
		if err != nil {
			return err
		}
		for _, s := range all {
			aad.Row, last = s.row, s.row
			fresh, err := db.renew(s.value, aad)
			if err != nil {
				return err
			}
			if fresh == nil {
				continue
			}
			changed, err := t.exec(ctx, write, fresh, s.row, s.value)
			if err != nil {
				return err
			}
			n += int(changed)
		}
		more = len(all) == resealBatch
		return nil
	})
	return n, last, more, err
}

// renew is value under the current key, or nil if it is under that already.
func (db *DB) renew(value []byte, aad seal.AAD) ([]byte, error) {
	plain, err := db.ring.Open(value, aad)
	if err != nil {
		return nil, fmt.Errorf("row %s: %w", aad.Row, err)
	}
	fresh, err := db.ring.Seal(plain, aad)
	if err != nil {
		return nil, fmt.Errorf("row %s: %w", aad.Row, err)
	}
	was, err := seal.KeyID(value)
	if err != nil {
		return nil, fmt.Errorf("row %s: %w", aad.Row, err)
	}
	if is, err := seal.KeyID(fresh); err != nil || is == was {
		return nil, err
	}
	return fresh, nil
}

// SealedWith counts, for each key id, what would be lost with the key: sealed
// values, and typed codes of requests that still wait. A key that is not in the
// answer may be dropped.
func (db *DB) SealedWith(ctx context.Context) (map[string]int, error) {
	count := map[string]int{}
	type group struct {
		of []byte
		n  int
	}
	scan := func(row scanner) (g group, err error) { return g, row.Scan(&g.of, &g.n) }
	for _, c := range sealedColumns {
		// The head of a sealed value names its key; see package seal.
		groups, err := collect(ctx, db.slowReader(), q(`SELECT substr(`+c.column+`, 1, 9), COUNT(*) FROM `+c.table+
			` WHERE `+c.column+` IS NOT NULL GROUP BY substr(`+c.column+`, 1, 9)`), scan)
		if err != nil {
			return nil, fmt.Errorf("count %s.%s: %w", c.table, c.column, err)
		}
		for _, g := range groups {
			id, err := seal.KeyID(g.of)
			if err != nil {
				return nil, fmt.Errorf("count %s.%s: %w", c.table, c.column, err)
			}
			count[id] += g.n
		}
	}
	codes, err := collect(ctx, db.slowReader(), q(`SELECT code_key, COUNT(*) FROM requests
		WHERE state = 'pending' AND code_key <> '' GROUP BY code_key`), scan)
	if err != nil {
		return nil, fmt.Errorf("count codes: %w", err)
	}
	for _, g := range codes {
		count[string(g.of)] += g.n
	}
	return count, nil
}
