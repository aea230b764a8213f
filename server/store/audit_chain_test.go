package store_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// chained is a log and what seals it.
type chained struct {
	*store.AuditChain
	clock *clock
	open  func(string) ([]byte, error)
	ids   []string // of the rows, in order
}

// sealer seals db with a key of its own.
func sealer(t *testing.T, db *store.DB) *chained {
	t.Helper()
	key, err := sign.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := sign.New(key)
	if err != nil {
		t.Fatal(err)
	}
	return &chained{
		AuditChain: &store.AuditChain{DB: db, Sign: signer.SignAudit, Issuer: "https://mitome.example"},
		clock:      timed(db),
		open:       func(jws string) ([]byte, error) { return sign.VerifyAudit(jws, signer.Published()) },
	}
}

// log writes n rows, a second apart.
func (c *chained) log(t *testing.T, n int) {
	t.Helper()
	for range n {
		c.clock.pass(time.Second)
		id := fmt.Sprintf("u%d", len(c.ids))
		if err := c.DB.CreateUser(t.Context(), device.User{ID: device.UserID(id), OP: "corp", Subject: id}, devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		c.ids = append(c.ids, newestRow(t, c.DB))
	}
}

func newestRow(t *testing.T, db *store.DB) (id string) {
	t.Helper()
	if err := db.Raw().QueryRowContext(t.Context(), `SELECT id FROM audit ORDER BY at DESC, id DESC LIMIT 1`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// seal seals all there is, three rows at a time.
func (c *chained) seal(t *testing.T) {
	t.Helper()
	c.clock.pass(time.Minute)
	for {
		n, err := c.Seal(t.Context(), 3)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

func (c *chained) verify(t *testing.T, against *audit.Checkpoint) audit.Report {
	t.Helper()
	r, err := c.DB.VerifyAudit(t.Context(), &audit.Verifier{Open: c.open, Now: c.clock.Now(), Against: against})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (c *chained) checkpoint(t *testing.T) *audit.Checkpoint {
	t.Helper()
	jws, err := c.DB.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	payload, err := c.open(jws)
	if err != nil {
		t.Fatal(err)
	}
	p, err := audit.ReadCheckpoint(payload)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

func (c *chained) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	res, err := c.DB.Raw().ExecContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("%s: changed %d rows, %v", query, n, err)
	}
}

// swap exchanges what a and b have in column of table.
func (c *chained) swap(t *testing.T, table, key, column, a, b string) {
	t.Helper()
	for _, step := range [][2]string{{a, "aside"}, {b, a}, {"aside", b}} {
		c.exec(t, `UPDATE `+table+` SET `+column+` = $1 WHERE `+key+` = $2`, step[1], step[0])
	}
}

func TestTheChainHolds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := sealer(t, db)
		if r := c.verify(t, nil); !r.Holds || r.Rows != 0 {
			t.Errorf("an empty log: got %+v", r)
		}
		c.log(t, 7)
		if n, err := c.Seal(t.Context(), 100); n != 0 || err != nil {
			t.Errorf("rows that may have elder siblings: sealed %d, %v", n, err)
		}
		c.seal(t)
		if r := c.verify(t, c.checkpoint(t)); !r.Holds || r.Rows != 7 || r.Batches != 3 || r.Waiting != 0 {
			t.Errorf("sealed: got %+v", r)
		}
		early := c.checkpoint(t)
		c.log(t, 2)
		if r := c.verify(t, early); !r.Holds || r.Rows != 7 || r.Waiting != 2 {
			t.Errorf("with two new rows: got %+v", r)
		}
		c.seal(t)
		if r := c.verify(t, early); !r.Holds || r.Rows != 9 || r.Waiting != 0 {
			t.Errorf("sealed again: got %+v", r)
		}
	})
}

// TestTheChainTakesARowThatCameLate: a long transaction commits after younger
// rows were sealed.
func TestTheChainTakesARowThatCameLate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := sealer(t, db)
		c.log(t, 4)
		late := c.clock.Now()
		c.log(t, 2)
		c.seal(t)
		now := c.clock.Now()
		c.clock.pass(late.Sub(now))
		c.log(t, 1)
		c.clock.pass(now.Sub(late))
		c.seal(t)
		if r := c.verify(t, nil); !r.Holds || r.Rows != 7 {
			t.Errorf("got %+v", r)
		}
	})
}

// TestTheChainSaysWhichRow: what somebody with the database, and without the
// keys, may do to the log.
func TestTheChainSaysWhichRow(t *testing.T) {
	column := func(name string, value any) func(t *testing.T, c *chained) {
		return func(t *testing.T, c *chained) {
			c.exec(t, `UPDATE audit SET `+name+` = $1 WHERE id = $2`, value, c.ids[4])
		}
	}
	tests := []struct {
		name  string
		do    func(t *testing.T, c *chained)
		want  audit.Kind
		row   int   // of the log, -1: none
		batch int64 // 0: whichever
	}{
		{"what happened", column("word", "user.made_up"), audit.Altered, 4, 2},
		{"when", column("at", int64(1)), audit.Altered, 4, 2},
		{"who", column("actor_id", "somebody"), audit.Altered, 4, 2},
		{"what sort of actor", column("actor_kind", "op"), audit.Altered, 4, 2},
		{"from where", column("actor_ip", "192.0.2.9"), audit.Altered, 4, 2},
		{"which request", column("request_id", "r"), audit.Altered, 4, 2},
		{"whom", column("user_id", "u9"), audit.Altered, 4, 2},
		{"which device", column("device_id", "d"), audit.Altered, 4, 2},
		{"the detail", column("detail", `{"op":"other"}`), audit.Altered, 4, 2},
		{"the salt", column("salt", []byte("0123456789abcdef")), audit.Altered, 4, 2},
		{"erased by hand", column("salt", []byte{}), audit.Altered, 4, 2},
		{"removed", func(t *testing.T, c *chained) { c.exec(t, `DELETE FROM audit WHERE id = $1`, c.ids[5]) }, audit.Missing, 5, 2},
		{"removed with its link", func(t *testing.T, c *chained) {
			c.exec(t, `DELETE FROM audit WHERE id = $1`, c.ids[5])
			c.exec(t, `DELETE FROM audit_links WHERE row_id = $1`, c.ids[5])
		}, audit.Missing, -1, 2},
		{"removed, as if it were pruned", func(t *testing.T, c *chained) {
			c.exec(t, `DELETE FROM audit WHERE id = $1`, c.ids[5])
			c.exec(t, `UPDATE audit_links SET removed = 'me' WHERE row_id = $1`, c.ids[5])
		}, audit.Missing, -1, 0},
		{"added", func(t *testing.T, c *chained) {
			c.exec(t, `INSERT INTO audit (id, at, word, actor_kind, actor_id, actor_ip, request_id, user_id, device_id, detail, salt)
				SELECT 'x', a.at - 3600000000, a.word, '', '', '', '', '', '', '{}', a.salt FROM audit a WHERE a.id = $1`, c.ids[0])
			c.ids = append(c.ids, "x")
		}, audit.Added, 9, 0},
		{"two rows changed places", func(t *testing.T, c *chained) { c.swap(t, "audit", "id", "id", c.ids[3], c.ids[4]) }, audit.Altered, 3, 2},
		{"two links changed places", func(t *testing.T, c *chained) {
			c.swap(t, "audit_links", "row_id", "row_id", c.ids[3], c.ids[4])
		}, audit.Reordered, 3, 2},
		{"two links changed places with their hashes", func(t *testing.T, c *chained) {
			c.exec(t, `UPDATE audit_links SET seq = -5 WHERE seq = 5`)
			c.exec(t, `UPDATE audit_links SET seq = 5 WHERE seq = 4`)
			c.exec(t, `UPDATE audit_links SET seq = 4 WHERE seq = -5`)
		}, audit.Reordered, 3, 2},
		{"altered with its hash", func(t *testing.T, c *chained) {
			c.exec(t, `UPDATE audit SET word = 'user.made_up' WHERE id = $1`, c.ids[4])
			c.rehash(t, 5)
		}, audit.Broken, -1, 2},
		{"altered with all hashes of its batch", func(t *testing.T, c *chained) {
			c.exec(t, `UPDATE audit SET word = 'user.made_up' WHERE id = $1`, c.ids[8])
			c.rehash(t, 9)
			c.exec(t, `UPDATE audit_batches SET hash = $1 WHERE n = 3`, c.hashOf(t, 3))
		}, audit.Broken, -1, 3},
		{"a batch removed", func(t *testing.T, c *chained) { c.exec(t, `DELETE FROM audit_batches WHERE n = 2`) }, audit.Missing, -1, 3},
		{"the checkpoint of another batch", func(t *testing.T, c *chained) {
			c.exec(t, `UPDATE audit_batches SET checkpoint = (SELECT b.checkpoint FROM audit_batches b WHERE b.n = 1) WHERE n = 2`)
		}, audit.Broken, -1, 2},
		{"a checkpoint of another's making", func(t *testing.T, c *chained) {
			other := sealer(t, c.DB)
			jws, err := other.Sign([]byte(`{"v":"mitome/audit-checkpoint/v1"}`))
			if err != nil {
				t.Fatal(err)
			}
			c.exec(t, `UPDATE audit_batches SET checkpoint = $1 WHERE n = 2`, jws)
		}, audit.Broken, -1, 2},
		{"the end cut off", func(t *testing.T, c *chained) {
			c.exec(t, `DELETE FROM audit WHERE id IN ($1, $2, $3)`, c.ids[6], c.ids[7], c.ids[8])
			c.exec(t, `DELETE FROM audit_links WHERE seq > 6`)
			c.exec(t, `DELETE FROM audit_batches WHERE n = 3`)
		}, audit.Truncated, -1, 3},
		{"the end cut off and sealed anew", func(t *testing.T, c *chained) {
			c.exec(t, `DELETE FROM audit WHERE id = $1`, c.ids[8])
			c.exec(t, `DELETE FROM audit_links WHERE seq > 6`)
			c.exec(t, `DELETE FROM audit_batches WHERE n = 3`)
			c.seal(t)
		}, audit.Broken, -1, 3},
		{"the chain thrown away", func(t *testing.T, c *chained) {
			c.exec(t, `DELETE FROM audit_links`)
			c.exec(t, `DELETE FROM audit_batches`)
			c.clock.pass(time.Hour)
		}, audit.Missing, -1, 0},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, tt := range tests {
			c := sealer(t, db)
			for _, table := range []string{"audit", "audit_links", "audit_batches", "users"} {
				if _, err := db.Raw().ExecContext(t.Context(), `DELETE FROM `+table); err != nil {
					t.Fatal(err)
				}
			}
			c.log(t, 9)
			c.seal(t)
			kept := c.checkpoint(t)
			if r := c.verify(t, kept); !r.Holds {
				t.Fatalf("%s: before: got %+v", tt.name, r)
			}
			tt.do(t, c)
			r := c.verify(t, kept)
			found := slices.ContainsFunc(r.Faults, func(f audit.Fault) bool {
				return f.Kind == tt.want && (tt.row < 0 || f.Row == c.ids[tt.row]) && (tt.batch == 0 || f.Batch == tt.batch)
			})
			if r.Holds || !found {
				t.Errorf("%s: want %s, got %+v", tt.name, tt.want, r.Faults)
			}
		}
	})
}

// rehash makes the link at place seq fit its row, as somebody would who knows
// how hashes are made.
func (c *chained) rehash(t *testing.T, seq int64) {
	t.Helper()
	err := c.DB.EachAudit(t.Context(), store.AuditFilter{}, func(r audit.Row) error {
		if r.ID == c.ids[seq-1] {
			c.exec(t, `UPDATE audit_links SET hash = $1 WHERE seq = $2`, r.Hash(), seq)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// hashOf is the hash of batch n over its links as they are now.
func (c *chained) hashOf(t *testing.T, n int64) []byte {
	t.Helper()
	rows, err := c.DB.Raw().QueryContext(t.Context(), `
		SELECT l.seq, l.row_id, l.hash, b.prev FROM audit_links l JOIN audit_batches b ON l.seq >= b.first_seq AND l.seq <= b.last_seq
		WHERE b.n = $1 ORDER BY l.seq`, n)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var links []audit.Link
	var prev []byte
	for rows.Next() {
		var l audit.Link
		if err := rows.Scan(&l.Seq, &l.RowID, &l.Hash, &prev); err != nil {
			t.Fatal(err)
		}
		links = append(links, l)
	}
	if len(links) == 0 || rows.Err() != nil {
		t.Fatalf("no links of batch %d: %v", n, rows.Err())
	}
	return audit.BatchHash(n, prev, links)
}

// TestOneNodeSeals: of several at once one seals each batch, and no row twice.
func TestOneNodeSeals(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := sealer(t, db)
		c.log(t, 40)
		c.clock.pass(time.Minute)
		errs := make(chan error)
		for range 4 {
			node := &store.AuditChain{DB: db, Sign: c.Sign, Issuer: c.Issuer}
			go func() {
				var err error
				for i := 0; i < 14 && err == nil; i++ {
					_, err = node.Seal(t.Context(), 3)
				}
				errs <- err
			}()
		}
		for range 4 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		c.seal(t) // what none of them has come to
		if r := c.verify(t, nil); !r.Holds || r.Rows != 40 {
			t.Errorf("got %+v", r)
		}
	})
}

// TestHashOfARow: the salt and each length are in it.
func TestHashOfARow(t *testing.T) {
	row := audit.Row{ID: "1", Word: "a", ActorKind: "bc", Salt: []byte("salt")}
	moved, salted := row, row
	moved.Word, moved.ActorKind = "ab", "c"
	salted.Salt = []byte("other")
	if string(row.Hash()) == string(moved.Hash()) {
		t.Error("a letter may move from one field to the next")
	}
	if string(row.Hash()) == string(salted.Hash()) {
		t.Error("the salt is not hashed, so what an erased row said can be guessed")
	}
	if len(row.Hash()) != sha256.Size {
		t.Error("it is no SHA-256")
	}
}
