package limit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/limit"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// asking is one node that counts asks, and its clock.
type asking struct {
	*limit.Asks
	now     time.Time
	refused map[string]int // by reason
}

// newAsking is a node on a minute's first second.
func newAsking(s limit.AskStore, r limit.Rates) *asking {
	a := &asking{now: time.Unix(60*30_000_000, 0), refused: map[string]int{}}
	a.Asks = &limit.Asks{
		Rates: map[string]limit.Rates{"corp": r}, Store: s, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return a.now }, Observe: func(_, reason string) { a.refused[reason]++ },
	}
	return a
}

// ask has client ask for n users, from the first one on, and returns how many
// asks were taken.
func (a *asking) ask(client string, first, n int) (taken int) {
	for i := range n {
		user := device.Subject{OP: "corp", Sub: fmt.Sprint(first + i)}
		if a.Take(approval.Ask{OP: "corp", ClientID: client, Subject: user}, a.now) {
			taken++
		}
	}
	return taken
}

func (a *asking) merge(t *testing.T) {
	t.Helper()
	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d were taken, want %d", what, got, want)
	}
}

func TestAskRates(t *testing.T) {
	a := newAsking(nil, limit.Rates{Client: 60, OP: 100})
	want(t, "a client", a.ask("shop", 0, 70), 60)
	want(t, "another", a.ask("bank", 0, 70), 40)
	want(t, "a third", a.ask("till", 0, 1), 0)
	if a.refused[limit.OverClient] != 10 || a.refused[limit.OverOP] != 31 {
		t.Errorf("refused: %v", a.refused)
	}
	a.now = a.now.Add(75 * time.Second) // a quarter of the next minute: three quarters of the last still count
	want(t, "a while later", a.ask("shop", 0, 70), 15)
	a.now = a.now.Add(2 * time.Minute)
	want(t, "when it is forgotten", a.ask("shop", 0, 70), 60)
	if !a.Take(approval.Ask{OP: "other", ClientID: "shop"}, a.now) {
		t.Error("a connection without limits is limited")
	}
}

// TestBreaker: a client that asks for many users, known or not, asks for nobody
// for a while; one that asks for the same few does, and so does one before whom
// users stand with their codes.
func TestBreaker(t *testing.T) {
	a := newAsking(nil, limit.Rates{Users: 10, Open: 5 * time.Minute})
	for range 20 {
		want(t, "the same few", a.ask("shop", 0, 5), 5)
	}
	want(t, "a list", a.ask("bank", 0, 50), 10)
	want(t, "whom it had asked for before", a.ask("bank", 0, 1), 0)
	want(t, "another client", a.ask("shop", 0, 5), 5)
	for i := range 30 {
		if !a.Take(approval.Ask{OP: "corp", ClientID: "till", HintToken: device.Secret(fmt.Sprint(i))}, a.now) {
			t.Fatal("a code that a device shows is taken for a list")
		}
	}
	a.now = a.now.Add(5*time.Minute - 1)
	want(t, "just before the wait is over", a.ask("bank", 0, 1), 0)
	a.now = a.now.Add(1)
	want(t, "after it", a.ask("bank", 0, 50), 10)
}

// TestNodesCountTogether: what one node took is gone for the other a merge later,
// a breaker that opens on one is open on both, and a restart forgets nothing.
func TestNodesCountTogether(t *testing.T) {
	urls := map[string]string{"sqlite": "sqlite:" + t.TempDir() + "/mitome.db", "postgres": storetest.PostgresURL(t)}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			ring := seal.New()
			rates := limit.Rates{Client: 20, OP: 400, Users: 10, Open: 5 * time.Minute}
			one := newAsking(storetest.Open(t, url, ring), rates)
			two := newAsking(storetest.Open(t, url, ring), rates)
			both := []*asking{one, two, one, two}
			for range 2 { // four users again and again
				one.ask("shop", 0, 4)
				two.ask("shop", 0, 4)
			}
			for _, n := range both {
				n.merge(t)
			}
			want(t, "on one", one.ask("shop", 0, 4), 4) // 16 of 20 were taken before
			one.merge(t)
			two.merge(t)
			want(t, "on the other", two.ask("shop", 0, 4), 0)
			want(t, "of another client", two.ask("bank", 0, 30), 10) // the breaker opens at ten
			two.merge(t)
			one.merge(t)
			want(t, "its list elsewhere", one.ask("bank", 0, 1), 0)
			// A list that is worked through by way of both is one list.
			want(t, "the first part of a list", one.ask("kiosk", 0, 6), 6)
			one.merge(t)
			two.merge(t)
			want(t, "the rest of it, elsewhere", two.ask("kiosk", 6, 6), 4)
			two.merge(t)
			again := newAsking(storetest.Open(t, url, ring), rates)
			again.merge(t)
			want(t, "after a restart", again.ask("shop", 0, 1)+again.ask("bank", 0, 1), 0)
			if again.refused[limit.OverBreaker] != 1 || again.refused[limit.OverClient] != 1 {
				t.Errorf("after a restart: %v", again.refused)
			}
		})
	}
}

// failing is a store whose database is away.
type failing struct {
	limit.AskStore
	away bool
}

// MergeAsks implements limit.AskStore.
func (f *failing) MergeAsks(ctx context.Context, n limit.AskNews) ([]limit.AskCount, []limit.Breaker, error) {
	if f.away {
		return nil, nil, errors.New("away")
	}
	return f.AskStore.MergeAsks(ctx, n)
}

// TestMergeAfterAFault: while the database is away a node bounds by itself, and
// nothing is counted twice or lost when it is back.
func TestMergeAfterAFault(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := &failing{db, true}
		a := newAsking(f, limit.Rates{Client: 10})
		want(t, "alone", a.ask("shop", 0, 6), 6)
		if err := a.Merge(t.Context()); err == nil {
			t.Fatal("no error")
		}
		want(t, "still alone", a.ask("shop", 0, 6), 4)
		f.away = false
		a.merge(t)
		a.merge(t)
		want(t, "afterwards", a.ask("shop", 0, 1), 0)
		other := newAsking(db, limit.Rates{Client: 11})
		other.merge(t)
		want(t, "elsewhere", other.ask("shop", 0, 6), 1)
	})
}
