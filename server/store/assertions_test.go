package store_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// TestSpendAssertion: the first use of a name is the only one, on all nodes, until
// it is forgotten.
func TestSpendAssertion(t *testing.T) {
	for name, url := range map[string]func() string{
		"sqlite": func() string { return "sqlite:" + t.TempDir() + "/mitome.db" }, "postgres": func() string { return storetest.PostgresURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			ring, at := seal.New(), url()
			nodes := []*store.DB{storetest.Open(t, at, ring), storetest.Open(t, at, ring)}
			until := time.Now().Add(time.Minute)
			var first atomic.Int32
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					fresh, err := nodes[i%2].SpendAssertion(t.Context(), "shop", "jti", until)
					if err != nil {
						t.Error(err)
					}
					if fresh {
						first.Add(1)
					}
				})
			}
			wg.Wait()
			if n := first.Load(); n != 1 {
				t.Errorf("%d were the first, want 1", n)
			}
			spend := func(db *store.DB, op, id string, want bool) {
				t.Helper()
				if fresh, err := db.SpendAssertion(t.Context(), op, id, until); fresh != want || err != nil {
					t.Errorf("%s %q: got %v, %v, want %v", op, id, fresh, err, want)
				}
			}
			spend(nodes[0], "bank", "jti", true)
			spend(nodes[0], "shop", "JTI", true)
			spend(nodes[0], "shop", "\x00\xff", true)
			spend(nodes[1], "shop", "\x00\xff", false)
			if _, err := nodes[0].Forget(t.Context(), 10); err != nil {
				t.Fatal(err)
			}
			spend(nodes[1], "shop", "jti", false)
			nodes[1].Now = func() time.Time { return until }
			if n, err := nodes[1].Forget(t.Context(), 10); n != 4 || err != nil {
				t.Errorf("forgot %d, %v, want 4", n, err)
			}
			spend(nodes[0], "shop", "jti", true)
		})
	}
}
