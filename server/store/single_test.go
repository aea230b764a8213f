package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// TestReadsTogether: of many reads at once each gets its own rows and its own
// error, whatever becomes of those that went with it.
func TestReadsTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i := range 20 {
			if err := add(t.Context(), db, fmt.Sprint("u", i)); err != nil {
				t.Fatal(err)
			}
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		const one, several = `SELECT id FROM users WHERE id = $1`, `SELECT id FROM users WHERE id >= $1 ORDER BY id`
		reads := []struct {
			name string
			ctx  context.Context
			text string
			stop error // what scan returns
			ok   bool
			rows int // at least
		}{
			{"a row", t.Context(), one, nil, true, 1},
			{"many rows", t.Context(), several, nil, true, 1},
			{"breaks off", t.Context(), several, errNo, false, 0},
			{"no time", over, one, nil, false, 0},
			{"fails as it runs", t.Context(), failing(db), nil, false, 0},
			{"not SQL", t.Context(), `SELEKT $1`, nil, false, 0},
		}
		var wg sync.WaitGroup
		for i := range 400 {
			// At first none of those that have what goes with them carried out alone.
			for _, r := range reads[:3+i/100] {
				wg.Go(func() {
					id := fmt.Sprint("u", i%20)
					got, err := db.Strings(r.ctx, r.text, id, r.stop)
					switch {
					case (err == nil) != r.ok, r.stop != nil && !errors.Is(err, r.stop):
						t.Errorf("%s: got %v", r.name, err)
					case r.ok && (len(got) < r.rows || got[0] != id || r.text == one && len(got) != 1):
						t.Errorf("%s of %s: got %s", r.name, id, strings.Join(got, " "))
					}
				})
			}
			if i%100 == 99 {
				wg.Wait()
			}
		}
	})
}

// failing is a read that is good SQL and fails all the same.
func failing(db *store.DB) string {
	if db.IsPostgres() {
		return `SELECT id FROM users WHERE id = $1 AND 1 / (LENGTH(id) - LENGTH(id)) = 1`
	}
	return `SELECT ABS(-9223372036854775807 - LENGTH($1 || 'x') / LENGTH($1 || 'x'))`
}

// TestClaimsSurviveReads: a read that fails takes nothing back of what was claimed
// at the same time.
func TestClaimsSurviveReads(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := add(t.Context(), db, "u"); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			enqueue(t, db, approval.Notify{Address: "a"})
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				jobs, err := db.ClaimJobs(t.Context(), 1, time.Minute)
				if err != nil {
					t.Error(err)
				}
				for _, j := range jobs {
					if err := db.MarkSending(t.Context(), j); err != nil {
						t.Errorf("a job that was claimed: %v", err)
					}
				}
			})
			for range 5 {
				wg.Go(func() {
					if _, err := db.Strings(t.Context(), failing(db), "u", nil); err == nil {
						t.Error("the read does not fail")
					}
				})
			}
		}
		wg.Wait()
	})
}
