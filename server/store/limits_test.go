package store_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/limit"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// prompted stores r and that its user was asked, as p and r's time say.
func prompted(t *testing.T, db *store.DB, r approval.Request, p approval.Prompts) error {
	t.Helper()
	p.Recent = append(p.Recent, r.CreatedAt)
	_, err := db.CreatePrompted(t.Context(), r, nil, devicetest.Admin, p)
	return err
}

func promptsOf(t *testing.T, db *store.DB, r approval.Request) approval.Prompts {
	t.Helper()
	p, _, err := db.Standing(t.Context(), r.UserID, r.ClientID, r.CreatedAt)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func isError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestPromptsMoveOnce: of two that saw a user at the same place one asks her, and
// nothing of the other is stored; also where she approved in between, which begins
// anew.
func TestPromptsMoveOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		u := people(db).NewUser(t, "corp", "A")
		ask := func() approval.Request { return approvaltest.Request(u.ID) }
		for range 2 {
			p := promptsOf(t, db, ask())
			if err := prompted(t, db, ask(), p); err != nil {
				t.Fatal(err)
			}
			late := ask()
			isError(t, prompted(t, db, late, p), approval.ErrConflict)
			_, err := db.Request(t.Context(), late.ID)
			isError(t, err, approval.ErrNotFound)
		}
		before := promptsOf(t, db, ask())
		r := ask()
		if err := prompted(t, db, r, before); err != nil {
			t.Fatal(err)
		}
		r.State, r.Decision = approval.Approved, &approval.Decision{Verdict: approval.Approve, At: r.CreatedAt}
		if err := db.UpdateRequest(t.Context(), approval.Change{Next: r, By: devicetest.Admin, Calms: true}); err != nil {
			t.Fatal(err)
		}
		p := promptsOf(t, db, ask())
		if len(p.Recent) != 0 || p.Streak != 0 || !p.Until.IsZero() {
			t.Errorf("after she approved: %+v", p)
		}
		isError(t, prompted(t, db, ask(), before), approval.ErrConflict)
	})
}

// TestPromptsCountWhatWaits: of whom, of which client, not what is over, answered
// or was quiet.
func TestPromptsCountWhatWaits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		u, other := people(db).NewUser(t, "corp", "A"), people(db).NewUser(t, "corp", "B")
		put := func(u device.UserID, change func(*approval.Request)) {
			t.Helper()
			r := approvaltest.Request(u)
			change(&r)
			if _, err := db.CreateRequest(t.Context(), r, nil, devicetest.Admin); err != nil {
				t.Fatal(err)
			}
		}
		put(u.ID, func(*approval.Request) {})
		put(u.ID, func(r *approval.Request) { r.ClientID = "bank" })
		put(u.ID, func(r *approval.Request) { r.Quiet = approval.QuietPrompts })
		put(u.ID, func(r *approval.Request) { r.ExpiresAt = r.CreatedAt })
		put(u.ID, func(r *approval.Request) {
			r.State, r.Decision = approval.Denied, &approval.Decision{Verdict: approval.Deny}
		})
		put(other.ID, func(*approval.Request) {})
		got := promptsOf(t, db, approvaltest.Request(u.ID))
		if diff := cmp.Diff(approval.Prompts{OfClient: 1, OfUser: 2}, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(approval.Prompts{}, promptsOf(t, db, approvaltest.Request("nobody"))); diff != "" {
			t.Error(diff)
		}
	})
}

// TestPromptsOutliveARestart: who is stopped and started again has forgotten
// nothing.
func TestPromptsOutliveARestart(t *testing.T) {
	ring := seal.New()
	for name, url := range map[string]string{
		"sqlite":   "sqlite:" + filepath.Join(t.TempDir(), "mitome.db"),
		"postgres": storetest.PostgresURL(t),
	} {
		t.Run(name, func(t *testing.T) {
			one := storetest.Open(t, url, ring)
			u := people(one).NewUser(t, "corp", "A")
			r := approvaltest.Request(u.ID)
			want := approval.Prompts{
				Recent: []time.Time{r.CreatedAt.Add(-time.Minute), r.CreatedAt}, Streak: 3, Until: r.CreatedAt.Add(time.Hour),
			}
			if _, err := one.CreatePrompted(t.Context(), r, nil, devicetest.Admin, want); err != nil {
				t.Fatal(err)
			}
			want.Version, want.OfClient, want.OfUser = 1, 1, 1
			got := promptsOf(t, storetest.Open(t, url, ring), approvaltest.Request(u.ID))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRefusedAsksAreAudited: once a merge, with how many they were, whatever bytes
// the client's name holds.
func TestRefusedAsksAreAudited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		asks := &limit.Asks{
			Rates: map[string]limit.Rates{"corp": {Client: 1}}, Store: db, Log: slog.New(slog.DiscardHandler),
			Now: time.Now, Observe: func(string, string) {},
		}
		now := time.Now()
		for range 8 {
			asks.Take(approval.Ask{OP: "corp", ClientID: "shop\x00\xff"}, now)
		}
		for range 2 {
			if err := asks.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND detail LIKE '%"times":"7"%' AND detail LIKE '%"client_rate"%' AND detail LIKE '%"shop"%'`,
			audit.AsksRefused)
		if n != 1 || count(t, db, `SELECT COUNT(*) FROM audit`) != 1 {
			t.Errorf("%d rows say so, want 1", n)
		}
	})
}
