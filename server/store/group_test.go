package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

const insertUser = `INSERT INTO users (id, op, subject, name, created_at) VALUES ($1, 'corp', $1, '', 0)`

var errNo = errors.New("no")

// add stores a user in a transaction of its own.
func add(ctx context.Context, db *store.DB, id string) error {
	return db.InTx(ctx, func(exec store.Exec) error { return exec(insertUser, id) })
}

// stored says whether the user is there, as another connection sees it.
func stored(t testing.TB, db *store.DB, id string) bool {
	t.Helper()
	var n int
	err := db.RawRead().QueryRowContext(context.WithoutCancel(t.Context()), `SELECT COUNT(*) FROM users WHERE id = $1`, id).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n == 1
}

// TestTransactionsTogether: of many at once each is kept whole or not at all, and
// none suffers from what becomes of another.
func TestTransactionsTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		over, cancel := context.WithCancel(t.Context())
		cancel()
		ends := []struct {
			name string
			ctx  context.Context
			end  func(store.Exec) error
			kept bool
		}{
			{"commits", t.Context(), func(store.Exec) error { return nil }, true},
			{"returns an error", t.Context(), func(store.Exec) error { return errNo }, false},
			{"breaks a constraint", t.Context(), func(exec store.Exec) error { return exec(insertUser, "there already") }, false},
			{"is not SQL", t.Context(), func(exec store.Exec) error { return exec(`SELEKT`) }, false},
			{"panics", t.Context(), func(store.Exec) error { panic(errNo) }, false},
			{"has no time", over, func(store.Exec) error { return nil }, false},
		}
		if err := add(t.Context(), db, "there already"); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 40 {
			for _, e := range ends {
				wg.Go(func() {
					id := rand.Text()
					err := caught(func() error {
						return db.InTx(e.ctx, func(exec store.Exec) error {
							if err := exec(insertUser, id); err != nil {
								return err
							}
							return e.end(exec)
						})
					})
					if kept := stored(t, db, id); kept != e.kept || (err == nil) != e.kept {
						t.Errorf("%s: stored %v, told %v; want stored %v", e.name, kept, err, e.kept)
					}
				})
			}
		}
		wg.Wait()
	})
}

// caught calls fn and returns its panic as an error.
func caught(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return fn()
}

// crowd has transactions wait for the writer while one holds it, so that they
// form one group when free is called; told then receives what each was told.
func crowd(t *testing.T, db *store.DB, members map[string]func(store.Exec) error, order ...string) (told chan string, free func()) {
	t.Helper()
	told = make(chan string, len(order))
	hold, held := make(chan struct{}), make(chan struct{})
	go func() {
		err := db.InTx(context.Background(), func(store.Exec) error { close(held); <-hold; return nil })
		if err != nil {
			t.Error(err)
		}
	}()
	<-held
	for _, name := range order {
		go func() {
			err := db.InTx(context.Background(), members[name])
			told <- fmt.Sprintf("%s: %v", name, err)
		}()
		synctest.Wait() // they stand in the queue in this order
	}
	return told, func() { close(hold) }
}

// TestNobodyHearsBeforeTheCommit: what came of a transaction is not known before
// all of its group is durable, a failure neither, since it may rest on another's
// success.
func TestNobodyHearsBeforeTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := storetest.SQLite(t)
		last := make(chan struct{})
		told, free := crowd(t, db, map[string]func(store.Exec) error{
			"first":  func(exec store.Exec) error { return exec(insertUser, "u1") },
			"loser":  func(exec store.Exec) error { return exec(insertUser, "u1") },
			"second": func(exec store.Exec) error { return exec(insertUser, "u2") },
			"last":   func(store.Exec) error { <-last; return nil },
		}, "first", "loser", "second", "last")
		free()
		synctest.Wait() // all but the last were carried out
		if len(told) > 0 || stored(t, db, "u1") {
			t.Errorf("%d were told before the commit; stored: %v", len(told), stored(t, db, "u1"))
		}
		close(last)
		for range 4 {
			said := <-told
			if failed := !strings.HasSuffix(said, "<nil>"); failed != strings.HasPrefix(said, "loser") {
				t.Errorf("told %s", said)
			}
			if !stored(t, db, "u1") || !stored(t, db, "u2") {
				t.Errorf("%s was told, and others cannot see what was committed", said)
			}
		}
	})
}

// TestGroupFailsAsOne: when what they share fails, nobody is told yes, nothing is
// stored, and the next transaction is none the worse.
func TestGroupFailsAsOne(t *testing.T) {
	spoilers := map[string]func(store.Exec) error{
		"the commit fails": func(exec store.Exec) error { // as a full disk would have it
			return errors.Join(exec(`PRAGMA defer_foreign_keys = ON`),
				exec(`INSERT INTO hints (op, kind, hash, user_id, created_at) VALUES ('corp', 'email', 'x', 'nobody', 0)`))
		},
		"SQLite rolls back": func(exec store.Exec) error { return exec(`ROLLBACK`) },
		"SQLite rolls back, and it is an error": func(exec store.Exec) error {
			return errors.Join(exec(`ROLLBACK`), errNo)
		},
	}
	for name, spoil := range spoilers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := storetest.SQLite(t)
				told, free := crowd(t, db, map[string]func(store.Exec) error{
					"first": func(exec store.Exec) error { return exec(insertUser, "u1") },
					"spoil": spoil,
					"last":  func(exec store.Exec) error { return exec(insertUser, "u3") },
				}, "first", "spoil", "last")
				free()
				for range 3 {
					if said := <-told; strings.HasSuffix(said, "<nil>") {
						t.Errorf("told %s", said)
					}
				}
				if stored(t, db, "u1") || stored(t, db, "u3") {
					t.Error("stored although nobody was told so")
				}
				if err := add(t.Context(), db, "u2"); err != nil || !stored(t, db, "u2") {
					t.Errorf("the next transaction: %v", err)
				}
			})
		})
	}
}

// TestWaitingEndsWithItsTime: whose time ends in the queue is not carried out.
func TestWaitingEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := storetest.SQLite(t)
		_, free := crowd(t, db, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- add(ctx, db, "u1") }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		free()
		if err := add(t.Context(), db, "u2"); err != nil || stored(t, db, "u1") {
			t.Errorf("carried out after its time; the next one: %v", err)
		}
		err := db.InTx(ctx, func(store.Exec) error { t.Error("begun after its time"); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}

// TestCommitsAreDurable: the connection that commits waits for the disk.
func TestCommitsAreDurable(t *testing.T) {
	db := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "mitome.db"), seal.New())
	for name, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"} {
		if got, err := db.Pragma(t.Context(), name); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestStepsThatNobodyWaitsFor: what is sent together fails together, and with the
// error of the step that failed.
func TestStepsThatNobodyWaitsFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := add(t.Context(), db, "there already"); err != nil {
			t.Fatal(err)
		}
		const touch = `UPDATE users SET name = 'x' WHERE id = $1`
		tests := []struct {
			name string
			run  func(exec store.Exec) error
			want error // nil: any
			ok   bool
		}{
			{"all do", func(exec store.Exec) error { return errors.Join(exec(insertUser, "u"), exec(touch, "u")) }, nil, true},
			{"one alone does", func(exec store.Exec) error { return exec(insertUser, "v") }, nil, true},
			{"none of it", func(store.Exec) error { return nil }, nil, true},
			{"one alone finds nothing", func(exec store.Exec) error { return exec(touch, "nobody") }, errNo, false},
			{"the second finds nothing", func(exec store.Exec) error { return errors.Join(exec(insertUser, "w"), exec(touch, "nobody")) }, errNo, false},
			{"the first finds nothing, and the second breaks a rule", func(exec store.Exec) error {
				return errors.Join(exec(touch, "nobody"), exec(insertUser, "there already"))
			}, errNo, false},
			{"the second breaks a rule", func(exec store.Exec) error {
				return errors.Join(exec(insertUser, "w"), exec(insertUser, "there already"))
			}, nil, false},
		}
		for _, tt := range tests {
			err := db.InTxLater(t.Context(), errNo, tt.run)
			if (err == nil) != tt.ok || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v", tt.name, err)
			}
		}
		if !stored(t, db, "u") || !stored(t, db, "v") || stored(t, db, "w") {
			t.Errorf("stored u %v, v %v, w %v; want u and v", stored(t, db, "u"), stored(t, db, "v"), stored(t, db, "w"))
		}
	})
}
